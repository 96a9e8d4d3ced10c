// SPDX-License-Identifier: LGPL-3.0-or-later
#include "radial/radial_table.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/lanes.hpp"

namespace dpcore {

namespace {

constexpr int kPoints = NodeTable::kPoints, kBelow = NodeTable::kBelow, kBlock = NodeTable::kBlock;
constexpr int kProbes = 16;  // places between nodes where the net itself is evaluated

struct Weights {
  double value[kPoints], slope[kPoints];
};

/// Lagrange polynomials of the nodes -3..4 at t in [0, 1] and their derivatives, by products from both sides.
KOKKOS_FORCEINLINE_FUNCTION void lagrange(const double t, const double inverse_step, Weights& w) {
  // 1 / prod_{i != k} (k - i)
  constexpr double scale[kPoints] = {-1.0 / 5040, 1.0 / 720, -1.0 / 240, 1.0 / 144,
                                     -1.0 / 144,  1.0 / 240, -1.0 / 720, 1.0 / 5040};
  double right[kPoints + 1], right_slope[kPoints + 1];
  right[kPoints] = 1.0;
  right_slope[kPoints] = 0.0;
  for (int k = kPoints - 1; k > 0; --k) {
    const double x = t - (k - kBelow);
    right[k] = right[k + 1] * x;
    right_slope[k] = right_slope[k + 1] * x + right[k + 1];
  }
  double left = 1.0, left_slope = 0.0;
  for (int k = 0; k < kPoints; ++k) {
    w.value[k] = scale[k] * left * right[k + 1];
    w.slope[k] = scale[k] * inverse_step * (left_slope * right[k + 1] + left * right_slope[k + 1]);
    const double x = t - (k - kBelow);
    left_slope = left_slope * x + left;
    left *= x;
  }
}

/// First of the eight nodes for s, and their weights.
KOKKOS_FORCEINLINE_FUNCTION int locate(const double s, const double lower, const double inverse_step,
                                       const int n_intervals, Weights& w) {
  const double u = (s - lower) * inverse_step;
  int j = static_cast<int>(u);
  j = j < 0 ? 0 : (j >= n_intervals ? n_intervals - 1 : j);
  lagrange(u - j, inverse_step, w);
  return j;
}

}  // namespace

template <class S>
void RadialTable<S>::reserve(double lower, double upper, double step, int n_workers, bool whole) {
  grid_.lower = lower;
  grid_.inverse_step = 1.0 / step;
  n_nodes_ = static_cast<int>(n_nodes(lower, upper, step));
  grid_.n_intervals = n_nodes_ - kPoints + 1;
  n_workers_ = n_workers;
  whole_ = whole;
  constexpr int lanes = kExecOnHost ? kLanes<double> : 1;
  stride_ = (n_out() + lanes - 1) / lanes * lanes;
  const auto m = static_cast<std::size_t>(stride_), n = static_cast<std::size_t>(n_blocks()) * kBlock;
  if (position_.extent(0) >= n && adjoint_.extent(0) >= static_cast<std::size_t>(n_workers) * n * m) return;
  const std::size_t room = n + n / 8;
  position_ = DeviceArray<double>("dpcore::RadialTable::position", room);
  value_ = DeviceArray<double>("dpcore::RadialTable::value", room * m);
  if constexpr (kExecOnHost) {
    block_ = DeviceArray<double>("dpcore::RadialTable::block", (room + kBlock) * m);
  }
  adjoint_ =
      DeviceArray<double>("dpcore::RadialTable::adjoint", static_cast<std::size_t>(n_workers) * room * m);
}

template <class S>
void RadialTable<S>::refresh(const Exec& exec, int part, Workspace& ws) {
  const int begin = part_begin(part), end = std::min(part_begin(part + 1), n_nodes_), n = end - begin;
  const int m = n_out(), stride = stride_;
  const double lower = grid_.lower, h = 1.0 / grid_.inverse_step;
  const auto position = position_;
  double* const cleared = adjoint(part);
  for_each_element(
      exec, "dpcore::table_clear", n_nodes_, stride, KOKKOS_LAMBDA(const int k, const int c) {
        cleared[static_cast<std::ptrdiff_t>(k) * stride + c] = 0.0;
      });
  if (n <= 0) return;
  for_each(
      exec, "dpcore::table_positions", n,
      KOKKOS_LAMBDA(const int k) { position(begin + k) = lower + (begin + k - kBelow) * h; });
  const Workspace::Scope scope(ws);
  const Matrix<double> g = ws.matrix<double>(static_cast<std::size_t>(n), static_cast<std::size_t>(m));
  net_->values(exec, Vector<double>(position_.data() + begin, n), g, ws);
  double* const value = value_.data();
  for_each_element(
      exec, "dpcore::table_rows", n, m, KOKKOS_LAMBDA(const int k, const int c) {
        value[static_cast<std::ptrdiff_t>(begin + k) * stride + c] = g(k, c);
      });
  if constexpr (kExecOnHost) {
    for (int k = 0; k < n; k += kBlock) {
      double* to = block_.data() + static_cast<std::ptrdiff_t>(begin + k) * m;
      const int rows = std::min(kBlock, n - k);
      for (int c = 0; c < m; ++c) {
        for (int i = 0; i < rows; ++i) to[c * kBlock + i] = g(k + i, c);
      }
    }
  }
}

template <class S>
double RadialTable<S>::error(const Exec& exec, Workspace& ws) const {
  const int n = n_nodes_ - kPoints, m = n_out(), stride = stride_;
  if (n <= 0) return probed_error(exec, ws);
  const Workspace::Scope scope(ws);
  const Matrix<double> found = ws.matrix<double>(static_cast<std::size_t>(n), 4);
  const double* const value = value_.data();
  for_each(
      exec, "dpcore::table_differences", n, KOKKOS_LAMBDA(const int k) {
        const double* const f = value + static_cast<std::ptrdiff_t>(k) * stride;
        double eighth = 0.0, first = 0.0, largest = 0.0, sum = 0.0;
#pragma omp simd reduction(max : eighth, first, largest) reduction(+ : sum)
        for (int c = 0; c < m; ++c) {
          const double *const a = f + c, middle = a[4 * stride];
          const double d = (a[0] + a[8 * stride]) - 8.0 * (a[stride] + a[7 * stride]) +
                           28.0 * (a[2 * stride] + a[6 * stride]) - 56.0 * (a[3 * stride] + a[5 * stride]) +
                           70.0 * middle;
          const double s = a[5 * stride] - a[3 * stride];
          eighth = Kokkos::fabs(d) > eighth ? Kokkos::fabs(d) : eighth;
          first = Kokkos::fabs(s) > first ? Kokkos::fabs(s) : first;
          largest = Kokkos::fabs(middle) > largest ? Kokkos::fabs(middle) : largest;
          sum += d;
        }
        found(k, 0) = eighth;
        found(k, 1) = first;
        found(k, 2) = largest;
        found(k, 3) = sum;
      });
  const auto host = Kokkos::create_mirror_view(found);
  mirror_copy(exec, host, found);
  double eighth = 0, first = 0, largest = 0, sum = 0;
  for (int k = 0; k < n; ++k) {
    eighth = std::max(eighth, host(k, 0));
    first = std::max(first, host(k, 1));
    largest = std::max(largest, host(k, 2));
    sum += host(k, 3);
  }
  if (!std::isfinite(sum)) return std::numeric_limits<double>::infinity();
  // h^8 N^(8) / 8! times 43.07 in the middle of an interval, times 144 / h for the slope at a node
  const double term = eighth / 40320.0;
  const double estimate =
      std::max(43.07 * term / std::max(largest, 1e-30), 144.0 * term / std::max(0.5 * first, 1e-30));
  return estimate > kTolerance ? estimate : std::max(estimate, probed_error(exec, ws));
}

template <class S>
double RadialTable<S>::probed_error(const Exec& exec, Workspace& ws) const {
  const auto m = static_cast<std::size_t>(n_out());
  const double lower = grid_.lower, h = 1.0 / grid_.inverse_step;
  const Workspace::Scope scope(ws);

  // the net itself against the table, half-way between nodes
  const Vector<double> probe = ws.vector<double>(kProbes);
  const Matrix<double> exact = ws.matrix<double>(kProbes, m), exact_slope = ws.matrix<double>(kProbes, m);
  const Matrix<double> table = ws.matrix<double>(kProbes, m), table_slope = ws.matrix<double>(kProbes, m);
  const int n_intervals = grid_.n_intervals;
  for_each(
      exec, "dpcore::table_probes", kProbes,
      KOKKOS_LAMBDA(const int k) { probe(k) = lower + h * (0.5 + k * (n_intervals - 1) / kProbes); });
  net_->forward(exec, probe, exact, exact_slope, ws);
  interpolate<double>(exec, probe, table, table_slope);
  const auto difference = [&](const Matrix<double>& a, const Matrix<double>& b) {
    const auto x = Kokkos::create_mirror_view(a), y = Kokkos::create_mirror_view(b);
    mirror_copy(exec, x, a);
    mirror_copy(exec, y, b);
    double largest = 0, worst = 0;
    for (std::size_t i = 0; i < kProbes; ++i) {
      for (std::size_t c = 0; c < m; ++c) {
        largest = std::max(largest, std::abs(x(i, c)));
        raise(std::abs(x(i, c) - y(i, c)), worst);
      }
    }
    return worst / std::max(largest, 1e-30);
  };
  double error = difference(exact, table);
  raise(difference(exact_slope, table_slope), error);
  return error;
}

template <class S>
template <class T>
void RadialTable<S>::interpolate(const Exec& exec, const Vector<T>& s, const Matrix<T>& g,
                                 const Matrix<T>& g_prime) const {
  const int m = n_out(), stride = stride_;
  const double* value = value_.data();
  const double lower = grid_.lower, inverse_step = grid_.inverse_step;
  const int n_intervals = grid_.n_intervals;
  const Grid grid = grid_;
  const bool whole = whole_;
  for_each(
      exec, "dpcore::table_forward", static_cast<int>(s.extent(0)), KOKKOS_LAMBDA(const int p) {
        Weights w;
        const double given = static_cast<double>(s(p)), at = whole || grid.holds(given) ? given : lower;
        const double* f =
            value + static_cast<std::ptrdiff_t>(locate(at, lower, inverse_step, n_intervals, w)) * stride;
        T* out = &g(p, 0);
        T* out_slope = &g_prime(p, 0);
#pragma omp simd
        for (int c = 0; c < m; ++c) {
          double v = 0.0, d = 0.0;
          for (int k = 0; k < kPoints; ++k) {
            const double x = f[k * stride + c];
            v += w.value[k] * x;
            d += w.slope[k] * x;
          }
          out[c] = static_cast<T>(v);
          out_slope[c] = static_cast<T>(d);
        }
      });
}

template <class S>
void RadialTable<S>::forward(const Exec& exec, const Vector<S>& s, const Matrix<S>& g,
                             const Matrix<S>& g_prime, Workspace& ws) const {
  interpolate<S>(exec, s, g, g_prime);
  if (whole_) return;
  const Workspace::Scope scope(ws);
  const Strays strays = find_strays(exec, s, ws);
  if (strays.n == 0) return;
  const auto n = static_cast<std::size_t>(strays.n), width = static_cast<std::size_t>(n_out());
  const Matrix<double> exact = ws.matrix<double>(n, width), slope = ws.matrix<double>(n, width);
  net_->forward(exec, strays.s, exact, slope, ws);
  const Vector<int> where = strays.where;
  for_each_element(
      exec, "dpcore::put_strays", strays.n, n_out(), KOKKOS_LAMBDA(const int k, const int c) {
        g(where(k), c) = static_cast<S>(exact(k, c));
        g_prime(where(k), c) = static_cast<S>(slope(k, c));
      });
}

template <class S>
auto RadialTable<S>::find_strays(const Exec& exec, const Vector<S>& s, Workspace& ws) const -> Strays {
  const int n = static_cast<int>(s.extent(0));
  Strays out;
  out.where = ws.vector<int>(static_cast<std::size_t>(n));
  out.s = ws.vector<double>(static_cast<std::size_t>(n));
  const Vector<int> count = ws.vector<int>(1), where = out.where;
  const auto count_host = Kokkos::create_mirror_view(count);
  count_host(0) = 0;
  mirror_copy(exec, count, count_host);
  const Grid grid = grid_;
  for_each(
      exec, "dpcore::find_strays", n, KOKKOS_LAMBDA(const int p) {
        if (!grid.holds(static_cast<double>(s(p)))) where(fetch_add(&count(0), 1)) = p;
      });
  mirror_copy(exec, count_host, count);
  out.n = count_host(0);
  out.s = Vector<double>(out.s.data(), static_cast<std::size_t>(out.n));
  const Vector<double> at = out.s;
  for_each(
      exec, "dpcore::take_strays", out.n,
      KOKKOS_LAMBDA(const int k) { at(k) = static_cast<double>(s(where(k))); });
  return out;
}

template <class S>
void RadialTable<S>::backward_params(const Exec& exec, const Vector<S>& s, const Matrix<S>& g_bar,
                                     const Matrix<S>& g_prime_bar, int slot, Workspace& ws) const {
  const int m = n_out(), stride = stride_;
  double* const adjoints = adjoint(slot);
  const double lower = grid_.lower, inverse_step = grid_.inverse_step;
  const int n_intervals = grid_.n_intervals;
  const Grid grid = grid_;
  const bool whole = whole_;
  for_each(
      exec, "dpcore::table_backward", static_cast<int>(s.extent(0)), KOKKOS_LAMBDA(const int p) {
        Weights w;
        const double at = static_cast<double>(s(p));
        if (!whole && !grid.holds(at)) return;
        double* f =
            adjoints + static_cast<std::ptrdiff_t>(locate(at, lower, inverse_step, n_intervals, w)) * stride;
        const S* a = &g_bar(p, 0);
        const S* b = &g_prime_bar(p, 0);
        for (int k = 0; k < kPoints; ++k) {
          double* row = f + k * stride;
          const double wv = w.value[k], wd = w.slope[k];
#pragma omp simd
          for (int c = 0; c < m; ++c)
            add_to(row + c, wv * static_cast<double>(a[c]) + wd * static_cast<double>(b[c]));
        }
      });
  if (whole_) return;
  const Workspace::Scope scope(ws);
  const Strays strays = find_strays(exec, s, ws);
  if (strays.n == 0) return;
  const auto n = static_cast<std::size_t>(strays.n), width = static_cast<std::size_t>(m);
  const Matrix<double> bar = ws.matrix<double>(n, width), prime_bar = ws.matrix<double>(n, width);
  const Vector<int> where = strays.where;
  for_each_element(
      exec, "dpcore::take_stray_adjoints", strays.n, m, KOKKOS_LAMBDA(const int k, const int c) {
        bar(k, c) = static_cast<double>(g_bar(where(k), c));
        prime_bar(k, c) = static_cast<double>(g_prime_bar(where(k), c));
      });
  net_->backward_params(exec, strays.s, bar, prime_bar, slot, ws);
}

template <class S>
NodeTable RadialTable<S>::nodes() const {
  return {value_.data(), block_.data(), n_nodes_,           n_out(),
          stride_,       grid_.lower,   grid_.inverse_step, grid_.n_intervals};
}

template <class S>
void RadialTable<S>::flush_gradients(const Exec& exec, int part, Workspace& ws) const {
  const int begin = part_begin(part), n = std::min(part_begin(part + 1), n_nodes_) - begin;
  if (n <= 0) return;
  const int workers = n_workers_, stride = stride_;
  const Workspace::Scope scope(ws);
  const Matrix<double> sum =
      ws.matrix<double>(static_cast<std::size_t>(n), static_cast<std::size_t>(n_out()));
  const double* const adjoints = adjoint(0);
  const std::ptrdiff_t one = static_cast<std::ptrdiff_t>(n_nodes_) * stride;
  for_each_element(
      exec, "dpcore::table_sum", n, n_out(), KOKKOS_LAMBDA(const int k, const int c) {
        double total = 0.0;
        for (int w = 0; w < workers; ++w) {
          total += adjoints[w * one + static_cast<std::ptrdiff_t>(begin + k) * stride + c];
        }
        sum(k, c) = total;
      });
  net_->backward_values(exec, Vector<double>(position_.data() + begin, n), sum, part, ws);
}

template class RadialTable<double>;
template class RadialTable<float>;

}  // namespace dpcore
