// SPDX-License-Identifier: LGPL-3.0-or-later
#include "descriptor/piece_moment.hpp"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "descriptor/piece_kernels.hpp"

namespace dpcore {

namespace {

using namespace piece_kernels;

template <int NP, class S>
void add_few(const PieceView<S>& table, const PieceGroups<S>& groups, const PieceGroup& g, const Matrix<S>& r,
             S scale, S* moment) {
  FewPairs<NP, S> few;
  for (int q = 0; q < NP; ++q) {
    few.u[q] = groups.u[g.begin + q];
    for (int c = 0; c < 4; ++c) few.r[q][c] = scale * r(groups.pair[g.begin + q], c);
  }
  add_blocks<kColumns>(few, table.rows_of(g.piece), table.stride, table.n_out, 0, moment);
}

/// Sums over the lanes of four vectors for each of some pairs, written to their rows of d_r.
template <class S, class C>
class Rows {
 public:
  explicit Rows(const Matrix<S>& d_r) : d_r_(d_r) {}
  void add(int pair, const Vec<C> (&d)[4]) {
    for (int c = 0; c < 4; ++c) v_[4 * n_ + c] = d[c];
    pair_[n_++] = pair;
    if (n_ == kPairs) flush();
  }
  void flush() {
    C sum[4 * kPairs];
    if constexpr (kLanes<C> == 4 * kPairs) {
      const Vec<C> sums = sums_of<C>(v_);
      std::memcpy(sum, &sums, sizeof(sum));
    } else {
      for (int k = 0; k < 4 * n_; ++k) sum[k] = sum_of<C>(v_[k]);
    }
    for (int q = 0; q < n_; ++q) {
      for (int c = 0; c < 4; ++c) d_r_(pair_[q], c) = static_cast<S>(sum[4 * q + c]);
    }
    n_ = 0;
  }

