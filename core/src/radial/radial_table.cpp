// SPDX-License-Identifier: LGPL-3.0-or-later
#include "radial/radial_table.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "base/lanes.hpp"

namespace dpcore {

namespace {

constexpr int kPoints = NodeTable::kPoints, kBelow = NodeTable::kBelow, kBlock = NodeTable::kBlock;
// Places between nodes where the net itself is evaluated: so many at least, not further apart
constexpr int kLeastProbes = 16;
constexpr double kProbeDistance = 0.28;

struct Weights {
  double value[kPoints], slope[kPoints];
};

/// One s: its weights, where the row of its first node begins, and two rows to write or to read.
template <class To, class From>
struct Interpolation {
  Weights weights;
  To* node;
  From *g, *slope;
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
KOKKOS_FORCEINLINE_FUNCTION int locate(const double s, const NodeRuns& runs, Weights& w) {
  const NodeRun& run = runs.find(s);
  const double u = (s - run.lower) * run.inverse_step;
  int j = static_cast<int>(u);
  j = j < 0 ? 0 : (j >= run.n_intervals ? run.n_intervals - 1 : j);
  lagrange(u - j, run.inverse_step, w);
  return run.first + j;
}

/// to = from, with room for more if it has to grow
template <class T>
void upload(const std::vector<T>& from, const char* label, DeviceArray<T>& to) {
  if (to.extent(0) < from.size()) to = DeviceArray<T>(std::string(label), from.size() + from.size() / 4);
  const auto host = Kokkos::create_mirror_view(to);
  std::copy(from.begin(), from.end(), host.data());
  mirror_copy(Exec(), to, host);
}

}  // namespace

template <class S>
void RadialTable<S>::begin(double lower, double upper, bool whole) {
  grid_.begin(lower, upper, kFirstLevel);
  whole_ = whole;
}

template <class S>
void RadialTable<S>::reserve(int n_workers) {
  upload(grid_.runs(), "dpcore::RadialTable::run", run_);
  upload(grid_.at(), "dpcore::RadialTable::at", at_);
  upload(grid_.positions(), "dpcore::RadialTable::position", position_);
  runs_ = grid_.view();
  runs_.run = run_.data();
  runs_.at = at_.data();
  n_nodes_ = grid_.n_nodes();
  n_workers_ = n_workers;
  constexpr int lanes = kExecOnHost ? kLanes<double> : 1;
  stride_ = (n_out() + lanes - 1) / lanes * lanes;
  const auto m = static_cast<std::size_t>(stride_), n = static_cast<std::size_t>(n_blocks()) * kBlock;
  if (value_.extent(0) >= n * m && adjoint_.extent(0) >= static_cast<std::size_t>(n_workers) * n * m) return;
  const std::size_t room = n + n / 8;
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
  double* const cleared = adjoint(part);
  for_each_element(
      exec, "dpcore::table_clear", n_nodes_, stride, KOKKOS_LAMBDA(const int k, const int c) {
        cleared[static_cast<std::ptrdiff_t>(k) * stride + c] = 0.0;
      });
  if (n <= 0) return;
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
auto RadialTable<S>::check(const Exec& exec, Workspace& ws) -> Check {
  const auto good = [](const std::vector<double>& error) {
    return std::all_of(error.begin(), error.end(), [](double e) { return e <= kTolerance; });
  };
  std::vector<double> error = estimated_errors(exec, ws);
  if (error.empty()) return Check::Never;
  if (good(error)) {
    probe_errors(exec, error, ws);
    if (good(error)) return Check::Good;
  }
  return grid_.refine(error, kTolerance) ? Check::Finer : Check::Never;
}

template <class S>
std::vector<double> RadialTable<S>::estimated_errors(const Exec& exec, Workspace& ws) const {
  const int n = n_nodes_ - kPoints, m = n_out(), stride = stride_;
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
  double steepest = 0, largest = 0, sum = 0;
  for (const NodeRun& run : grid_.runs()) {  // no differences across runs
    for (int k = run.first; k < run.first + run.n_nodes() - kPoints; ++k) {
      steepest = std::max(steepest, 0.5 * host(k, 1) * run.inverse_step);
      largest = std::max(largest, host(k, 2));
      sum += host(k, 3);
    }
  }
  if (!std::isfinite(sum)) return {};
  std::vector<double> error;
  for (const NodeGrid::Piece& piece : grid_.pieces()) {
    const NodeRun& run = grid_.runs()[static_cast<std::size_t>(piece.run)];
    double eighth = 0;  // of the differences around a node of the piece, or the next one on either side
    const int last = std::min(piece.first + piece.n_intervals, run.n_nodes() - kPoints - 1);
    for (int k = std::max(piece.first - 2, 0); k <= last; ++k) {
      eighth = std::max(eighth, host(run.first + k, 0));
    }
    // h^8 N^(8) / 8! times 43.07 in the middle of an interval, times 144 / h for the slope at a node
    const double term = eighth / 40320.0;
    error.push_back(std::max(43.07 * term / std::max(largest, 1e-30),
                             144.0 * term * run.inverse_step / std::max(steepest, 1e-30)));
  }
  return error;
}

template <class S>
void RadialTable<S>::probe_errors(const Exec& exec, std::vector<double>& error, Workspace& ws) const {
  const auto& pieces = grid_.pieces();
  const int least = (kLeastProbes + static_cast<int>(pieces.size()) - 1) / static_cast<int>(pieces.size());
  std::vector<double> at;
  std::vector<std::size_t> piece_of;
  for (std::size_t k = 0; k < pieces.size(); ++k) {
    const NodeGrid::Piece& piece = pieces[k];
    const int n = std::max(least, static_cast<int>(std::ceil(NodeGrid::width(piece.level) / kProbeDistance)));
    for (int q = 0; q < n; ++q) {
      at.push_back(grid_.middle(piece, (2 * q + 1) * piece.n_intervals / (2 * n)));
      piece_of.push_back(k);
    }
  }
  const Workspace::Scope scope(ws);
  const std::size_t n = at.size(), m = static_cast<std::size_t>(n_out());
  const Vector<double> probe = ws.vector<double>(n);
  const auto place = Kokkos::create_mirror_view(probe);
  std::copy(at.begin(), at.end(), place.data());
  mirror_copy(exec, probe, place);
  const Matrix<double> exact = ws.matrix<double>(n, m), exact_slope = ws.matrix<double>(n, m);
  const Matrix<double> table = ws.matrix<double>(n, m), table_slope = ws.matrix<double>(n, m);
  net_->forward(exec, probe, exact, exact_slope, ws);
  interpolate<double>(exec, probe, table, table_slope);
  const auto compare = [&](const Matrix<double>& a, const Matrix<double>& b) {
    const auto x = Kokkos::create_mirror_view(a), y = Kokkos::create_mirror_view(b);
    mirror_copy(exec, x, a);
    mirror_copy(exec, y, b);
    double largest = 1e-30;
    for (std::size_t i = 0; i < n * m; ++i) largest = std::max(largest, std::abs(x.data()[i]));
    for (std::size_t i = 0; i < n; ++i) {
      double worst = 0;
      for (std::size_t c = 0; c < m; ++c) raise(std::abs(x(i, c) - y(i, c)), worst);
      raise(worst / largest, error[piece_of[i]]);
    }
  };
  compare(exact, table);
  compare(exact_slope, table_slope);
}

template <class S>
template <class T>
void RadialTable<S>::interpolate(const Exec& exec, const Vector<T>& s, const Matrix<T>& g,
                                 const Matrix<T>& g_prime) const {
  const int m = n_out(), stride = stride_;
  const double* value = value_.data();
  const NodeRuns runs = runs_;
  const bool whole = whole_;
  using Row = Interpolation<const double, T>;
  for_each_in_row(
      exec, "dpcore::table_forward", static_cast<int>(s.extent(0)), m,
      KOKKOS_LAMBDA(const int p) {
        Row x;
        const double given = static_cast<double>(s(p)), at = whole || runs.holds(given) ? given : runs.lower;
        x.node = value + static_cast<std::ptrdiff_t>(locate(at, runs, x.weights)) * stride;
        x.g = &g(p, 0);
        x.slope = &g_prime(p, 0);
        return x;
      },
      KOKKOS_LAMBDA(const Row& x, const int c) {
        double v = 0.0, d = 0.0;
        for (int k = 0; k < kPoints; ++k) {
          const double f = x.node[k * stride + c];
          v += x.weights.value[k] * f;
          d += x.weights.slope[k] * f;
        }
        x.g[c] = static_cast<T>(v);
        x.slope[c] = static_cast<T>(d);
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
  const NodeRuns runs = runs_;
  for_each(
      exec, "dpcore::find_strays", n, KOKKOS_LAMBDA(const int p) {
        if (!runs.holds(static_cast<double>(s(p)))) where(fetch_add(&count(0), 1)) = p;
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
  const NodeRuns runs = runs_;
  const bool whole = whole_;
  using Row = Interpolation<double, const S>;
  for_each_in_row(
      exec, "dpcore::table_backward", static_cast<int>(s.extent(0)), m,
      KOKKOS_LAMBDA(const int p) {
        Row x;
        const double at = static_cast<double>(s(p));
        const bool mine = whole || runs.holds(at);
        x.node =
            adjoints + static_cast<std::ptrdiff_t>(locate(mine ? at : runs.lower, runs, x.weights)) * stride;
        for (int k = 0; k < kPoints && !mine; ++k) x.weights.value[k] = x.weights.slope[k] = 0.0;
        x.g = &g_bar(p, 0);
        x.slope = &g_prime_bar(p, 0);
        return x;
      },
      KOKKOS_LAMBDA(const Row& x, const int c) {
        const double a = static_cast<double>(x.g[c]), b = static_cast<double>(x.slope[c]);
        for (int k = 0; k < kPoints; ++k)
          add_to(x.node + k * stride + c, x.weights.value[k] * a + x.weights.slope[k] * b);
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
  return {value_.data(), block_.data(), n_nodes_, n_out(), stride_, runs_};
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
