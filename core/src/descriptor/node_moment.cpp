// SPDX-License-Identifier: LGPL-3.0-or-later
#include "descriptor/node_moment.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "base/lanes.hpp"

namespace dpcore {

namespace {

constexpr int kPoints = NodeTable::kPoints, kLane = kLanes<double>;
constexpr int kParts = kPoints / kLane;  // vectors that hold the weights of a pair
static_assert(kParts * kLane == kPoints && NodeTable::kBlock == kPoints);
// How many vectors of sums fit into the registers, beside four operands that are the same in all lanes
constexpr int kColumns = kVectorBytes == 64 ? 6 : 2;
constexpr int kAdjointColumns = kVectorBytes == 64 ? 2 : 1;
constexpr int kBlocks = kVectorBytes == 64 ? 4 : 1;
using V = Vec<double>;

/// Coefficients [power of t - 1/2][node] of the weights, and of their derivatives.
struct Polynomials {
  alignas(64) double value[kPoints][kPoints] = {};
  alignas(64) double slope[kPoints - 1][kPoints] = {};
  constexpr Polynomials() {
    for (int k = 0; k < kPoints; ++k) {
      double p[kPoints] = {1.0};
      int degree = 0;
      for (int i = 0; i < kPoints; ++i) {
        if (i == k) continue;
        const double shift = 0.5 - (i - NodeTable::kBelow);  // t - node = (t - 1/2) + shift
        ++degree;
        for (int d = degree; d > 0; --d) p[d] = (p[d] * shift + p[d - 1]) / (k - i);
        p[0] = p[0] * shift / (k - i);
      }
      for (int d = 0; d < kPoints; ++d) value[d][k] = p[d];
      for (int d = 1; d < kPoints; ++d) slope[d - 1][k] = d * p[d];
    }
  }
};
constexpr Polynomials kPolynomials;

struct Place {
  int first;            // of the eight nodes
  double u;             // t - 1/2
  double inverse_step;  // 1 / the distance of these nodes
};

inline Place place(const NodeTable& table, double s) {
  const NodeRun& run = table.runs.find(s);
  const double u = (s - run.lower) * run.inverse_step;
  int j = static_cast<int>(u);
  j = j < 0 ? 0 : (j >= run.n_intervals ? run.n_intervals - 1 : j);
  return {run.first + j, u - j - 0.5, run.inverse_step};
}

struct Weights {
  V part[kParts];
};

template <int N>
inline Weights weights(const double (&coefficient)[N][kPoints], double u, double scale) {
  Weights w;
  for (int v = 0; v < kParts; ++v) {
    V sum = load(&coefficient[N - 1][v * kLane]);
    for (int d = N - 2; d >= 0; --d) sum = sum * u + load(&coefficient[d][v * kLane]);
    w.part[v] = sum * scale;
  }
  return w;
}

inline void store(double* p, const V& v) { std::memcpy(p, &v, sizeof(V)); }

/// The nodes of one centre's pairs, and sums over these pairs.
class Centre {
 public:
  Centre(const NodeTable& table, int n_sums, Workspace& ws)
      : room_((static_cast<std::size_t>(table.n_nodes) + 2 * kPoints) / kPoints * kPoints),
        n_words_(room_ / 64 + 2),
        n_sums_(n_sums),
        sums_(ws.take<double>(room_ * static_cast<std::size_t>(n_sums))),
        bits_(ws.take<std::uint64_t>(n_words_)),
        node_(ws.take<int>(room_)),
        block_(ws.take<int>(room_ / kPoints + 8)) {
    std::fill(sums_, sums_ + room_ * static_cast<std::size_t>(n_sums), 0.0);
    std::fill(bits_, bits_ + n_words_, std::uint64_t(0));
  }

  /// The k-th array of sums, [n_nodes].
  double* sum(int k) { return sums_ + static_cast<std::size_t>(k) * room_; }
  int n_nodes() const { return n_nodes_; }
  int node(int q) const { return node_[q]; }
  int n_blocks() const { return n_blocks_; }
  int block(int q) const { return block_[q]; }