 private:
  static constexpr int kPairs = std::max(1, kLanes<C> / 4);
  Matrix<S> d_r_;
  Vec<C> v_[4 * kPairs] = {};
  int pair_[kPairs], n_ = 0;
};

}  // namespace

template <class S>
void group_pairs(const PieceView<S>& table, const TilePairs& pairs, int neighbor_type, const Vector<S>& s,
                 PieceGroups<S>& groups, Workspace& ws) {
  const auto b = static_cast<std::size_t>(neighbor_type);
  const int first = pairs.segment[b], n = pairs.segment[b + 1] - first;
  const auto size = static_cast<std::size_t>(n), n_pieces = static_cast<std::size_t>(table.n_pieces);
  int* const pair = ws.take<int>(size);
  S* const u = ws.take<S>(size);
  PieceGroup* const group = ws.take<PieceGroup>(size);
  const Workspace::Scope scope(ws);
  int* const piece = ws.take<int>(size);
  S* const place = ws.take<S>(size);
  // first the number of pairs, then where the next one goes; behind the pieces those that no piece holds
  int* const next = ws.take<int>(n_pieces + 2);
  std::fill_n(next, n_pieces + 2, 0);
  for (int q = 0; q < n; ++q) {
    const double at = static_cast<double>(s(first + q));
    int k = table.n_pieces;
    place[q] = S(0);
    if (table.holds(at)) {
      k = table.find(at);
      place[q] = static_cast<S>((at - table.piece[k].middle) * table.piece[k].inverse_half);
    }
    piece[q] = k;
    ++next[k + 1];
  }
  for (int k = 0; k <= table.n_pieces; ++k) next[k + 1] += next[k];
  for (int q = 0; q < n; ++q) {
    const int to = next[piece[q]]++;
    pair[to] = first + q;
    u[to] = place[q];
  }
  // next[k] is the end of piece k now
  int n_groups = 0, q = 0;
  for (int k = 0; k < table.n_pieces; ++k) {
    while (q < next[k]) {
      const int begin = q, row = pairs.row(pair[q]);
      do ++q;
      while (q < next[k] && pairs.row(pair[q]) == row);
      group[n_groups++] = {k, row, begin, q};
    }
  }
  groups = {pair, u, group, n_groups, pair + q, n - q};
}

template <class S>
OutsidePairs<S> outside_pairs(const int* pair, int n, const TilePairs& pairs, const Vector<S>& s,
                              const Matrix<S>& value, int n_out, Workspace& ws) {
  const int n_rows = pairs.n_rows;
  const auto size = static_cast<std::size_t>(n), width = static_cast<std::size_t>(n_out);
  OutsidePairs<S> out;
  out.pair = pair;
  out.pairs.n_rows = n_rows;
  out.pairs.n_pairs = n;
  out.pairs.segment = {0, n};
  out.pairs.offset = ws.vector<int>(static_cast<std::size_t>(n_rows) + 1);
  out.pairs.row = ws.vector<int>(size);
  out.s = ws.vector<S>(size);
  out.value = ws.matrix<S>(size, 4);
  out.g = ws.matrix<S>(size, width);
  out.g_prime = ws.matrix<S>(size, width);
  int row = 0;
  for (int k = 0; k < n; ++k) {
    const int p = pair[k];
    for (; row <= pairs.row(p); ++row) out.pairs.offset(row) = k;
    out.pairs.row(k) = pairs.row(p);
    out.s(k) = s(p);
    for (int c = 0; c < 4; ++c) out.value(k, c) = value(p, c);
  }
  for (; row <= n_rows; ++row) out.pairs.offset(row) = n;
  return out;
}

template <class S>
void add_piece_moment(const PieceView<S>& table, const PieceGroups<S>& groups, const Matrix<S>& r, S scale,
                      const Tensor3<S>& moment) {
  for (int k = 0; k < groups.n; ++k) {
    const PieceGroup& g = groups.group[k];
    S* const t = &moment(g.row, 0, 0);
    if (g.end - g.begin == 1) {
      add_few<1>(table, groups, g, r, scale, t);
      continue;
    }
    if (g.end - g.begin == 2) {
      add_few<2>(table, groups, g, r, scale, t);
      continue;
    }
    Vec<S> sum[4][kParts<S>] = {};
    for (int q = g.begin; q < g.end; ++q) {
      Vec<S> w[kParts<S>];
      powers(groups.u[q], w);
      const S* x = &r(groups.pair[q], 0);
      for (int c = 0; c < 4; ++c) {
        for (int v = 0; v < kParts<S>; ++v) sum[c][v] += scale * x[c] * w[v];
      }
    }
    alignas(64) S b[4][kPowers];
    std::memcpy(b, sum, sizeof(b));
    add_blocks<kColumns>(PowerSums<S>{b}, table.rows_of(g.piece), table.stride, table.n_out, 0, t);
  }
}

namespace {

/// piece_moment_backward_inputs with a block and adjoints [n_rows, 4, n_out] in C
template <class S, class C>
void backward(const PieceView<S>& table, const PieceGroups<S>& groups, const C* block, const C* bar,
              const Matrix<S>& r, S scale, const Matrix<S>& d_r) {
  const auto width = static_cast<std::ptrdiff_t>(table.n_out);
  Rows<S, C> rows(d_r);
  for (int k = 0; k < groups.n; ++k) {
    const PieceGroup& g = groups.group[k];
    if constexpr (std::is_same<S, C>::value) {
      if (g.end - g.begin == 1) {  // fewer operations than by way of the powers
        const int pair = groups.pair[g.begin];
        Vec<S> sum[4] = {}, radial = {};
        dot_blocks<kColumns>(table.rows_of(g.piece), table.stride, 0, table.n_out, groups.u[g.begin],
                             &r(pair, 0), bar + 4 * g.row * width, sum, radial);
        sum[0] += static_cast<S>(table.piece[g.piece].inverse_half) * radial;
        for (int c = 0; c < 4; ++c) sum[c] *= scale;
        rows.add(pair, sum);
        continue;
      }
    }
    alignas(64) C p[4][kPowers];
    project(block + g.piece * width * kPowers, bar + 4 * g.row * width, table.n_out, static_cast<C>(scale),
            p);
    const C inverse_half = static_cast<C>(table.piece[g.piece].inverse_half);
    for (int q = g.begin; q < g.end; ++q) {
      const C u = static_cast<C>(groups.u[q]);
      Vec<C> w[kParts<C>], slope[kParts<C>], sum[4] = {}, radial = {};
      powers(u, w);
      slopes(u, w, slope);
      const S* x = &r(groups.pair[q], 0);
      for (int v = 0; v < kParts<C>; ++v) {
        Vec<C> along = {};
        for (int c = 0; c < 4; ++c) {
          const Vec<C> y = load(&p[c][v * kLanes<C>]);
          sum[c] += w[v] * y;
          along += static_cast<C>(x[c]) * y;
        }
        radial += slope[v] * along;
      }
      sum[0] += inverse_half * radial;
      rows.add(groups.pair[q], sum);
    }
  }
  rows.flush();
}

}  // namespace

template <class S>
void piece_moment_backward_inputs(const PieceView<S>& table, const PieceGroups<S>& groups,
                                  const Tensor3<S>& moment_bar, const Matrix<S>& r, S scale,
                                  const Matrix<S>& d_r, Workspace& ws) {
  if (table.single_block == nullptr) {
    backward(table, groups, table.block, moment_bar.data(), r, scale, d_r);
    return;
  }
  const Workspace::Scope scope(ws);
  const std::size_t n = moment_bar.extent(0) * 4 * moment_bar.extent(2);
  float* const bar = ws.take<float>(n);
  for (std::size_t k = 0; k < n; ++k) bar[k] = static_cast<float>(moment_bar.data()[k]);
  backward(table, groups, table.single_block, bar, r, scale, d_r);
}

#define DPCORE_INSTANTIATE(S)                                                                             \
  template void group_pairs<S>(const PieceView<S>&, const TilePairs&, int, const Vector<S>&,              \
                               PieceGroups<S>&, Workspace&);                                              \
  template OutsidePairs<S> outside_pairs<S>(const int*, int, const TilePairs&, const Vector<S>&,          \
                                            const Matrix<S>&, int, Workspace&);                           \
  template void add_piece_moment<S>(const PieceView<S>&, const PieceGroups<S>&, const Matrix<S>&, S,      \
                                    const Tensor3<S>&);                                                   \
  template void piece_moment_backward_inputs<S>(const PieceView<S>&, const PieceGroups<S>&,               \
                                                const Tensor3<S>&, const Matrix<S>&, S, const Matrix<S>&, \
                                                Workspace&);
DPCORE_INSTANTIATE(double)
DPCORE_INSTANTIATE(float)
#undef DPCORE_INSTANTIATE

}  // namespace dpcore
