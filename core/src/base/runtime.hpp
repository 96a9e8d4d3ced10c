// SPDX-License-Identifier: LGPL-3.0-or-later
// Start of Kokkos and the loop over workers (threads) on the host.
#pragma once

#include <functional>

namespace dpcore {

/// Start Kokkos unless the process already did; what we started is stopped when the process ends.
void ensure_runtime();

/// Number of host threads that run over tiles (see dpcore/runtime.h; 1 when the tiles run on a device, and in
/// a process that was forked from one in which the threads had started).
int n_workers();

/// Number of host threads for what is done on the host in any build (neighbour lists).
int n_threads();

/// At most n workers from now on; before ensure_runtime() it also is the number of threads that are made.
void limit_workers(int n);

/// Run body(worker) for worker = 0..n-1 on host threads. The first exception thrown by a worker is rethrown
/// here after all have finished.
void run_workers(int n, const std::function<void(int)>& body);

/// The same after `first`, by worker 0, while the others wait: threads that sleep wake up meanwhile.
void run_workers_after(int n, const std::function<void()>& first, const std::function<void(int)>& body);

}  // namespace dpcore
