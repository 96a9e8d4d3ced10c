// SPDX-License-Identifier: LGPL-3.0-or-later
#include "linalg/gemm_host.hpp"

#include <algorithm>
#include <cstring>

#include "base/lanes.hpp"

namespace dpcore {

namespace {

// The register tile: kRows rows of A against kVectors vectors of B. With 32 registers (AVX-512, SVE) 8 x 3
// sums leave room for the operands; with 16 (AVX2, SSE) 4 x 3 do.
constexpr int kRows = kVectorBytes == 64 ? 8 : 4;
constexpr int kVectors = 3;
constexpr int kDepth = 256;               // rows of B per pass: a panel of B stays in the first-level cache
constexpr std::ptrdiff_t kFar = 1 << 21;  // bytes: a larger B comes from beyond the second-level cache

/// First row of the k-th of n_blocks even blocks of m rows.
int block_begin(int m, int n_blocks, int k) { return m / n_blocks * k + std::min(k, m % n_blocks); }

/// The NR rows of C from i0 on, NV vectors of columns, from a panel of B, rows of which are ldb apart and
/// contiguous.
template <class S, int NR, int NV>
void multiply_block(const HostProduct<S>& t, int i0, int n_columns, const S* b, std::ptrdiff_t ldb) {
  using V = Vec<S>;
  constexpr int L = kLanes<S>;
  const S* row[NR];
  for (int i = 0; i < NR; ++i) row[i] = t.a + (i0 + i) * t.row_a;
  V sum[NR][NV];
  for (int i = 0; i < NR; ++i) {
    for (int v = 0; v < NV; ++v) sum[i][v] = V{};
  }
  for (int p = 0; p < t.k; ++p) {
    V bv[NV];
    for (int v = 0; v < NV; ++v) bv[v] = *reinterpret_cast<const V*>(b + p * ldb + v * L);
    for (int i = 0; i < NR; ++i) {
      const S a = row[i][p * t.col_a];
      for (int v = 0; v < NV; ++v) sum[i][v] += a * bv[v];
    }
  }
  if (!t.transposed && n_columns == NV * L) {
    for (int i = 0; i < NR; ++i) {
      for (int v = 0; v < NV; ++v) {
        V* c = reinterpret_cast<V*>(t.c + (i0 + i) * t.ldc + v * L);
        *c = t.add ? *c + sum[i][v] : sum[i][v];
      }
    }
    return;
  }
  alignas(64) S tile[NR][NV * L];
  std::memcpy(tile, sum, sizeof(tile));
  if (t.transposed) {
    for (int j = 0; j < n_columns; ++j) {
      S* c = t.c + j * t.ldc + i0;
      for (int i = 0; i < NR; ++i) c[i] = t.add ? c[i] + tile[i][j] : tile[i][j];
    }
  } else {
    for (int i = 0; i < NR; ++i) {
      S* c = t.c + (i0 + i) * t.ldc;
      for (int j = 0; j < n_columns; ++j) c[j] = t.add ? c[j] + tile[i][j] : tile[i][j];
    }
  }
}

/// multiply_block with as many rows as n_rows says, at most NR.
template <class S, int NR, int NV>
void multiply_rows(const HostProduct<S>& t, int i0, int n_rows, int n_columns, const S* b,
                   std::ptrdiff_t ldb) {
  if constexpr (NR > 1) {
    if (n_rows < NR) return multiply_rows<S, NR - 1, NV>(t, i0, n_rows, n_columns, b, ldb);
  }
  multiply_block<S, NR, NV>(t, i0, n_columns, b, ldb);
}

/// All rows of C, NV vectors of columns, cut evenly into blocks: 33 rows are 7 + 7 + 7 + 6 + 6, no block has
/// rows that nobody wants. `next` is the panel after this one, or null: it is brought to the second-level
/// cache while the later rows of A are worked on.
template <class S, int NV>
void multiply_panel(const HostProduct<S>& t, int n_columns, const S* b, std::ptrdiff_t ldb, const S* next) {
  constexpr int L = kLanes<S>;
  const int n_blocks = (t.m + kRows - 1) / kRows, share = n_blocks > 1 ? t.k / (n_blocks - 1) + 1 : 0;
  for (int k = 0; k < n_blocks; ++k) {
    if (next != nullptr && k > 0) {
      const int begin = (k - 1) * share, end = std::min(t.k, begin + share);
      for (int p = begin; p < end; ++p) {
        for (int v = 0; v < NV; ++v) __builtin_prefetch(next + p * ldb + v * L, 0, 2);
      }
    }
    const int begin = block_begin(t.m, n_blocks, k), end = block_begin(t.m, n_blocks, k + 1);
    multiply_rows<S, kRows, NV>(t, begin, end - begin, n_columns, b, ldb);
  }
}

}  // namespace

template <class S>
void host_product(const HostProduct<S>& whole) {
  constexpr int L = kLanes<S>, kWidth = kVectors * L;
  const bool far = static_cast<std::ptrdiff_t>(sizeof(S)) * whole.n * whole.k > kFar;
  alignas(64) S packed[kDepth * kWidth];
  int p0 = 0;
  do {
    HostProduct<S> t = whole;
    t.k = std::min(kDepth, whole.k - p0);
    t.a += p0 * whole.col_a;
    t.add = whole.add || p0 > 0;
    for (int j0 = 0; j0 < whole.n; j0 += kWidth) {
      const int n_columns = std::min(kWidth, whole.n - j0), n_vectors = (n_columns + L - 1) / L;
      const S* b = whole.b + p0 * whole.row_b + j0 * whole.col_b;
      const S* next = far && j0 + kWidth < whole.n ? b + kWidth : nullptr;
      std::ptrdiff_t ldb = whole.row_b;
      if (whole.col_b != 1 || n_columns % L != 0) {
        ldb = n_vectors * L;
        for (int p = 0; p < t.k; ++p) {
          for (int j = 0; j < n_columns; ++j) packed[p * ldb + j] = b[p * whole.row_b + j * whole.col_b];
          for (int j = n_columns; j < ldb; ++j) packed[p * ldb + j] = S(0);
        }
        b = packed;
        next = nullptr;
      }
      t.c = whole.transposed ? whole.c + j0 * whole.ldc : whole.c + j0;
      switch (n_vectors) {
        case 1:
          multiply_panel<S, 1>(t, n_columns, b, ldb, next);
          break;
        case 2:
          multiply_panel<S, 2>(t, n_columns, b, ldb, next);
          break;
        default:
          multiply_panel<S, kVectors>(t, n_columns, b, ldb, next);
      }
    }
    p0 += kDepth;
  } while (p0 < whole.k);
}

template void host_product<double>(const HostProduct<double>&);
template void host_product<float>(const HostProduct<float>&);

}  // namespace dpcore
