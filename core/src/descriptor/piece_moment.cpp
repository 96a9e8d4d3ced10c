// SPDX-License-Identifier: LGPL-3.0-or-later
#include "descriptor/piece_moment.hpp"

#include <algorithm>
#include <cstring>

#include "base/lanes.hpp"

namespace dpcore {

namespace {

constexpr int kPowers = PieceView<double>::kPowers;
/// Vectors that hold the powers of one u.
template <class C>
constexpr int kParts = kPowers / kLanes<C>;
/// Vectors of columns at a time, four sums of each in registers.
constexpr int kColumns = kVectorBytes == 64 ? 5 : 2;

/// What makes vectors of powers of u, u^2, u^4 ...: bit b of a lane's exponent chooses between 1 and u^(2^b).
template <class C>
struct Exponents {
  static constexpr int kLane = kLanes<C>;
  static constexpr int kBits = kLane == 2 ? 1 : kLane == 4 ? 2 : kLane == 8 ? 3 : 4;
  alignas(64) C one[kBits][kLane] = {}, power[kBits][kLane] = {};              // of u^p
  alignas(64) C slope_one[kBits][kLane] = {}, slope_power[kBits][kLane] = {};  // of u^(p-1), and 1 for p = 0
  alignas(64) C factor[kPowers] = {};                                          // p
  constexpr Exponents() {
    for (int b = 0; b < kBits; ++b) {
      for (int k = 0; k < kLane; ++k) {
        power[b][k] = static_cast<C>(k >> b & 1);
        one[b][k] = C(1) - power[b][k];
        slope_power[b][k] = static_cast<C>((k > 0 ? k - 1 : 0) >> b & 1);
        slope_one[b][k] = C(1) - slope_power[b][k];
      }
    }
    for (int p = 0; p < kPowers; ++p) factor[p] = static_cast<C>(p);
  }
};
template <class C>
constexpr Exponents<C> kExponents;

/// u^p, p = 0..15
template <class C>
inline void powers(C u, Vec<C>* w) {
  constexpr const Exponents<C>& e = kExponents<C>;
  w[0] = u * load(e.power[0]) + load(e.one[0]);
  for (int b = 1; b < Exponents<C>::kBits; ++b) {
    u *= u;
    w[0] *= u * load(e.power[b]) + load(e.one[b]);
  }
  u *= u;
  for (int v = 1; v < kParts<C>; ++v) w[v] = w[v - 1] * u;
}

/// p u^(p-1), where w are the powers
template <class C>
inline void slopes(C u, const Vec<C>* w, Vec<C>* d) {
  constexpr const Exponents<C>& e = kExponents<C>;
  d[0] = u * load(e.slope_power[0]) + load(e.slope_one[0]);
  C behind = u;  // u^(lanes - 1)
  for (int b = 1; b < Exponents<C>::kBits; ++b) {
    u *= u;
    behind *= u;
    d[0] *= u * load(e.slope_power[b]) + load(e.slope_one[b]);
  }
  u *= u;
  d[0] *= load(e.factor);
  for (int v = 1; v < kParts<C>; ++v) {
    d[v] = load(e.factor + v * kLanes<C>) * (behind * w[0]);
    behind *= u;
  }
}

/// T[c][m0 ..] += sum_p b[c][p] a_p for NV vectors of columns, the last n_valid of them valid
template <int NV, class S>
void add_columns(const S (&b)[4][kPowers], const S* a, int stride, int m0, int n_valid, int n_out,
                 S* moment) {
  constexpr int L = kLanes<S>;
  Vec<S> sum[4][NV] = {};
  for (int p = 0; p < kPowers; ++p) {
    const S *row = a + p * stride + m0, b0 = b[0][p], b1 = b[1][p], b2 = b[2][p], b3 = b[3][p];
    for (int v = 0; v < NV; ++v) {
      const Vec<S> x = load(row + v * L);
      sum[0][v] += b0 * x;
      sum[1][v] += b1 * x;
      sum[2][v] += b2 * x;
      sum[3][v] += b3 * x;
    }
  }
  if (n_valid == NV * L) {
    for (int c = 0; c < 4; ++c) {
      for (int v = 0; v < NV; ++v) {
        S* to = moment + c * n_out + m0 + v * L;
        sum[c][v] += load(to);
        std::memcpy(to, &sum[c][v], sizeof(Vec<S>));
      }
    }
    return;
  }
  alignas(64) S tile[4][NV * L];
  std::memcpy(tile, sum, sizeof(tile));
  for (int c = 0; c < 4; ++c) {
    S* to = moment + c * n_out + m0;
    for (int k = 0; k < n_valid; ++k) to[k] += tile[c][k];
  }
}

template <int NV, class S>
void add_blocks(const S (&b)[4][kPowers], const S* a, int stride, int n_out, int m0, S* moment) {
  constexpr int width = NV * kLanes<S>;
  for (; stride - m0 >= width; m0 += width)
    add_columns<NV>(b, a, stride, m0, std::min(width, n_out - m0), n_out, moment);
  if constexpr (NV > 1) add_blocks<NV - 1>(b, a, stride, n_out, m0, moment);
}

/// p [4][kPowers] = scale sum_m bar[c][m] a[m], bar [4, m]
template <class C>
void project(const C* a, const C* bar, int m, C scale, C (&p)[4][kPowers]) {
  constexpr int L = kLanes<C>;
  // vectors of powers, and columns, at a time: sums of their own, which do not wait for each other
  constexpr int together = std::min(kParts<C>, kVectorBytes == 64 ? 4 : 2);
  constexpr int unroll = kVectorBytes == 64 ? 4 / together : 1;
  for (int v0 = 0; v0 < kParts<C>; v0 += together) {
    Vec<C> sum[unroll][4][together] = {};
    const auto add = [&](int w, int k) {
      const C *x = a + k * kPowers + v0 * L, t0 = bar[k], t1 = bar[m + k], t2 = bar[2 * m + k],
              t3 = bar[3 * m + k];
      for (int v = 0; v < together; ++v) {
        const Vec<C> y = load(x + v * L);
        sum[w][0][v] += t0 * y;
        sum[w][1][v] += t1 * y;
        sum[w][2][v] += t2 * y;
        sum[w][3][v] += t3 * y;
      }
    };
    int k = 0;
    for (; k + unroll <= m; k += unroll) {
      for (int w = 0; w < unroll; ++w) add(w, k + w);
    }
    for (; k < m; ++k) add(0, k);
    for (int c = 0; c < 4; ++c) {
      for (int v = 0; v < together; ++v) {
        Vec<C> total = sum[0][c][v];
        for (int w = 1; w < unroll; ++w) total += sum[w][c][v];
        total *= scale;
        std::memcpy(&p[c][(v0 + v) * L], &total, sizeof(total));
      }
    }
  }
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
    add_blocks<kColumns>(b, table.rows_of(g.piece), table.stride, table.n_out, 0, &moment(g.row, 0, 0));
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
