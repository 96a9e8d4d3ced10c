// SPDX-License-Identifier: LGPL-3.0-or-later
#include "descriptor/table_moment.hpp"

#include <algorithm>
#include <cstring>

#include "base/lanes.hpp"

namespace dpcore {

namespace {

[[maybe_unused]] constexpr int kBlock =
    kVectorBytes == 64 ? 4 : 2;  // vectors of columns at a time: 4 sums of each in registers

/// HermiteWeights of the pairs [begin, begin + n) in a table with nodes, [6, n] each.
template <class C>
struct Weights {
  C *g, *slope;
  int begin, n;
  /// Those of pair p.
  HermiteWeights<C> of(const C* at, const int p) const {
    at += p - begin;
    return {at[0], at[n], at[2 * n], at[3 * n], at[4 * n], at[5 * n]};
  }
};

template <bool slopes, class C>
void make_weights(const TableView<C>& table, const int* row, const C* t, const Weights<C>& to) {
  const int n = to.n, n_fine = table.n_fine;
  const C fine = static_cast<C>(table.fine), coarse = static_cast<C>(table.coarse);
  const int* const rows = row + to.begin;
  const C* const x = t + to.begin;
  const auto put = [n](const HermiteWeights<C>& w, C* at) {
    at[0] = w.v0;
    at[n] = w.d0;
    at[2 * n] = w.c0;
    at[3 * n] = w.v1;
    at[4 * n] = w.d1;
    at[5 * n] = w.c1;
  };
#pragma omp simd
  for (int k = 0; k < n; ++k) {
    const C h = rows[k] < n_fine ? fine : coarse;  // step(), which compilers do not vectorise
    put(hermite_weights(h, x[k]), to.g + k);
    if constexpr (slopes) put(hermite_slope_weights(h, x[k]), to.slope + k);
  }
}

/// Room for the weights of any centre.
template <class C>
Weights<C> room_for_weights(const TilePairs& pairs, const int cell0, const bool slopes, Workspace& ws) {
  int most = 0;
  for (int i = 0; i < pairs.n_rows; ++i)
    most = std::max(most, pairs.offset(cell0 + i + 1) - pairs.offset(cell0 + i));
  const auto size = 6 * static_cast<std::size_t>(most);
  return {ws.take<C>(size), slopes ? ws.take<C>(size) : nullptr, 0, 0};
}

/// G of one pair, one vector of columns
template <bool nodes, class C>
inline Vec<C> value(const C* a, const int stride, const C x, const HermiteWeights<C>& w) {
  if constexpr (nodes) {
    return (w.v0 * load(a) + w.v1 * load(a + 3 * stride)) +
           (w.d0 * load(a + stride) + w.d1 * load(a + 4 * stride)) +
           (w.c0 * load(a + 2 * stride) + w.c1 * load(a + 5 * stride));
  } else {
    (void)w;
    Vec<C> g = load(a + 4 * stride) + x * load(a + 5 * stride);
    g = load(a + 3 * stride) + x * g;
    g = load(a + 2 * stride) + x * g;
    g = load(a + stride) + x * g;
    return load(a) + x * g;
  }
}

/// T[c][m0 ..] += scale sum_p r[p][c] G(p) for NV vectors of columns, the last n_valid of them valid; sums in
/// registers.
template <int NV, bool nodes, class S, class C>
void moment_block(const TableView<C>& table, const int* row, const C* t, const Weights<C>& weights,
                  const S* r, const int begin, const int end, const S scale, const int m0, const int n_valid,
                  const int n_radial, S* moment) {
  constexpr int L = kLanes<C>;
  // pairs whose moments are added up in C before they are added to sums in S
  constexpr int kRun = sizeof(S) == sizeof(C) ? 1 << 30 : 16;
  const int stride = table.stride;
  S total[4][NV * L] = {};
  for (int run = begin; run < end; run += std::min(kRun, end - run)) {
    const int run_end = run + std::min(kRun, end - run);
    Vec<C> sum[4][NV] = {};
    for (int p = run; p < run_end; ++p) {
      if (row[p] < 0) continue;
      const C* a = table.rows(row[p]) + m0;
      const S* rp = r + 4 * static_cast<std::ptrdiff_t>(p);
      const C x = t[p], r0 = static_cast<C>(rp[0]), r1 = static_cast<C>(rp[1]), r2 = static_cast<C>(rp[2]),
              r3 = static_cast<C>(rp[3]);
      HermiteWeights<C> w = {};
      if constexpr (nodes) w = weights.of(weights.g, p);
      for (int v = 0; v < NV; ++v) {
        const Vec<C> g = value<nodes>(a + v * L, stride, x, w);
        sum[0][v] += r0 * g;
        sum[1][v] += r1 * g;
        sum[2][v] += r2 * g;
        sum[3][v] += r3 * g;
      }
    }
    alignas(64) C tile[4][NV * L];
    std::memcpy(tile, sum, sizeof(tile));
    for (int c = 0; c < 4; ++c) {
      for (int w = 0; w < NV * L; ++w) total[c][w] += static_cast<S>(tile[c][w]);
    }
  }
  for (int c = 0; c < 4; ++c) {
    for (int w = 0; w < n_valid; ++w) moment[c * n_radial + m0 + w] += scale * total[c][w];
  }
}

/// dE/dR of pair p from T_bar [4, stride] of its centre.
template <bool nodes, class S, class C>
void pair_backward(const C* a, const int stride, const C x, const Weights<C>& weights, const int p,
                   const S* r, const C* bar, S* d_r) {
  constexpr int L = kLanes<C>;
  const C r0 = static_cast<C>(r[0]), r1 = static_cast<C>(r[1]), r2 = static_cast<C>(r[2]),
          r3 = static_cast<C>(r[3]);
  HermiteWeights<C> w = {}, d = {};
  if constexpr (nodes) {
    w = weights.of(weights.g, p);
    d = weights.of(weights.slope, p);
  }
  Vec<C> d0 = {}, d1 = {}, d2 = {}, d3 = {}, radial = {};
  for (int m = 0; m < stride; m += L) {
    const C* am = a + m;
    Vec<C> g, slope;
    if constexpr (nodes) {
      const Vec<C> v0 = load(am), s0 = load(am + stride), c0 = load(am + 2 * stride),
                   v1 = load(am + 3 * stride), s1 = load(am + 4 * stride), c1 = load(am + 5 * stride);
      g = (w.v0 * v0 + w.v1 * v1) + (w.d0 * s0 + w.d1 * s1) + (w.c0 * c0 + w.c1 * c1);
      slope = d.v1 * (v1 - v0) + (d.d0 * s0 + d.d1 * s1) + (d.c0 * c0 + d.c1 * c1);
    } else {
      slope = load(am + 5 * stride);
      g = load(am + 4 * stride) + x * slope;  // Horner's scheme of G', one step behind G
      slope = g + x * slope;
      g = load(am + 3 * stride) + x * g;
      slope = g + x * slope;
      g = load(am + 2 * stride) + x * g;
      slope = g + x * slope;
      g = load(am + stride) + x * g;
      slope = g + x * slope;
      g = load(am) + x * g;
    }
    const Vec<C> t0 = load(bar + m), t1 = load(bar + stride + m), t2 = load(bar + 2 * stride + m),
                 t3 = load(bar + 3 * stride + m);
    d0 += t0 * g;
    d1 += t1 * g;
    d2 += t2 * g;
    d3 += t3 * g;
    radial += (r0 * t0 + r1 * t1 + r2 * t2 + r3 * t3) * slope;
  }
  d_r[0] = static_cast<S>(sum_of<C>(d0)) + static_cast<S>(sum_of<C>(radial));
  d_r[1] = static_cast<S>(sum_of<C>(d1));
  d_r[2] = static_cast<S>(sum_of<C>(d2));
  d_r[3] = static_cast<S>(sum_of<C>(d3));
}

template <bool nodes, class S, class C>
void add_moment_on_host(const TilePairs& pairs, const int cell0, const TableView<C>& table, const int* row,
                        const C* t, const S* r, const S scale, const Tensor3<S>& moment, Workspace& ws) {
  const Workspace::Scope scope(ws);
  constexpr int wide = kBlock * kLanes<C>, narrow = kLanes<C>;
  const int n_radial = static_cast<int>(moment.extent(2));
  Weights<C> w = {};
  if constexpr (nodes) w = room_for_weights<C>(pairs, cell0, false, ws);
  for (int i = 0; i < pairs.n_rows; ++i) {
    const int begin = pairs.offset(cell0 + i), end = pairs.offset(cell0 + i + 1);
    w.begin = begin;
    w.n = end - begin;
    if constexpr (nodes) make_weights<false>(table, row, t, w);
    S* out = &moment(i, 0, 0);
    int m = 0;
    for (; m + wide <= n_radial; m += wide) {
      const int rest = n_radial - m;
      if (kVectorBytes == 64 && rest > wide && rest <= wide + narrow) {  // with the last vector in one
        moment_block<kBlock + 1, nodes>(table, row, t, w, r, begin, end, scale, m, rest, n_radial, out);
        m = n_radial;
        break;
      }
      moment_block<kBlock, nodes>(table, row, t, w, r, begin, end, scale, m, wide, n_radial, out);
    }
    for (; m < n_radial; m += narrow) {
      moment_block<1, nodes>(table, row, t, w, r, begin, end, scale, m, std::min(narrow, n_radial - m),
                             n_radial, out);
    }
  }
}

template <bool nodes, class S, class C>
void backward_on_host(const TilePairs& pairs, const int cell0, const TableView<C>& table, const int* row,
                      const C* t, const Tensor3<S>& moment_bar, const Matrix<S>& r, const S scale,
                      const Matrix<S>& d_r, Workspace& ws) {
  const Workspace::Scope scope(ws);
  const int n_radial = static_cast<int>(moment_bar.extent(2)), stride = table.stride;
  // T_bar of a centre in rows as long as the table's, with zeros at their ends
  const Vector<C> bar = ws.vector<C>(4 * static_cast<std::size_t>(stride));
  Weights<C> w = {};
  if constexpr (nodes) w = room_for_weights<C>(pairs, cell0, true, ws);
  for (int i = 0; i < pairs.n_rows; ++i) {
    for (int c = 0; c < 4; ++c) {
      for (int m = 0; m < n_radial; ++m) bar(c * stride + m) = static_cast<C>(scale * moment_bar(i, c, m));
      for (int m = n_radial; m < stride; ++m) bar(c * stride + m) = C(0);
    }
    w.begin = pairs.offset(cell0 + i);
    w.n = pairs.offset(cell0 + i + 1) - w.begin;
    if constexpr (nodes) make_weights<true>(table, row, t, w);
    for (int p = w.begin; p < w.begin + w.n; ++p) {
      if (row[p] < 0) continue;
      pair_backward<nodes>(table.rows(row[p]), stride, t[p], w, p, &r(p, 0), bar.data(), &d_r(p, 0));
    }
  }
}

}  // namespace

template <class S, class C>
int find_places(const Exec& exec, const TableView<C>& table, const Vector<S>& s, int first, int last,
                const TablePlaces<C>& places, Workspace& ws) {
  const Workspace::Scope scope(ws);
  const Vector<int> missing = ws.vector<int>(1);
  const auto host = Kokkos::create_mirror_view(missing);
  host(0) = 0;
  mirror_copy(exec, missing, host);
  const auto row = places.row;
  const auto t = places.t;
  for_each(
      exec, "dpcore::find_places", last - first, KOKKOS_LAMBDA(const int q) {
        const int p = first + q;
        const double at = static_cast<double>(s(p));
        C offset = C(0);
        if (table.holds(at)) {
          row(p) = table.interval(at, offset);
        } else {
          fetch_add(&missing(0), 1);
          row(p) = -1;
        }
        t(p) = offset;
      });
  mirror_copy(exec, host, missing);
  return host(0);
}

template <class S, class C>
void add_table_moment(const Exec& exec, const TilePairs& pairs, int neighbor_type, const TableView<C>& table,
                      const TablePlaces<C>& places, const Matrix<S>& r, S scale, const Tensor3<S>& moment,
                      Workspace& ws) {
  const int n_radial = static_cast<int>(moment.extent(2)), n = pairs.n_rows;
  const int cell0 = neighbor_type * n;
  const Vector<int> offset = pairs.offset, row = places.row;
  const Vector<C> t = places.t;
  if constexpr (kExecOnHost) {
    (void)exec;
    (table.nodes ? add_moment_on_host<true, S, C>
                 : add_moment_on_host<false, S, C>)(pairs, cell0, table, row.data(), t.data(), r.data(),
                                                    scale, moment, ws);
  } else {
    (void)ws;
    for_each_element(
        exec, "dpcore::add_table_moment", n, n_radial, KOKKOS_LAMBDA(const int i, const int m) {
          S sum[4] = {S(0), S(0), S(0), S(0)};
          for (int p = offset(cell0 + i); p < offset(cell0 + i + 1); ++p) {
            C h;
            const S g = static_cast<S>(table.value(row(p), t(p), m, h));
            for (int c = 0; c < 4; ++c) sum[c] += r(p, c) * g;
          }
          for (int c = 0; c < 4; ++c) moment(i, c, m) += scale * sum[c];
        });
  }
}

template <class S, class C>
void table_moment_backward_inputs(const Exec& exec, const TilePairs& pairs, int neighbor_type,
                                  const TableView<C>& table, const TablePlaces<C>& places,
                                  const Tensor3<S>& moment_bar, const Matrix<S>& r, S scale,
                                  const Matrix<S>& d_r, Workspace& ws) {
  const int n_radial = static_cast<int>(moment_bar.extent(2)), n = pairs.n_rows;
  const int cell0 = neighbor_type * n;
  const Vector<int> offset = pairs.offset, row = places.row;
  const Vector<C> t = places.t;
  if constexpr (kExecOnHost) {
    (void)exec;
    (table.nodes ? backward_on_host<true, S, C>
                 : backward_on_host<false, S, C>)(pairs, cell0, table, row.data(), t.data(), moment_bar, r,
                                                  scale, d_r, ws);
  } else {
    (void)ws;
    const int first = pairs.segment[static_cast<std::size_t>(neighbor_type)],
              last = pairs.segment[static_cast<std::size_t>(neighbor_type) + 1];
    const Vector<int> centre = pairs.row;
    for_each_sum<S, 5>(
        exec, "dpcore::table_moment_backward_inputs", last - first, n_radial,
        KOKKOS_LAMBDA(const int q, const int m, Sums<S, 5>& d) {
          const int p = first + q, i = centre(p);
          C h;
          S along = S(0);
          const S g = static_cast<S>(table.value(row(p), t(p), m, h));
          for (int c = 0; c < 4; ++c) {
            const S bar = moment_bar(i, c, m);
            d.at[c] += bar * g;
            along += bar * r(p, c);
          }
          d.at[4] += along * static_cast<S>(h);
        },
        KOKKOS_LAMBDA(const int q, const Sums<S, 5>& d) {
          for (int c = 0; c < 4; ++c) d_r(first + q, c) = scale * (c == 0 ? d.at[0] + d.at[4] : d.at[c]);
        });
  }
}

#define DPCORE_INSTANTIATE(S, C)                                                                            \
  template int find_places<S, C>(const Exec&, const TableView<C>&, const Vector<S>&, int, int,              \
                                 const TablePlaces<C>&, Workspace&);                                        \
  template void add_table_moment<S, C>(const Exec&, const TilePairs&, int, const TableView<C>&,             \
                                       const TablePlaces<C>&, const Matrix<S>&, S, const Tensor3<S>&,       \
                                       Workspace&);                                                         \
  template void table_moment_backward_inputs<S, C>(const Exec&, const TilePairs&, int, const TableView<C>&, \
                                                   const TablePlaces<C>&, const Tensor3<S>&,                \
                                                   const Matrix<S>&, S, const Matrix<S>&, Workspace&);
DPCORE_INSTANTIATE(double, double)
DPCORE_INSTANTIATE(double, float)
DPCORE_INSTANTIATE(float, float)
#undef DPCORE_INSTANTIATE

}  // namespace dpcore
