// SPDX-License-Identifier: LGPL-3.0-or-later
#include "descriptor/table_moment.hpp"

#include <algorithm>
#include <cstring>

#include "base/lanes.hpp"

namespace dpcore {

namespace {

constexpr int kBlock =
    kVectorBytes == 64 ? 4 : 2;  // vectors of columns at a time: 4 sums of each in registers

/// T[c][m0 ..] += scale sum_p r[p][c] G(p) for NV vectors of columns, the last n_valid of them valid; sums in
/// registers.
template <int NV, class S, class C>
void moment_block(const TableView<C>& table, const int* row, const C* t, const S* r, const int begin,
                  const int end, const S scale, const int m0, const int n_valid, const int n_radial,
                  S* moment) {
  constexpr int L = kLanes<C>;
  // pairs whose moments are added up in C before they are added to sums in S
  constexpr int kRun = sizeof(S) == sizeof(C) ? 1 << 30 : 16;
  const int stride = table.stride;
  S total[4][NV * L] = {};
  for (int run = begin; run < end; run += std::min(kRun, end - run)) {
    const int run_end = run + std::min(kRun, end - run);
    Vec<C> sum[4][NV] = {};
    for (int p = run; p < run_end; ++p) {
      const C* a = table.coefficient + static_cast<std::ptrdiff_t>(row[p]) * 6 * stride + m0;
      const S* rp = r + 4 * static_cast<std::ptrdiff_t>(p);
      const C x = t[p], r0 = static_cast<C>(rp[0]), r1 = static_cast<C>(rp[1]), r2 = static_cast<C>(rp[2]),
              r3 = static_cast<C>(rp[3]);
      for (int v = 0; v < NV; ++v) {
        const C* av = a + v * L;
        Vec<C> g = load(av + 4 * stride) + x * load(av + 5 * stride);
        g = load(av + 3 * stride) + x * g;
        g = load(av + 2 * stride) + x * g;
        g = load(av + stride) + x * g;
        g = load(av) + x * g;
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

/// dE/dR of one pair from T_bar [4, stride] of its centre.
template <class S, class C>
void pair_backward(const C* a, const int stride, const C x, const S* r, const C* bar, S* d_r) {
  constexpr int L = kLanes<C>;
  const C r0 = static_cast<C>(r[0]), r1 = static_cast<C>(r[1]), r2 = static_cast<C>(r[2]),
          r3 = static_cast<C>(r[3]);
  Vec<C> d0 = {}, d1 = {}, d2 = {}, d3 = {}, radial = {};
  for (int m = 0; m < stride; m += L) {
    const C* am = a + m;
    Vec<C> h = load(am + 5 * stride),
           g = load(am + 4 * stride) + x * h;  // Horner's scheme of G', one step behind G
    h = g + x * h;
    g = load(am + 3 * stride) + x * g;
    h = g + x * h;
    g = load(am + 2 * stride) + x * g;
    h = g + x * h;
    g = load(am + stride) + x * g;
    h = g + x * h;
    g = load(am) + x * g;
    const Vec<C> t0 = load(bar + m), t1 = load(bar + stride + m), t2 = load(bar + 2 * stride + m),
                 t3 = load(bar + 3 * stride + m);
    d0 += t0 * g;
    d1 += t1 * g;
    d2 += t2 * g;
    d3 += t3 * g;
    radial += (r0 * t0 + r1 * t1 + r2 * t2 + r3 * t3) * h;
  }
  d_r[0] = static_cast<S>(sum_of<C>(d0)) + static_cast<S>(sum_of<C>(radial));
  d_r[1] = static_cast<S>(sum_of<C>(d1));
  d_r[2] = static_cast<S>(sum_of<C>(d2));
  d_r[3] = static_cast<S>(sum_of<C>(d3));
}

}  // namespace

template <class S, class C>
bool find_places(const Exec& exec, const TableView<C>& table, const Vector<S>& s, int first, int last,
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
        if (!table.holds(at)) {
          missing(0) = 1;
          row(p) = 0;
          t(p) = C(0);
          return;
        }
        C offset;
        row(p) = static_cast<int>((table.row(at, offset) - table.coefficient) / (6 * table.stride));
        t(p) = offset;
      });
  mirror_copy(exec, host, missing);
  return host(0) == 0;
}

template <class S, class C>
void add_table_moment(const Exec& exec, const TilePairs& pairs, int neighbor_type, const TableView<C>& table,
                      const TablePlaces<C>& places, const Matrix<S>& r, S scale, const Tensor3<S>& moment) {
  const int n_radial = static_cast<int>(moment.extent(2)), n = pairs.n_rows;
  const int cell0 = neighbor_type * n;
  const Vector<int> offset = pairs.offset, row = places.row;
  const Vector<C> t = places.t;
  if constexpr (kExecOnHost) {
    (void)exec;
    constexpr int wide = kBlock * kLanes<C>, narrow = kLanes<C>;
    for (int i = 0; i < n; ++i) {
      const int begin = offset(cell0 + i), end = offset(cell0 + i + 1);
      S* out = &moment(i, 0, 0);
      int m = 0;
      for (; m + wide <= n_radial; m += wide) {
        moment_block<kBlock>(table, row.data(), t.data(), r.data(), begin, end, scale, m, wide, n_radial,
                             out);
      }
      for (; m < n_radial; m += narrow) {
        moment_block<1>(table, row.data(), t.data(), r.data(), begin, end, scale, m,
                        std::min(narrow, n_radial - m), n_radial, out);
      }
    }
  } else {
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
    const Workspace::Scope scope(ws);
    const int stride = table.stride;
    // T_bar of a centre in rows as long as the table's, with zeros at their ends
    const Vector<C> bar = ws.vector<C>(4 * static_cast<std::size_t>(stride));
    for (int i = 0; i < n; ++i) {
      for (int c = 0; c < 4; ++c) {
        for (int m = 0; m < n_radial; ++m) bar(c * stride + m) = static_cast<C>(scale * moment_bar(i, c, m));
        for (int m = n_radial; m < stride; ++m) bar(c * stride + m) = C(0);
      }
      for (int p = offset(cell0 + i); p < offset(cell0 + i + 1); ++p) {
        const C* a = table.coefficient + static_cast<std::ptrdiff_t>(row(p)) * 6 * stride;
        pair_backward(a, stride, t(p), &r(p, 0), bar.data(), &d_r(p, 0));
      }
    }
  } else {
    (void)ws;
    const int first = pairs.segment[static_cast<std::size_t>(neighbor_type)],
              last = pairs.segment[static_cast<std::size_t>(neighbor_type) + 1];
    const Vector<int> centre = pairs.row;
    for_each(
        exec, "dpcore::table_moment_backward_inputs", last - first, KOKKOS_LAMBDA(const int q) {
          const int p = first + q, i = centre(p);
          S d[4] = {S(0), S(0), S(0), S(0)}, radial = S(0);
          for (int m = 0; m < n_radial; ++m) {
            C h;
            S along = S(0);
            const S g = static_cast<S>(table.value(row(p), t(p), m, h));
            for (int c = 0; c < 4; ++c) {
              const S bar = scale * moment_bar(i, c, m);
              d[c] += bar * g;
              along += bar * r(p, c);
            }
            radial += along * static_cast<S>(h);
          }
          for (int c = 0; c < 4; ++c) d_r(p, c) = c == 0 ? d[c] + radial : d[c];
        });
  }
}

#define DPCORE_INSTANTIATE(S, C)                                                                            \
  template bool find_places<S, C>(const Exec&, const TableView<C>&, const Vector<S>&, int, int,             \
                                  const TablePlaces<C>&, Workspace&);                                       \
  template void add_table_moment<S, C>(const Exec&, const TilePairs&, int, const TableView<C>&,             \
                                       const TablePlaces<C>&, const Matrix<S>&, S, const Tensor3<S>&);      \
  template void table_moment_backward_inputs<S, C>(const Exec&, const TilePairs&, int, const TableView<C>&, \
                                                   const TablePlaces<C>&, const Tensor3<S>&,                \
                                                   const Matrix<S>&, S, const Matrix<S>&, Workspace&);
DPCORE_INSTANTIATE(double, double)
DPCORE_INSTANTIATE(double, float)
DPCORE_INSTANTIATE(float, float)
#undef DPCORE_INSTANTIATE

}  // namespace dpcore
