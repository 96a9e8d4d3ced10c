// SPDX-License-Identifier: LGPL-3.0-or-later
// The loops over columns and powers of piece_moment.cpp, in vector registers. A group of three pairs or more
// goes by way of the powers of its pairs, 4 x 16 operations a column; one or two pairs take fewer by Horner's
// scheme, 16 + 4 a column and pair.
#pragma once

#include <algorithm>
#include <cstring>

#include "base/lanes.hpp"
#include "radial/piece_table.hpp"

namespace dpcore::piece_kernels {

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

/// T[c][m0 ..] += sum[c] for NV vectors of columns, the first n_valid numbers of which are valid
template <int NV, class S>
inline void add_sums(Vec<S> (&sum)[4][NV], int m0, int n_valid, int n_out, S* moment) {
  constexpr int L = kLanes<S>;
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

/// T[c][m0 ..] += sum_p b[c][p] a_p
template <class S>
struct PowerSums {
  const S (&b)[4][kPowers];
  template <int NV>
  void add(const S* a, int stride, int m0, int n_valid, int n_out, S* moment) const {
    Vec<S> sum[4][NV] = {};
    for (int p = 0; p < kPowers; ++p) {
      const S *row = a + p * stride + m0, b0 = b[0][p], b1 = b[1][p], b2 = b[2][p], b3 = b[3][p];
      for (int v = 0; v < NV; ++v) {
        const Vec<S> x = load(row + v * kLanes<S>);
        sum[0][v] += b0 * x;
        sum[1][v] += b1 * x;
        sum[2][v] += b2 * x;
        sum[3][v] += b3 * x;
      }
    }
    add_sums(sum, m0, n_valid, n_out, moment);
  }
};

/// T[c][m0 ..] += sum_q r[q][c] sum_p u[q]^p a_p of NP pairs: for few pairs fewer operations
template <int NP, class S>
struct FewPairs {
  S u[NP], r[NP][4];
  template <int NV>
  void add(const S* a, int stride, int m0, int n_valid, int n_out, S* moment) const {
    Vec<S> g[NP][NV];
    const S* row = a + (kPowers - 1) * stride + m0;
    for (int v = 0; v < NV; ++v) {
      for (int q = 0; q < NP; ++q) g[q][v] = load(row + v * kLanes<S>);
    }
    for (int p = kPowers - 2; p >= 0; --p) {
      row -= stride;
      for (int v = 0; v < NV; ++v) {
        const Vec<S> x = load(row + v * kLanes<S>);
        for (int q = 0; q < NP; ++q) g[q][v] = u[q] * g[q][v] + x;
      }
    }
    Vec<S> sum[4][NV];
    for (int c = 0; c < 4; ++c) {
      for (int v = 0; v < NV; ++v) {
        sum[c][v] = r[0][c] * g[0][v];
        for (int q = 1; q < NP; ++q) sum[c][v] += r[q][c] * g[q][v];
      }
    }
    add_sums(sum, m0, n_valid, n_out, moment);
  }
};

template <int NV, class S, class Sums>
void add_blocks(const Sums& sums, const S* a, int stride, int n_out, int m0, S* moment) {
  constexpr int width = NV * kLanes<S>;
  for (; stride - m0 >= width; m0 += width)
    sums.template add<NV>(a, stride, m0, std::min(width, n_out - m0), n_out, moment);
  if constexpr (NV > 1) add_blocks<NV - 1>(sums, a, stride, n_out, m0, moment);
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

/// sum[c] and radial += the products of T_bar[c][m0 ..] with G, and of sum_c r[c] T_bar[c] with its slope by
/// u, for NV vectors of columns of one pair; the first n_valid numbers are valid
template <int NV, class S>
void dot_columns(const S* a, int stride, int m0, int n_valid, int n_out, S u, const S* r, const S* bar,
                 Vec<S> (&sum)[4], Vec<S>& radial) {
  constexpr int L = kLanes<S>;
  Vec<S> g[NV], slope[NV] = {};
  const S* row = a + (kPowers - 1) * stride + m0;
  for (int v = 0; v < NV; ++v) g[v] = load(row + v * L);
  for (int p = kPowers - 2; p >= 0; --p) {
    row -= stride;
    for (int v = 0; v < NV; ++v) {
      slope[v] = u * slope[v] + g[v];
      g[v] = u * g[v] + load(row + v * L);
    }
  }
  alignas(64) S tile[4][NV * L];  // what lies behind the last column belongs to others
  const bool whole = n_valid == NV * L;
  if (!whole) {
    for (int c = 0; c < 4; ++c)
      std::fill(std::copy_n(bar + c * n_out + m0, n_valid, tile[c]), tile[c] + NV * L, S(0));
  }
  for (int v = 0; v < NV; ++v) {
    Vec<S> along = {};
    for (int c = 0; c < 4; ++c) {
      const Vec<S> t = load(whole ? bar + c * n_out + m0 + v * L : tile[c] + v * L);
      sum[c] += t * g[v];
      along += r[c] * t;
    }
    radial += along * slope[v];
  }
}

template <int NV, class S>
void dot_blocks(const S* a, int stride, int m0, int n_out, S u, const S* r, const S* bar, Vec<S> (&sum)[4],
                Vec<S>& radial) {
  constexpr int width = NV * kLanes<S>;
  for (; stride - m0 >= width; m0 += width)
    dot_columns<NV>(a, stride, m0, std::min(width, n_out - m0), n_out, u, r, bar, sum, radial);
  if constexpr (NV > 1) dot_blocks<NV - 1>(a, stride, m0, n_out, u, r, bar, sum, radial);
}

}  // namespace dpcore::piece_kernels