  void touch(int first) {
    const int word = first / 64, shift = first % 64;
    bits_[word] |= std::uint64_t(0xff) << shift;
    if (shift > 64 - kPoints) bits_[word + 1] |= std::uint64_t(0xff) >> (64 - shift);
  }
  /// Sums k to k + 3 += x_c w at the eight nodes of a pair.
  void add(int k, int first, const double x[4], const Weights& w) {
    for (int c = 0; c < 4; ++c) {
      for (int v = 0; v < kParts; ++v) {
        double* p = sum(k + c) + first + v * kLane;
        store(p, load(p) + x[c] * w.part[v]);
      }
    }
  }
  /// List the touched nodes, and the blocks that hold them.
  void list() {
    n_nodes_ = n_blocks_ = 0;
    for (std::size_t w = 0; w < n_words_; ++w) {
      std::uint64_t x = bits_[w];
      if (x == 0) continue;
      bits_[w] = 0;
      for (int b = 0; b < 64 / kPoints; ++b) {
        if ((x >> (kPoints * b)) & 0xff) block_[n_blocks_++] = static_cast<int>(w) * (64 / kPoints) + b;
      }
      for (; x != 0; x &= x - 1) node_[n_nodes_++] = static_cast<int>(w) * 64 + __builtin_ctzll(x);
    }
  }
  void clear() {
    for (int q = 0; q < n_blocks_; ++q) {
      for (int k = 0; k < n_sums_; ++k) std::fill_n(sum(k) + block_[q] * kPoints, kPoints, 0.0);
    }
  }

