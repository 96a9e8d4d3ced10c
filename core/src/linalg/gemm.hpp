// SPDX-License-Identifier: LGPL-3.0-or-later
// Row-major matrix products: our own register-tiled one on the host (one thread: the workers run over tiles),
// cuBLAS with CUDA, a plain kernel on other devices.
//
//     C[m,n] = op(A)[m,k] op(B)[k,n] + beta C,   beta = 0 or 1
//
// A, B, C are row-major with leading dimensions lda, ldb, ldc (elements from one row to the next). With
// beta = 0 the old content of C is not read. Extents may be zero.
#pragma once

#include "base/views.hpp"

namespace dpcore {

enum class Op { None, Transpose };

template <class S>
void gemm(const Exec& exec, Op op_a, Op op_b, int m, int n, int k, const S* a, int lda, const S* b, int ldb,
          int beta, S* c, int ldc);

/// C = A B with `row` [n] added to each row.
template <class S>
void gemm_with_row(const Exec& exec, int m, int n, int k, const S* a, int lda, const S* b, int ldb,
                   const S* row, S* c, int ldc);

/// C = A B (+ C), extents from the views.
template <class S>
void multiply(const Exec& exec, const Matrix<const S>& a, const Matrix<const S>& b, int beta,
              const Matrix<S>& c) {
  gemm<S>(exec, Op::None, Op::None, static_cast<int>(c.extent(0)), static_cast<int>(c.extent(1)),
          static_cast<int>(a.extent(1)), a.data(), static_cast<int>(a.extent(1)), b.data(),
          static_cast<int>(b.extent(1)), beta, c.data(), static_cast<int>(c.extent(1)));
}

/// C = A B^T (+ C)
template <class S>
void multiply_transposed(const Exec& exec, const Matrix<const S>& a, const Matrix<const S>& b, int beta,
                         const Matrix<S>& c) {
  gemm<S>(exec, Op::None, Op::Transpose, static_cast<int>(c.extent(0)), static_cast<int>(c.extent(1)),
          static_cast<int>(a.extent(1)), a.data(), static_cast<int>(a.extent(1)), b.data(),
          static_cast<int>(b.extent(1)), beta, c.data(), static_cast<int>(c.extent(1)));
}

}  // namespace dpcore
