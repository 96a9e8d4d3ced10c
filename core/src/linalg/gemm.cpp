// SPDX-License-Identifier: LGPL-3.0-or-later
#include "linalg/gemm.hpp"

#include <stdexcept>
#include <string>

#include "linalg/gemm_host.hpp"

#if defined(KOKKOS_ENABLE_CUDA)
#include <cublas_v2.h>
#endif

namespace dpcore {

namespace {

#if defined(KOKKOS_ENABLE_CUDA)

void check(cublasStatus_t status) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw std::runtime_error(std::string("cuBLAS: ") + cublasGetStatusString(status));
}

/// One for the process, on the stream of `exec`; lives until the process ends.
cublasHandle_t blas(const Exec& exec) {
  static const cublasHandle_t handle = [] {
    cublasHandle_t made = nullptr;
    check(cublasCreate(&made));
    return made;
  }();
  check(cublasSetStream(handle, exec.cuda_stream()));
  return handle;
}

cublasStatus_t product(cublasHandle_t h, cublasOperation_t a_op, cublasOperation_t b_op, int m, int n, int k,
                       const double* one, const double* a, int lda, const double* b, int ldb,
                       const double* beta, double* c, int ldc) {
  return cublasDgemm(h, a_op, b_op, m, n, k, one, a, lda, b, ldb, beta, c, ldc);
}
cublasStatus_t product(cublasHandle_t h, cublasOperation_t a_op, cublasOperation_t b_op, int m, int n, int k,
                       const float* one, const float* a, int lda, const float* b, int ldb, const float* beta,
                       float* c, int ldc) {
  return cublasSgemm(h, a_op, b_op, m, n, k, one, a, lda, b, ldb, beta, c, ldc);
}

#endif

template <class S>
void gemm_device(const Exec& exec, const HostProduct<S>& t) {
  for_each_element(
      exec, "dpcore::gemm_device", t.m, t.n, KOKKOS_LAMBDA(const int i, const int j) {
        S* c = t.transposed ? t.c + j * t.ldc + i : t.c + i * t.ldc + j;
        S sum = t.start != nullptr ? *c : S(0);
        for (int p = 0; p < t.k; ++p) sum += t.a[i * t.row_a + p * t.col_a] * t.b[p * t.row_b + j * t.col_b];
        *c = sum;
      });
}

}  // namespace

template <class S>
void gemm(const Exec& exec, Op op_a, Op op_b, int m, int n, int k, const S* a, int lda, const S* b, int ldb,
          int beta, S* c, int ldc) {
  if (m == 0 || n == 0) return;
#if defined(KOKKOS_ENABLE_CUDA)
  // its matrices are column-major: what is row-major here it sees transposed, C^T = op(B)^T op(A)^T
  if (k > 0) {
    const auto op = [](Op o) { return o == Op::None ? CUBLAS_OP_N : CUBLAS_OP_T; };
    const S one = 1, factor = static_cast<S>(beta);
    return check(product(blas(exec), op(op_b), op(op_a), n, m, k, &one, b, ldb, a, lda, &factor, c, ldc));
  }
#endif
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
  t.start = beta != 0 ? c : nullptr;
  t.ld_start = ldc;
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

template <class S>
void gemm_with_row(const Exec& exec, int m, int n, int k, const S* a, int lda, const S* b, int ldb,
                   const S* row, S* c, int ldc) {
  if constexpr (kExecOnHost) {
    host_product(HostProduct<S>{m, n, k, a, lda, 1, b, ldb, 1, row, 0, c, ldc, false});
  } else {
    for_each_element(
        exec, "dpcore::gemm_row", m, n,
        KOKKOS_LAMBDA(const int i, const int j) { c[static_cast<std::ptrdiff_t>(i) * ldc + j] = row[j]; });
    gemm(exec, Op::None, Op::None, m, n, k, a, lda, b, ldb, 1, c, ldc);
  }
}

template void gemm_with_row<double>(const Exec&, int, int, int, const double*, int, const double*, int,
                                    const double*, double*, int);
template void gemm_with_row<float>(const Exec&, int, int, int, const float*, int, const float*, int,
                                   const float*, float*, int);
template void gemm<double>(const Exec&, Op, Op, int, int, int, const double*, int, const double*, int, int,
                           double*, int);
template void gemm<float>(const Exec&, Op, Op, int, int, int, const float*, int, const float*, int, int,
                          float*, int);

}  // namespace dpcore
