// SPDX-License-Identifier: LGPL-3.0-or-later
#include "radial/quintic_table.hpp"

#include <algorithm>
#include <cmath>
#include <exception>
#include <string>

namespace dpcore {

namespace {

constexpr double kMostBytes = 2147483648.0;
constexpr double kWorstSlope = 0.2763932;  // (1 - 1/sqrt 5)/2
constexpr int kNodeChunk = 256;            // intervals made at a time

/// Six coefficients of the polynomial in t with values, slopes and curvatures (v, d, c) at t = 0 and t = h.
KOKKOS_INLINE_FUNCTION void hermite(const double h, const double v0, const double d0, const double c0,
                                    const double v1, const double d1, const double c1, double a[6]) {
  const double rise = v1 - v0, h2 = h * h, h3 = h2 * h;
  a[0] = v0;
  a[1] = d0;
  a[2] = 0.5 * c0;
  a[3] = (20 * rise - (8 * d1 + 12 * d0) * h - (3 * c0 - c1) * h2) / (2 * h3);
  a[4] = (-30 * rise + (14 * d1 + 16 * d0) * h + (3 * c0 - 2 * c1) * h2) / (2 * h3 * h);
  a[5] = (12 * rise - 6 * (d1 + d0) * h + (c1 - c0) * h2) / (2 * h3 * h2);
}

/// The rows of a table, from the net at its nodes. (A function of its own: nvcc takes no lambdas in
/// constructors.)
template <class S>
void make_rows(const RadialNet<double>& nodes, const TableGrid& grid, const TableView<S>& table, S* data,
               Workspace& ws) {
  const Exec exec;
  const TableGrid at = grid;
  const int m = nodes.n_out(), stride = table.stride;
  for (int begin = 0; begin < grid.n(); begin += kNodeChunk) {
    const Workspace::Scope scope(ws);
    const int count = std::min(kNodeChunk, grid.n() - begin);
    const auto n_nodes = static_cast<std::size_t>(count) + 1, width = static_cast<std::size_t>(m);
    const Vector<double> x = ws.vector<double>(n_nodes);
    const Matrix<double> value = ws.matrix<double>(n_nodes, width), slope = ws.matrix<double>(n_nodes, width),
                         curvature = ws.matrix<double>(n_nodes, width);
    for_each(
        exec, "dpcore::table_nodes", count + 1, KOKKOS_LAMBDA(const int k) {
          const int j = begin + k;
          x(k) = j < at.n_fine ? at.lower + j * at.fine : at.upper + (j - at.n_fine) * at.coarse;
        });
    nodes.second_order(exec, x, value, slope, curvature, ws);
    S* to = data + (table.rows(begin) - table.data);
    if (table.nodes) {
      for_each_element(
          exec, "dpcore::table_rows", count + 1, m, KOKKOS_LAMBDA(const int k, const int c) {
            S* row = to + static_cast<std::ptrdiff_t>(k) * 3 * stride + c;
            row[0] = static_cast<S>(value(k, c));
            row[stride] = static_cast<S>(slope(k, c));
            row[2 * stride] = static_cast<S>(curvature(k, c));
          });
      continue;
    }
    for_each_element(
        exec, "dpcore::table_coefficients", count, m, KOKKOS_LAMBDA(const int k, const int c) {
          double a[6];
          hermite(begin + k < at.n_fine ? at.fine : at.coarse, value(k, c), slope(k, c), curvature(k, c),
                  value(k + 1, c), slope(k + 1, c), curvature(k + 1, c), a);
          for (int p = 0; p < 6; ++p)
            to[(static_cast<std::ptrdiff_t>(k) * 6 + p) * stride + c] = static_cast<S>(a[p]);
        });
    if constexpr (!kExecOnHost) exec.fence("dpcore::QuinticTable");
  }
}

}  // namespace

template <class S>
QuinticTable<S>::QuinticTable(const RadialNet<double>& nodes, const RadialNet<S>& net, const TableGrid& grid,
                              Outside outside, Workspace& ws)
    : net_(&net), n_out_(net.n_out()), grid_(grid), outside_(outside) {
  allocate(std::max(grid.n_fine - 1, 0), kNodes);
  make_rows(nodes, grid, view_, data_.data(), ws);
}

template <class S>
void QuinticTable<S>::allocate(int last_fine, bool nodes) {
  const int stride = stride_of(n_out_);
  const std::size_t size = rows_of(grid_, nodes) * static_cast<std::size_t>(stride);
  const double bytes = static_cast<double>(size) * sizeof(S);
  if (!(bytes <= kMostBytes)) {
    throw Error("a table from " + number(grid_.lower) + " to " + number(grid_.last) + " in steps of " +
                number(grid_.fine) + " would take " + std::to_string(static_cast<int>(bytes / 1048576.0)) +
                " MiB; choose a larger step, or check min_nbor_dist");
  }
  try {
    data_ = DeviceArray<S>("dpcore::QuinticTable", size);
  } catch (const std::exception&) {
    throw Error("a table of " + std::to_string(static_cast<int>(bytes / 1048576.0)) +
                " MiB does not fit in memory; compress with a larger step");
  }
  view_.data = data_.data();
  view_.nodes = nodes;
  view_.stride = stride;
  view_.lower = grid_.lower;
  view_.upper = grid_.upper;
  view_.last = grid_.last;
  view_.fine = grid_.fine;
  view_.coarse = grid_.coarse;
  view_.inverse_fine = 1 / grid_.fine;
  view_.inverse_coarse = 1 / grid_.coarse;
  view_.n_fine = grid_.n_fine;
  view_.n = grid_.n();
  view_.first = grid_.first;
  view_.n_below = grid_.n_below;
  view_.last_fine = last_fine;
}

// Where the fine step does not divide the interval, DeePMD-kit takes the row behind the fine ones for the
// rest.
template <class S>
QuinticTable<S>::QuinticTable(const StoredTable& table, int n_out)
    : n_out_(n_out), grid_(TableGrid::of(table, n_out)), outside_(Outside::Linear) {
  allocate(std::min(grid_.n_fine, grid_.n_fine + grid_.n_coarse - 1), false);
  const auto m = static_cast<std::size_t>(n_out), stride = static_cast<std::size_t>(view_.stride);
  const auto host = Kokkos::create_mirror_view(data_);
  for (std::size_t k = 0; k < table.rows.size() / m; ++k) {
    for (std::size_t c = 0; c < stride; ++c)
      host(k * stride + c) = c < m ? static_cast<S>(table.rows[k * m + c]) : S(0);
  }
  Kokkos::deep_copy(data_, host);
}

template <class S>
StoredTable QuinticTable<S>::stored() const {
  StoredTable out;
  out.info = {grid_.first,
              grid_.lower,
              grid_.upper,
              grid_.last,
              grid_.fine,
              grid_.coarse,
              static_cast<double>(grid_.n_below),
              static_cast<double>(grid_.n_fine)};
  const auto host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), data_);
  const int stride = view_.stride;
  for (int k = 0; k < 6 * grid_.n(); ++k) {
    for (int c = 0; c < n_out_; ++c)
      out.rows.push_back(static_cast<double>(host(
          static_cast<std::size_t>(k) * static_cast<std::size_t>(stride) + static_cast<std::size_t>(c))));
  }
  return out;
}

