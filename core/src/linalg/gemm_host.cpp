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
constexpr std::ptrdiff_t kFar = 1 << 18;  // bytes: a larger A or B comes from beyond the second-level cache
constexpr int kPart = 64;  // rows of a far A that are multiplied with several panels of B while they are near
constexpr int kPanels = 4;  // such panels
constexpr int kLine = 64;   // bytes that a cache brings at once

/// First row of the k-th of n_blocks even blocks of m rows.
int block_begin(int m, int n_blocks, int k) { return m / n_blocks * k + std::min(k, m % n_blocks); }

/// What to bring to the second-level cache with each step of a block: first + p * distance for p = 0, 1 ...
struct Ahead {
  const char* first;
  std::ptrdiff_t distance;
};

/// The NR rows of C from i0 on, NV vectors of columns, from a panel of B, rows of which are ldb apart and
/// contiguous.
template <class S, int NR, int NV>
void multiply_block(const HostProduct<S>& t, int i0, int n_columns, const S* b, std::ptrdiff_t ldb,
                    Ahead ahead) {
  using V = Vec<S>;
  constexpr int L = kLanes<S>;
  const S* row[NR];
  for (int i = 0; i < NR; ++i) row[i] = t.a + (i0 + i) * t.row_a;
  V sum[NR][NV];
  for (int i = 0; i < NR; ++i) {
    for (int v = 0; v < NV; ++v) sum[i][v] = V{};
  }
  for (int p = 0; p < t.k; ++p) {
    __builtin_prefetch(ahead.first + p * ahead.distance, 0, 2);
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
        *c = t.start != nullptr ? load(t.start + (i0 + i) * t.ld_start + v * L) + sum[i][v] : sum[i][v];
      }
    }
    return;
  }
  alignas(64) S tile[NR][NV * L];
  std::memcpy(tile, sum, sizeof(tile));
  if (t.transposed) {
    for (int j = 0; j < n_columns; ++j) {
      S* c = t.c + j * t.ldc + i0;
      const S* start = t.start != nullptr ? t.start + j * t.ld_start + i0 : nullptr;
      for (int i = 0; i < NR; ++i) c[i] = start != nullptr ? start[i] + tile[i][j] : tile[i][j];
    }
  } else {
    for (int i = 0; i < NR; ++i) {
      S* c = t.c + (i0 + i) * t.ldc;
      const S* start = t.start != nullptr ? t.start + (i0 + i) * t.ld_start : nullptr;
      for (int j = 0; j < n_columns; ++j) c[j] = start != nullptr ? start[j] + tile[i][j] : tile[i][j];
    }
  }
}

/// multiply_block with as many rows as n_rows says, at most NR.
template <class S, int NR, int NV>
void multiply_rows(const HostProduct<S>& t, int i0, int n_rows, int n_columns, const S* b, std::ptrdiff_t ldb,
                   Ahead ahead) {
  if constexpr (NR > 1) {
    if (n_rows < NR) return multiply_rows<S, NR - 1, NV>(t, i0, n_rows, n_columns, b, ldb, ahead);
  }
  multiply_block<S, NR, NV>(t, i0, n_columns, b, ldb, ahead);
}

/// The rows [m0, m1) of C, NV vectors of columns, cut evenly into blocks: 33 rows are 7 + 7 + 7 + 6 + 6, no
/// block has rows that nobody wants. ahead(k, n) is for the k-th of n blocks.
template <class S, int NV, class F>
void multiply_panel(const HostProduct<S>& t, int m0, int m1, int n_columns, const S* b, std::ptrdiff_t ldb,
                    const F& ahead) {
  const int m = m1 - m0, n_blocks = (m + kRows - 1) / kRows;
  for (int k = 0; k < n_blocks; ++k) {
    const int begin = block_begin(m, n_blocks, k), end = block_begin(m, n_blocks, k + 1);
    multiply_rows<S, kRows, NV>(t, m0 + begin, end - begin, n_columns, b, ldb, ahead(k, n_blocks));
  }
}

}  // namespace

