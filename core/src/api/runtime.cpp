// SPDX-License-Identifier: LGPL-3.0-or-later
#include "dpcore/runtime.h"

#include <Kokkos_Macros.hpp>

#include "base/runtime.hpp"
#include "dpcore/errors.h"

namespace dpcore {

std::string backend() {
#if defined(DPCORE_EMULATE_DEVICE)
  return "emulated";
#elif defined(KOKKOS_ENABLE_CUDA)
  return "cuda";
#elif defined(KOKKOS_ENABLE_HIP)
  return "hip";
#elif defined(KOKKOS_ENABLE_OPENMP)
  return "openmp";
#else
  return "serial";
#endif
}

int num_threads() {
  ensure_runtime();
  return n_threads();
}

void set_num_threads(int n) {
  if (n < 1) throw Error("set_num_threads: expected at least 1 thread, got " + std::to_string(n));
  limit_workers(n);
}

}  // namespace dpcore
