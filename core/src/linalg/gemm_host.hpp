// SPDX-License-Identifier: LGPL-3.0-or-later
// The host's matrix product: register tiles of broadcast-times-vector, for the shapes of this library (tens
// to hundreds of rows, 25 to 1600 columns), where it runs at 85 to 95 % of a core's peak and 1.7 times as
// fast as Eigen 3.4 (benchmarks/NOTES.md).
#pragma once

#include <cstddef>

namespace dpcore {

/// C[m, n] = sum_p a[i * row_a + p * col_a] b[p * row_b + j * col_b] + start[i * ld_start + j], any strides
/// of A and B. C is row-major with leading dimension ldc, or its transpose is if `transposed`, as `start`
/// then is. Without `start` (null) the sum alone; C itself may be it, or one row for all (ld_start 0).
template <class S>
struct HostProduct {
  int m, n, k;
  const S* a;
  std::ptrdiff_t row_a, col_a;
  const S* b;
  std::ptrdiff_t row_b, col_b;
  const S* start;
  std::ptrdiff_t ld_start;
  S* c;
  std::ptrdiff_t ldc;
  bool transposed;
};

template <class S>
void host_product(const HostProduct<S>&);

}  // namespace dpcore
