// SPDX-License-Identifier: LGPL-3.0-or-later
#include "base/runtime.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include <pthread.h>

#include "base/views.hpp"

namespace dpcore {

namespace {

std::atomic<int> wanted_threads{0};  // 0: as Kokkos finds
// After fork() the child has none of the threads of OpenMP, which would wait for them for ever: it works
// alone.
std::atomic<bool> forked{false};

}  // namespace

void ensure_runtime() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (Kokkos::is_initialized() || Kokkos::is_finalized()) return;
    Kokkos::InitializationSettings settings;
    settings.set_disable_warnings(true);
    if (wanted_threads > 0) settings.set_num_threads(wanted_threads);
    Kokkos::initialize(settings);
    if constexpr (kExecOnHost) pthread_atfork(nullptr, nullptr, [] { forked = true; });
    std::atexit([] {
      if (!forked && Kokkos::is_initialized() && !Kokkos::is_finalized()) Kokkos::finalize();
    });
  });
}

int n_workers() { return kExecOnHost ? n_threads() : 1; }

int n_threads() {
  if (forked) return 1;
  const int threads = Kokkos::DefaultHostExecutionSpace().concurrency();
  return wanted_threads > 0 ? std::min<int>(wanted_threads, threads) : threads;
}

void run_workers(int n, const std::function<void(int)>& body) {
  if (n <= 0) return;
  std::vector<std::exception_ptr> failed(static_cast<std::size_t>(n));
  auto guarded = [&](const int worker) {
    try {
      body(worker);
    } catch (...) {
      failed[static_cast<std::size_t>(worker)] = std::current_exception();
    }
  };
  if (n == 1 || forked) {
    for (int worker = 0; worker < n; ++worker) guarded(worker);
  } else {
    using Host = Kokkos::DefaultHostExecutionSpace;
    using Policy = Kokkos::RangePolicy<Host, Kokkos::Schedule<Kokkos::Static>>;
    Kokkos::parallel_for("dpcore::run_workers", Policy(0, n, Kokkos::ChunkSize(1)), guarded);
  }
  for (const auto& f : failed) {
    if (f) std::rethrow_exception(f);
  }
}

// A thread that has several workers, as where there are fewer threads, begins with the lowest, so that worker
// 0 waits for nobody.
void run_workers_after(int n, const std::function<void()>& first, const std::function<void(int)>& body) {
  enum { Waiting, Done, Failed };
  std::atomic<int> state{Waiting};
  run_workers(n, [&](int worker) {
    if (worker == 0) {
      try {
        first();
      } catch (...) {
        state = Failed;
        throw;
      }
      state = Done;
    }
    while (state == Waiting) std::this_thread::yield();
    if (state == Done) body(worker);
  });
}

void limit_workers(int n) { wanted_threads = n; }

}  // namespace dpcore
