// SPDX-License-Identifier: LGPL-3.0-or-later
// Array and execution types used by all kernels.
//
// `Exec` is where one tile of atoms is worked on. On a CPU it is Serial: threads run over tiles, and one
// thread does a whole tile while it sits in its cache. On a GPU it is the device: a tile is large and the
// parallelism is inside. Kernels take `exec` and views and do not know which.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <Kokkos_Core.hpp>

namespace dpcore {

#if defined(DPCORE_EMULATE_DEVICE)
using Exec = Kokkos::Serial;  // the code of devices on the host, to test it without one
inline constexpr bool kExecOnHost = false;
#elif defined(KOKKOS_ENABLE_CUDA) || defined(KOKKOS_ENABLE_HIP)
using Exec = Kokkos::DefaultExecutionSpace;
inline constexpr bool kExecOnHost = false;
#else
using Exec = Kokkos::Serial;
inline constexpr bool kExecOnHost = true;
#endif
using Memory = Exec::memory_space;

/// Unmanaged row-major views into a Workspace or a parameter store; cheap to pass by value.
template <class T>
using Vector = Kokkos::View<T*, Kokkos::LayoutRight, Memory, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
template <class T>
using Matrix = Kokkos::View<T**, Kokkos::LayoutRight, Memory, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
/// [n, a, b], row-major
template <class T>
using Tensor3 = Kokkos::View<T***, Kokkos::LayoutRight, Memory, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;

/// Owning arrays in the memory of Exec.
template <class T>
using DeviceArray = Kokkos::View<T*, Kokkos::LayoutRight, Memory>;

/// Rows [begin, end) of a matrix, as a matrix.
template <class T>
Matrix<T> rows(const Matrix<T>& m, int begin, int end) {
  return Matrix<T>(m.data() + static_cast<std::size_t>(begin) * m.extent(1), end - begin, m.extent(1));
}

/// Loop over `n` independent indices on `exec`: f(i).
template <class F>
void for_each(const Exec& exec, const char* label, int n, const F& f) {
  if constexpr (kExecOnHost) {
    (void)exec;
    (void)label;
    for (int i = 0; i < n; ++i) f(i);
  } else {
    Kokkos::parallel_for(label, Kokkos::RangePolicy<Exec>(exec, 0, n), f);
  }
}

/// Loop over `n` rows of `m` columns: f(i, j). On the host the columns are the vectorised inner loop.
template <class F>
void for_each_element(const Exec& exec, const char* label, int n, int m, const F& f) {
  if constexpr (kExecOnHost) {
    (void)exec;
    (void)label;
    for (int i = 0; i < n; ++i) {
#pragma omp simd
      for (int j = 0; j < m; ++j) f(i, j);
    }
  } else {
    using Policy = Kokkos::RangePolicy<Exec, Kokkos::IndexType<std::int64_t>>;
    const std::int64_t width = m;
    Kokkos::parallel_for(
        label, Policy(exec, 0, n * width),
        KOKKOS_LAMBDA(const std::int64_t k) { f(static_cast<int>(k / width), static_cast<int>(k % width)); });
  }
}

/// The same with what all columns of a row share: f(row(i), j). On a device every column makes it for itself.
template <class Row, class F>
void for_each_in_row(const Exec& exec, const char* label, int n, int m, const Row& row, const F& f) {
  if constexpr (kExecOnHost) {
    (void)exec;
    (void)label;
    for (int i = 0; i < n; ++i) {
      const auto shared = row(i);
#pragma omp simd
      for (int j = 0; j < m; ++j) f(shared, j);
    }
  } else {
    for_each_element(exec, label, n, m, KOKKOS_LAMBDA(const int i, const int j) { f(row(i), j); });
  }
}

/// K sums of which one index has several.
template <class T, int K>
struct Sums {
  T at[K] = {};
  KOKKOS_FORCEINLINE_FUNCTION Sums& operator+=(const Sums& o) {
    for (int k = 0; k < K; ++k) at[k] += o.at[k];
    return *this;
  }
};

/// For each of n indices the sums over m terms: add(i, j, sums) for all j, then done(i, sums). On a device
/// the terms of an index are spread over the lanes of a warp; use it there.
template <class T, int K, class Add, class Done>
void for_each_sum(const Exec& exec, const char* label, int n, int m, const Add& add, const Done& done) {
  if constexpr (std::is_same<Exec, Kokkos::Serial>::value) {
    (void)exec;
    (void)label;
    for (int i = 0; i < n; ++i) {
      Sums<T, K> sums;
      for (int j = 0; j < m; ++j) add(i, j, sums);
      done(i, sums);
    }
  } else {
    if (n == 0) return;
    constexpr int indices = 8, lanes = 32;  // of a team
    using Policy = Kokkos::TeamPolicy<Exec>;
    Kokkos::parallel_for(
        label, Policy(exec, (n + indices - 1) / indices, indices, lanes),
        KOKKOS_LAMBDA(const typename Policy::member_type& team) {
          const int i = team.league_rank() * indices + team.team_rank();
          if (i >= n) return;
          Sums<T, K> sums;
          Kokkos::parallel_reduce(
              Kokkos::ThreadVectorRange(team, m), [&](const int j, Sums<T, K>& mine) { add(i, j, mine); },
              sums);
          Kokkos::single(Kokkos::PerThread(team), [&]() { done(i, sums); });
        });
  }
}

/// Copy between Exec's memory and a host mirror. On the host both are the same array and there is nothing to
/// do; workers must not call Kokkos' own copies there, which wait for the very loop they run in.
template <class To, class From>
void mirror_copy(const Exec& exec, const To& to, const From& from) {
  if constexpr (kExecOnHost) {
    (void)exec;
    (void)to;
    (void)from;
  } else {
    Kokkos::deep_copy(exec, to, from);
    exec.fence("dpcore::mirror_copy");
  }
}

/// Add to a sum that several device threads may share. On the host every thread owns its sums.
template <class T>
KOKKOS_INLINE_FUNCTION void add_to(T* target, const T value) {
  if constexpr (kExecOnHost) {
    *target += value;
  } else {
    Kokkos::atomic_add(target, value);
  }
}

/// The same, with the value from before.
template <class T>
KOKKOS_INLINE_FUNCTION T fetch_add(T* target, const T value) {
  if constexpr (kExecOnHost) {
    const T before = *target;
    *target += value;
    return before;
  } else {
    return Kokkos::atomic_fetch_add(target, value);
  }
}

}  // namespace dpcore
