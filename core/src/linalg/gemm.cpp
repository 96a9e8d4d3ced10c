// SPDX-License-Identifier: LGPL-3.0-or-later
#include "linalg/gemm.hpp"

#define EIGEN_DONT_PARALLELIZE
#include <Eigen/Dense>

namespace dpcore {

namespace {

template <class S>
using RowMajor = Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class S>
using In = Eigen::Map<const RowMajor<S>, 0, Eigen::OuterStride<>>;
template <class S>
using Out = Eigen::Map<RowMajor<S>, 0, Eigen::OuterStride<>>;

template <class S, class A, class B>
void product(const A& a, const B& b, int beta, Out<S>& c) {
  if (beta == 0) {
    c.noalias() = a * b;
  } else {
    c.noalias() += a * b;
  }
}

template <class S>
void gemm_host(Op op_a, Op op_b, int m, int n, int k, const S* a, int lda, const S* b, int ldb, int beta, S* c,
               int ldc) {
  const In<S> in_a(a, op_a == Op::None ? m : k, op_a == Op::None ? k : m, Eigen::OuterStride<>(lda));
  const In<S> in_b(b, op_b == Op::None ? k : n, op_b == Op::None ? n : k, Eigen::OuterStride<>(ldb));
  Out<S> out(c, m, n, Eigen::OuterStride<>(ldc));
  if (op_a == Op::None && op_b == Op::None) {
    product<S>(in_a, in_b, beta, out);
  } else if (op_a == Op::None) {
    product<S>(in_a, in_b.transpose(), beta, out);
  } else if (op_b == Op::None) {
    product<S>(in_a.transpose(), in_b, beta, out);
  } else {
    product<S>(in_a.transpose(), in_b.transpose(), beta, out);
  }
}

template <class S>
void gemm_device(const Exec& exec, Op op_a, Op op_b, int m, int n, int k, const S* a, int lda, const S* b, int ldb,
                 int beta, S* c, int ldc) {
  const int row_a = op_a == Op::None ? lda : 1, col_a = op_a == Op::None ? 1 : lda;
  const int row_b = op_b == Op::None ? ldb : 1, col_b = op_b == Op::None ? 1 : ldb;
  for_each_element(
      exec, "dpcore::gemm_device", m, n, KOKKOS_LAMBDA(const int i, const int j) {
        S sum = beta == 0 ? S(0) : c[static_cast<std::ptrdiff_t>(i) * ldc + j];
        for (int p = 0; p < k; ++p) {
          sum += a[static_cast<std::ptrdiff_t>(i) * row_a + static_cast<std::ptrdiff_t>(p) * col_a] *
                 b[static_cast<std::ptrdiff_t>(p) * row_b + static_cast<std::ptrdiff_t>(j) * col_b];
        }
        c[static_cast<std::ptrdiff_t>(i) * ldc + j] = sum;
      });
}

}  // namespace

template <class S>
void gemm(const Exec& exec, Op op_a, Op op_b, int m, int n, int k, const S* a, int lda, const S* b, int ldb,
          int beta, S* c, int ldc) {
  if (m == 0 || n == 0) return;
  if constexpr (kExecOnHost) {
    gemm_host<S>(op_a, op_b, m, n, k, a, lda, b, ldb, beta, c, ldc);
  } else {
    gemm_device<S>(exec, op_a, op_b, m, n, k, a, lda, b, ldb, beta, c, ldc);
  }
}

template void gemm<double>(const Exec&, Op, Op, int, int, int, const double*, int, const double*, int, int, double*, int);
template void gemm<float>(const Exec&, Op, Op, int, int, int, const float*, int, const float*, int, int, float*, int);

}  // namespace dpcore