namespace {

/// G and G' [m] at t from two nodes a, h apart.
template <class S>
KOKKOS_FORCEINLINE_FUNCTION void interpolate(const S* a, const int stride, const S h, const S t, const int m,
                                             S* g, S* g_prime) {
  const HermiteWeights<S> w = hermite_weights(h, t), d = hermite_slope_weights(h, t);
#pragma omp simd
  for (int c = 0; c < m; ++c) {
    const S v0 = a[c], d0 = a[stride + c], c0 = a[2 * stride + c], v1 = a[3 * stride + c],
            d1 = a[4 * stride + c], c1 = a[5 * stride + c];
    g[c] = (w.v0 * v0 + w.v1 * v1) + (w.d0 * d0 + w.d1 * d1) + (w.c0 * c0 + w.c1 * c1);
    g_prime[c] = d.v1 * (v1 - v0) + (d.d0 * d0 + d.d1 * d1) + (d.c0 * c0 + d.c1 * c1);
  }
}

}  // namespace

template <class S>
int QuinticTable<S>::evaluate(const Exec& exec, const Vector<S>& s, const Matrix<S>& g,
                              const Matrix<S>& g_prime, Workspace& ws) const {
  const Workspace::Scope scope(ws);
  const int m = n_out(), n = static_cast<int>(s.extent(0)), stride = view_.stride;
  const TableView<S> table = view_;
  const Vector<int> where = ws.vector<int>(static_cast<std::size_t>(n)), count = ws.vector<int>(1);
  const auto count_host = Kokkos::create_mirror_view(count);
  count_host(0) = 0;
  mirror_copy(exec, count, count_host);
  for_each(
      exec, "dpcore::quintic_table", n, KOKKOS_LAMBDA(const int p) {
        const double at = static_cast<double>(s(p));
        double inside = at;
        if (!table.holds(at)) {
          inside = at < table.first ? table.first : table.last;  // NaN: any
          where(fetch_add(&count(0), 1)) = p;
        }
        S t;
        const int j = table.interval(inside, t);
        const S* a = table.rows(j);
        S* out = &g(p, 0);
        S* slope = &g_prime(p, 0);
        if (table.nodes) {
          interpolate(a, stride, static_cast<S>(table.step(j)), t, m, out, slope);
        } else {
#pragma omp simd
          for (int c = 0; c < m; ++c) {
            const S a1 = a[stride + c], a2 = a[2 * stride + c], a3 = a[3 * stride + c],
                    a4 = a[4 * stride + c], a5 = a[5 * stride + c];
            out[c] = a[c] + t * (a1 + t * (a2 + t * (a3 + t * (a4 + t * a5))));
            slope[c] = a1 + t * (S(2) * a2 + t * (S(3) * a3 + t * (S(4) * a4 + t * (S(5) * a5))));
          }
        }
        if (inside != at) {
          const S beyond = static_cast<S>(at - inside);
          for (int c = 0; c < m; ++c) out[c] += beyond * slope[c];
        }
      });
  mirror_copy(exec, count_host, count);
  const int n_out_of_range = count_host(0);
  if (n_out_of_range == 0 || outside_ == Outside::Linear) return n_out_of_range;

  const auto rows = static_cast<std::size_t>(n_out_of_range), width = static_cast<std::size_t>(m);
  const Vector<S> x = ws.vector<S>(rows);
  const Matrix<S> exact = ws.matrix<S>(rows, width), exact_slope = ws.matrix<S>(rows, width);
  for_each(
      exec, "dpcore::gather_outside", n_out_of_range, KOKKOS_LAMBDA(const int k) { x(k) = s(where(k)); });
  net_->forward(exec, x, exact, exact_slope, ws);
  for_each_element(
      exec, "dpcore::scatter_outside", n_out_of_range, m, KOKKOS_LAMBDA(const int k, const int c) {
        g(where(k), c) = exact(k, c);
        g_prime(where(k), c) = exact_slope(k, c);
      });
  return n_out_of_range;
}