 private:
  std::size_t room_, n_words_;
  int n_sums_, n_nodes_ = 0, n_blocks_ = 0;
  double* sums_;
  std::uint64_t* bits_;
  int *node_, *block_;
};

template <class S>
inline void row_of(const Matrix<S>& r, int p, double scale, double x[4]) {
  for (int c = 0; c < 4; ++c) x[c] = scale * static_cast<double>(r(p, c));
}

/// Sums 0 to 3 += B of one pair.
template <class S>
inline void add_pair(const NodeTable& table, const NodePairs<S>& in, int p, Centre& centre) {
  const Place at = place(table, static_cast<double>(in.s(p)));
  double x[4];
  row_of(in.r, p, 1.0, x);
  centre.touch(at.first);
  centre.add(0, at.first, x, weights(kPolynomials.value, at.u, 1.0));
}

/// Sums k to k + 3 += C of one pair; with k > 0 sums 0 to 3 += B besides.
template <class S>
inline void add_pair_tangent(const NodeTable& table, const NodePairs<S>& in, int p, int k, Centre& centre) {
  const Place at = place(table, static_cast<double>(in.s(p)));
  const Weights value = weights(kPolynomials.value, at.u, 1.0),
                slope = weights(kPolynomials.slope, at.u, at.inverse_step);
  double x[4], x_dot[4], moved[4];
  row_of(in.r, p, 1.0, x);
  row_of(in.r_dot, p, 1.0, x_dot);
  row_of(in.r, p, x_dot[0], moved);
  centre.touch(at.first);
  if (k > 0) centre.add(0, at.first, x, value);
  for (int c = 0; c < 4; ++c) {
    for (int v = 0; v < kParts; ++v) {
      double* q = centre.sum(k + c) + at.first + v * kLane;
      store(q, load(q) + (x_dot[c] * value.part[v] + moved[c] * slope.part[v]));
    }
  }
}

/// out[c][m0 ..] = sum_k B_ck f_km for NV vectors of columns
template <int NV>
void sum_nodes(const NodeTable& table, Centre& centre, int m0, double* out) {
  const double *b0 = centre.sum(0), *b1 = centre.sum(1), *b2 = centre.sum(2), *b3 = centre.sum(3);
  V sum[4][NV] = {};
  for (int q = 0; q < centre.n_nodes(); ++q) {
    const int k = centre.node(q);
    const double* f = table.value + static_cast<std::ptrdiff_t>(k) * table.stride + m0;
    for (int v = 0; v < NV; ++v) {
      const V x = load(f + v * kLane);
      sum[0][v] += b0[k] * x;
      sum[1][v] += b1[k] * x;
      sum[2][v] += b2[k] * x;
      sum[3][v] += b3[k] * x;
    }
  }
  for (int c = 0; c < 4; ++c) std::memcpy(out + c * table.stride + m0, sum[c], sizeof(sum[c]));
}

/// f(n as a constant)
template <int Most, class F>
void with_constant(int n, const F& f) {
  if constexpr (Most > 1) {
    if (n < Most) return with_constant<Most - 1>(n, f);
  }
  f(std::integral_constant<int, Most>());
}

/// f(NV as a constant, first column) over all vectors of columns, at most `Most` at a time and evenly
template <int Most, class F>
void for_columns(const NodeTable& table, const F& f) {
  const int n = table.stride / kLane, pieces = (n + Most - 1) / Most;
  for (int i = 0; i < pieces; ++i) {
    const int begin = n * i / pieces, width = n * (i + 1) / pieces - begin;
    with_constant<Most>(width, [&](auto constant) { f(constant, begin * kLane); });
  }
}

/// moment [4, n_out] of one centre += scale sum_k B_ck f_km; room [4, stride]
template <class S>
void add_sums(const NodeTable& table, Centre& centre, double scale, S* moment, double* room) {
  for_columns<kColumns>(
      table, [&](auto width, int m0) { sum_nodes<decltype(width)::value>(table, centre, m0, room); });
  for (int c = 0; c < 4; ++c) {
    S* to = moment + c * table.n_out;
    const double* from = room + c * table.stride;
    for (int m = 0; m < table.n_out; ++m) to[m] += static_cast<S>(scale * from[m]);
  }
}

/// bar [4, stride] = scale T_bar of one centre, zeros behind the last column
template <class S>
void take_adjoint(const NodeTable& table, const Tensor3<S>& moment_bar, int i, double scale, double* bar) {
  for (int c = 0; c < 4; ++c) {
    const S* from = &moment_bar(i, c, 0);
    double* to = bar + c * table.stride;
    for (int m = 0; m < table.n_out; ++m) to[m] = scale * static_cast<double>(from[m]);
    for (int m = table.n_out; m < table.stride; ++m) to[m] = 0.0;
  }
}

/// P_ck of the NB blocks from the q-th one on; bar [4, stride]
template <int NB>
void project(const NodeTable& table, Centre& centre, int q, const double* bar) {
  const double* f[NB];
  for (int b = 0; b < NB; ++b) {
    f[b] = table.block + static_cast<std::ptrdiff_t>(centre.block(q + b)) * table.n_out * kPoints;
  }
  V sum[4][NB][kParts] = {};
  for (int m = 0; m < table.n_out; ++m) {
    const double t0 = bar[m], t1 = bar[table.stride + m], t2 = bar[2 * table.stride + m],
                 t3 = bar[3 * table.stride + m];
    for (int b = 0; b < NB; ++b) {
      for (int v = 0; v < kParts; ++v) {
        const V x = load(f[b] + m * kPoints + v * kLane);
        sum[0][b][v] += t0 * x;
        sum[1][b][v] += t1 * x;
        sum[2][b][v] += t2 * x;
        sum[3][b][v] += t3 * x;
      }
    }
  }
  for (int c = 0; c < 4; ++c) {
    for (int b = 0; b < NB; ++b) {
      std::memcpy(centre.sum(c) + centre.block(q + b) * kPoints, sum[c][b], sizeof(sum[c][b]));
    }
  }
}

/// adjoint[k][m0 ..] += sum_c T_bar[c] B_ck + T_dot_bar[c] C_ck
template <int NV>
void spread(const NodeTable& table, Centre& centre, int m0, const double* bar, const double* dot_bar,
            double* adjoint) {
  V t[4][NV], u[4][NV];
  for (int c = 0; c < 4; ++c) {
    for (int v = 0; v < NV; ++v) {
      t[c][v] = load(bar + c * table.stride + m0 + v * kLane);
      u[c][v] = load(dot_bar + c * table.stride + m0 + v * kLane);
    }
  }
  const double *b0 = centre.sum(0), *b1 = centre.sum(1), *b2 = centre.sum(2), *b3 = centre.sum(3),
               *c0 = centre.sum(4), *c1 = centre.sum(5), *c2 = centre.sum(6), *c3 = centre.sum(7);
  for (int q = 0; q < centre.n_nodes(); ++q) {
    const int k = centre.node(q);
    double* f = adjoint + static_cast<std::ptrdiff_t>(k) * table.stride + m0;
    for (int v = 0; v < NV; ++v) {
      const V moved = c0[k] * u[0][v] + c1[k] * u[1][v] + c2[k] * u[2][v] + c3[k] * u[3][v];
      const V still = b0[k] * t[0][v] + b1[k] * t[1][v] + b2[k] * t[2][v] + b3[k] * t[3][v];
      store(f + v * kLane, load(f + v * kLane) + (still + moved));
    }
  }
}

/// f(row, first pair, end pair) for every centre with pairs
template <class S, class F>
void for_centres(const NodePairs<S>& in, const F& f) {
  const int n = in.pairs.n_rows;
  const Vector<int> offset = in.pairs.offset;
  for (int i = 0; i < n; ++i) {
    const int begin = offset(in.neighbor_type * n + i), end = offset(in.neighbor_type * n + i + 1);
    if (end > begin) f(i, begin, end);
  }
}

}  // namespace

template <class S>
void add_node_moment(const NodeTable& table, const NodePairs<S>& in, S scale, const Tensor3<S>& moment,
                     Workspace& ws) {
  const Workspace::Scope scope(ws);
  Centre centre(table, 4, ws);
  double* room = ws.take<double>(4 * static_cast<std::size_t>(table.stride));
  for_centres(in, [&](int i, int begin, int end) {
    for (int p = begin; p < end; ++p) add_pair(table, in, p, centre);
    centre.list();
    add_sums(table, centre, static_cast<double>(scale), &moment(i, 0, 0), room);
    centre.clear();
  });
}

template <class S>
void node_moment_backward_inputs(const NodeTable& table, const NodePairs<S>& in, S scale,
                                 const Tensor3<S>& moment_bar, const Matrix<S>& d_r, Workspace& ws) {
  const Workspace::Scope scope(ws);
  Centre centre(table, 4, ws);
  double* bar = ws.take<double>(4 * static_cast<std::size_t>(table.stride));
  for_centres(in, [&](int i, int begin, int end) {
    for (int p = begin; p < end; ++p) centre.touch(place(table, static_cast<double>(in.s(p))).first);
    centre.list();
    take_adjoint(table, moment_bar, i, static_cast<double>(scale), bar);
    int q = 0;
    for (; q + kBlocks <= centre.n_blocks(); q += kBlocks) project<kBlocks>(table, centre, q, bar);
    for (; q < centre.n_blocks(); ++q) project<1>(table, centre, q, bar);
    for (int p = begin; p < end; ++p) {
      const Place at = place(table, static_cast<double>(in.s(p)));
      const Weights value = weights(kPolynomials.value, at.u, 1.0),
                    slope = weights(kPolynomials.slope, at.u, at.inverse_step);
      double x[4];
      row_of(in.r, p, 1.0, x);
      V sum[4] = {};
      for (int v = 0; v < kParts; ++v) {
        V along = {};
        for (int c = 0; c < 4; ++c) {
          const V projected = load(centre.sum(c) + at.first + v * kLane);
          sum[c] += value.part[v] * projected;
          along += x[c] * projected;
        }
        sum[0] += slope.part[v] * along;
      }
      for (int c = 0; c < 4; ++c) d_r(p, c) = static_cast<S>(sum_of<double>(sum[c]));
    }
  });
}

template <class S>
void add_node_moment_tangent(const NodeTable& table, const NodePairs<S>& in, S scale,
                             const Tensor3<S>& moment_dot, Workspace& ws) {
  const Workspace::Scope scope(ws);
  Centre centre(table, 4, ws);
  double* room = ws.take<double>(4 * static_cast<std::size_t>(table.stride));
  for_centres(in, [&](int i, int begin, int end) {
    for (int p = begin; p < end; ++p) add_pair_tangent(table, in, p, 0, centre);
    centre.list();
    add_sums(table, centre, static_cast<double>(scale), &moment_dot(i, 0, 0), room);
    centre.clear();
  });
}

template <class S>
void node_moment_backward_params(const NodeTable& table, const NodePairs<S>& in, S scale,
                                 const Tensor3<S>& moment_bar, const Tensor3<S>& moment_dot_bar,
                                 double* adjoint, Workspace& ws) {
  const Workspace::Scope scope(ws);
  Centre centre(table, 8, ws);
  const auto width = 4 * static_cast<std::size_t>(table.stride);
  double *bar = ws.take<double>(width), *dot_bar = ws.take<double>(width);
  for_centres(in, [&](int i, int begin, int end) {
    for (int p = begin; p < end; ++p) add_pair_tangent(table, in, p, 4, centre);
    centre.list();
    take_adjoint(table, moment_bar, i, static_cast<double>(scale), bar);
    take_adjoint(table, moment_dot_bar, i, static_cast<double>(scale), dot_bar);
    for_columns<kAdjointColumns>(
        table, [&](auto n, int m0) { spread<decltype(n)::value>(table, centre, m0, bar, dot_bar, adjoint); });
    centre.clear();
  });
}

#define DPCORE_INSTANTIATE(S)                                                                                \
  template void add_node_moment<S>(const NodeTable&, const NodePairs<S>&, S, const Tensor3<S>&, Workspace&); \
  template void node_moment_backward_inputs<S>(const NodeTable&, const NodePairs<S>&, S, const Tensor3<S>&,  \
                                               const Matrix<S>&, Workspace&);                                \
  template void add_node_moment_tangent<S>(const NodeTable&, const NodePairs<S>&, S, const Tensor3<S>&,      \
                                           Workspace&);                                                      \
  template void node_moment_backward_params<S>(const NodeTable&, const NodePairs<S>&, S, const Tensor3<S>&,  \
                                               const Tensor3<S>&, double*, Workspace&);
DPCORE_INSTANTIATE(double)
DPCORE_INSTANTIATE(float)
#undef DPCORE_INSTANTIATE

}  // namespace dpcore
