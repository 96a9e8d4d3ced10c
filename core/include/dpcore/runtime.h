// SPDX-License-Identifier: LGPL-3.0-or-later
// Where the engine runs, and on how many threads.
#pragma once

#include <string>

#include "dpcore/export.h"

namespace dpcore {

/// The backend that is running, not the one that was asked for: "serial", "openmp", "cuda" or "hip";
/// "emulated" is the code of devices on the CPU.
DPCORE_API std::string backend();

/// Host threads that predictions and training use.
DPCORE_API int num_threads();

/// Use n >= 1 threads from now on. Without a call it is OMP_NUM_THREADS, or all cores of the process. The
/// threads are made with the first model, so that a later call can lower the number but not raise it above
/// that of the first. Throws Error if n < 1.
DPCORE_API void set_num_threads(int n);

}  // namespace dpcore
