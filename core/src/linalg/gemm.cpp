// SPDX-License-Identifier: LGPL-3.0-or-later
#include "linalg/gemm.hpp"

#include "linalg/gemm_host.hpp"

namespace dpcore {

namespace {

template <class S>
void gemm_device(const Exec& exec, const HostProduct<S>& t) {
  for_each_element(
      exec, "dpcore::gemm_device", t.m, t.n, KOKKOS_LAMBDA(const int i, const int j) {
        S* c = t.transposed ? t.c + j * t.ldc + i : t.c + i * t.ldc + j;
        S sum = t.add ? *c : S(0);
        for (int p = 0; p < t.k; ++p) sum += t.a[i * t.row_a + p * t.col_a] * t.b[p * t.row_b + j * t.col_b];
        *c = sum;
      });
}

}  // namespace

template <class S>
void gemm(const Exec& exec, Op op_a, Op op_b, int m, int n, int k, const S* a, int lda, const S* b, int ldb,
          int beta, S* c, int ldc) {
  if (m == 0 || n == 0) return;
  HostProduct<S> t;
  t.m = m;
  t.n = n;
  t.k = k;
  t.a = a;
  t.row_a = op_a == Op::None ? lda : 1;
  t.col_a = op_a == Op::None ? 1 : lda;
  t.b = b;
  t.row_b = op_b == Op::None ? ldb : 1;
  t.col_b = op_b == Op::None ? 1 : ldb;
  t.add = beta != 0;
  t.c = c;
  t.ldc = ldc;
  t.transposed = false;
  if (op_b == Op::Transpose && n > m) {
    // B's columns are not contiguous: rather than packing the large B, form C^T = B^T A^T and pack A
    std::swap(t.m, t.n);
    std::swap(t.a, t.b);
    const std::ptrdiff_t row_a = t.row_a, col_a = t.col_a;
    t.row_a = t.col_b;
    t.col_a = t.row_b;
    t.row_b = col_a;
    t.col_b = row_a;
    t.transposed = true;
  }
  if constexpr (kExecOnHost) {
    host_product(t);
  } else {
    gemm_device(exec, t);
  }
}

template void gemm<double>(const Exec&, Op, Op, int, int, int, const double*, int, const double*, int, int,
                           double*, int);
template void gemm<float>(const Exec&, Op, Op, int, int, int, const float*, int, const float*, int, int,
                          float*, int);

}  // namespace dpcore