template <class S>
double QuinticTable<S>::error(Workspace& ws) const {
  constexpr int n = 251;  // a prime: no harmony with the step
  const Workspace::Scope scope(ws);
  const Exec exec;
  const auto rows = static_cast<std::size_t>(n), width = static_cast<std::size_t>(n_out());
  const Vector<S> s = ws.vector<S>(rows);
  const Matrix<S> table = ws.matrix<S>(rows, width), slope = ws.matrix<S>(rows, width);
  const Matrix<S> exact = ws.matrix<S>(rows, width), exact_slope = ws.matrix<S>(rows, width);
  const TableGrid g = grid_;
  for_each(
      exec, "dpcore::table_probes", n, KOKKOS_LAMBDA(const int k) {
        s(k) = static_cast<S>(g.lower + (k * (g.n_fine - 1) / (n - 1) + kWorstSlope) * g.fine);
      });
  evaluate(exec, s, table, slope, ws);
  net_->forward(exec, s, exact, exact_slope, ws);
  const auto difference = [&](const Matrix<S>& a, const Matrix<S>& b) {
    const auto x = Kokkos::create_mirror_view(a), y = Kokkos::create_mirror_view(b);
    mirror_copy(exec, x, a);
    mirror_copy(exec, y, b);
    double largest = 0, worst = 0;
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t c = 0; c < width; ++c) {
        largest = std::max(largest, static_cast<double>(std::abs(x(i, c))));
        raise(static_cast<double>(std::abs(x(i, c) - y(i, c))), worst);
      }
    }
    return worst / std::max(largest, 1e-30);
  };
  double error = difference(exact, table);
  raise(difference(exact_slope, slope), error);
  return error;
}

template <class S>
void QuinticTable<S>::backward_params(const Exec&, const Vector<S>&, const Matrix<S>&, const Matrix<S>&, int,
                                      Workspace&) const {
  throw Error("a compressed model has no trainable embedding nets");
}

template class QuinticTable<double>;
template class QuinticTable<float>;

namespace {

/// The coefficients of a table; to [n, 6, to_stride]. (nvcc takes no kernel in a constructor.)
void to_single(const Exec& exec, const TableView<double>& from, int m, float* to, int to_stride) {
  const TableView<double> table = from;
  for_each_element(
      exec, "dpcore::to_single", table.n, m, KOKKOS_LAMBDA(const int j, const int c) {
        const double* row = table.rows(j) + c;
        double r[6], a[6];
        for (int p = 0; p < 6; ++p) r[p] = a[p] = row[p * table.stride];
        if (table.nodes) hermite(table.step(j), r[0], r[1], r[2], r[3], r[4], r[5], a);
        float* out = to + static_cast<std::ptrdiff_t>(j) * 6 * to_stride + c;
        for (int p = 0; p < 6; ++p) out[p * to_stride] = static_cast<float>(a[p]);
      });
}

}  // namespace

SingleTable::SingleTable(const QuinticTable<double>& from) {
  const TableView<double>& v = from.view();
  const int stride = QuinticTable<float>::stride_of(from.n_out());
  coefficient_ = DeviceArray<float>("dpcore::SingleTable",
                                    6 * static_cast<std::size_t>(v.n) * static_cast<std::size_t>(stride));
  to_single(Exec(), v, from.n_out(), coefficient_.data(), stride);
  view_.data = coefficient_.data();
  view_.stride = stride;
  view_.lower = v.lower;
  view_.upper = v.upper;
  view_.last = v.last;
  view_.inverse_fine = v.inverse_fine;
  view_.inverse_coarse = v.inverse_coarse;
  view_.fine = v.fine;
  view_.coarse = v.coarse;
  view_.n_fine = v.n_fine;
  view_.n = v.n;
  view_.first = v.first;
  view_.n_below = v.n_below;
  view_.last_fine = v.last_fine;
}

}  // namespace dpcore