template <class S>
void host_product(const HostProduct<S>& whole) {
  constexpr int L = kLanes<S>, kWidth = kVectors * L;
  constexpr int size = sizeof(S), n_lines = (kWidth * size + kLine - 1) / kLine;
  const auto is_far = [&](int rows) { return static_cast<std::ptrdiff_t>(size) * rows * whole.k > kFar; };
  const bool far_a = is_far(whole.m) && whole.k <= kDepth && whole.col_a == 1 && whole.row_a == whole.k,
             far_b = !far_a && is_far(whole.n) && whole.col_b == 1;
  const int part = far_a ? kPart : std::max(1, whole.m), group = far_a ? kPanels * kWidth : kWidth;
  const auto b_at = [&](int p, int j) { return whole.b + p * whole.row_b + j * whole.col_b; };
  alignas(64) S packed[kPanels * kDepth * kWidth];
  int p0 = 0;
  do {
    HostProduct<S> t = whole;
    t.k = std::min(kDepth, whole.k - p0);
    t.a += p0 * whole.col_a;
    if (p0 > 0) {
      t.start = whole.c;
      t.ld_start = whole.ldc;
    }
    const S* const start = t.start;
    for (int g0 = 0; g0 < whole.n; g0 += group) {
      const int g1 = std::min(whole.n, g0 + group);
      const S* panel[kPanels];
      std::ptrdiff_t ldb[kPanels];
      const auto n_columns = [&](int j0) { return std::min(kWidth, g1 - j0); };
      for (int j0 = g0, q = 0; j0 < g1; j0 += kWidth, ++q) {
        const S* const b = b_at(p0, j0);
        const int n = n_columns(j0), room = (n + L - 1) / L * L;
        panel[q] = b;
        ldb[q] = whole.row_b;
        if (whole.col_b == 1 && n == room) continue;
        S* const to = packed + q * kDepth * kWidth;
        for (int p = 0; p < t.k; ++p) {
          for (int j = 0; j < n; ++j) to[p * room + j] = b[p * whole.row_b + j * whole.col_b];
          for (int j = n; j < room; ++j) to[p * room + j] = S(0);
        }
        panel[q] = to;
        ldb[q] = room;
      }
      for (int m0 = 0; m0 < whole.m; m0 += part) {
        const int m1 = std::min(whole.m, m0 + part);
        for (int j0 = g0, q = 0; j0 < g1; j0 += kWidth, ++q) {
          const auto ahead = [&](int k, int n_blocks) -> Ahead {
            const S* next = panel[q];
            std::ptrdiff_t distance = 0;
            if (far_a && j0 + kWidth >= g1 && k * kLine / size < std::min(kPart, whole.m - m1)) {
              // of the next part of A as many rows as t.k lines hold
              next = t.a + (m1 + k * kLine / size) * whole.row_a;
              distance = kLine;
            }
            // of the next panel of B a line of each row; the first block may wait for its own
            const int at = n_blocks > n_lines ? k - 1 : k;
            const bool here = j0 + kWidth < whole.n;
            if (far_b && at >= 0 && at < n_lines && (here || p0 + kDepth < whole.k)) {
              next = (here ? b_at(p0, j0 + kWidth) : b_at(p0 + kDepth, 0)) + at * kLine / size;
              distance = size * whole.row_b;
            }
            return {reinterpret_cast<const char*>(next), distance};
          };
          t.c = whole.transposed ? whole.c + j0 * whole.ldc : whole.c + j0;
          if (start != nullptr) t.start = whole.transposed ? start + j0 * t.ld_start : start + j0;
          switch ((n_columns(j0) + L - 1) / L) {
            case 1:
              multiply_panel<S, 1>(t, m0, m1, n_columns(j0), panel[q], ldb[q], ahead);
              break;
            case 2:
              multiply_panel<S, 2>(t, m0, m1, n_columns(j0), panel[q], ldb[q], ahead);
              break;
            default:
              multiply_panel<S, kVectors>(t, m0, m1, n_columns(j0), panel[q], ldb[q], ahead);
          }
        }
      }
    }
    p0 += kDepth;
  } while (p0 < whole.k);
}

template void host_product<double>(const HostProduct<double>&);
template void host_product<float>(const HostProduct<float>&);

}  // namespace dpcore
