// SPDX-License-Identifier: LGPL-3.0-or-later
#include "radial/piece_table.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace dpcore {

namespace {

constexpr int kPowers = PieceView<double>::kPowers;
constexpr int kLevels = 6;                  // widths 1, 1/2 ... 1/32
constexpr int kCells = 1 << (kLevels - 1);  // of the smallest pieces in a unit
constexpr double kMostBytes = 1 << 26;      // of one table
constexpr int kPoints = kPowers - 1, kProbes = 5;
constexpr double kPi = 3.14159265358979323846;

/// Points of interpolation, probes, and what makes coefficients of slopes at the points.
struct Chebyshev {
  double point[kPoints], probe[kProbes];
  double transform[kPoints][kPoints];  // [Chebyshev polynomial][point]
  double power[kPoints][kPoints];      // [power of u][Chebyshev polynomial]
  double mean[kPowers] = {};           // of u^p over the points
  Chebyshev() {
    for (int j = 0; j < kPoints; ++j) {
      const double angle = kPi * (j + 0.5) / kPoints;
      point[j] = std::cos(angle);
      for (int k = 0; k < kPoints; ++k)
        transform[k][j] = (k == 0 ? 1.0 : 2.0) / kPoints * std::cos(k * angle);
      for (int p = 0; p < kPowers; p += 2) mean[p] += std::pow(point[j], p) / kPoints;
    }
    constexpr int at[kProbes] = {0, 3, 7, 12,
                                 15};  // where the error of the slope is largest, to leading order
    for (int q = 0; q < kProbes; ++q) probe[q] = std::cos(kPi * at[q] / kPoints);
    for (int k = 0; k < kPoints; ++k) {
      for (int p = 0; p < kPoints; ++p) {
        if (k < 2) {
          power[p][k] = p == k ? 1.0 : 0.0;
        } else {
          power[p][k] = (p > 0 ? 2.0 * power[p - 1][k - 1] : 0.0) - power[p][k - 2];
        }
      }
    }
  }
};

/// to [kPoints, m] = w from
void multiply(const double (&w)[kPoints][kPoints], const double* from, int m, double* to) {
  std::fill_n(to, static_cast<std::ptrdiff_t>(kPoints) * m, 0.0);
  for (int i = 0; i < kPoints; ++i) {
    for (int j = 0; j < kPoints; ++j) {
      for (int k = 0; k < m; ++k) to[i * m + k] += w[i][j] * from[j * m + k];
    }
  }
}

/// a [kPowers, m] of the values and slopes f, f_prime [kPoints, m] at the points of a piece; room like f.
/// First the coefficients of Chebyshev polynomials, which fall off, then those of powers: the other way round
/// their rounding would be seen. Then the integral, whose constant brings the mean of the values to that of
/// the net's.
void fit(const Chebyshev& t, const double* f, const double* f_prime, int m, double half, double* room,
         double* a) {
  multiply(t.transform, f_prime, m, room);
  multiply(t.power, room, m, a + m);
  std::fill_n(a, m, 0.0);
  for (int j = 0; j < kPoints; ++j) {
    for (int k = 0; k < m; ++k) a[k] += f[j * m + k] / kPoints;
  }
  for (int p = 1; p < kPowers; ++p) {
    for (int k = 0; k < m; ++k) {
      a[p * m + k] *= half / p;
      a[k] -= t.mean[p] * a[p * m + k];
    }
  }
}

/// The largest differences of a piece's G and G' from g and g_prime, rows of kProbes; room [2, m].
void compare(const Chebyshev& t, const double* a, int m, double half, const Matrix<double>& g,
             const Matrix<double>& g_prime, int first, double* room, double& of_value, double& of_slope) {
  double *const value = room, *const slope = room + m;
  for (int q = 0; q < kProbes; ++q) {
    const double u = t.probe[q];
    std::copy_n(a + (kPowers - 1) * m, m, value);
    std::fill_n(slope, m, 0.0);
    for (int p = kPowers - 2; p >= 0; --p) {
      for (int k = 0; k < m; ++k) {
        slope[k] = value[k] + u * slope[k];
        value[k] = a[p * m + k] + u * value[k];
      }
    }
    for (int k = 0; k < m; ++k) {
      raise(std::abs(value[k] - g(first + q, k)), of_value);
      raise(std::abs(slope[k] / half - g_prime(first + q, k)), of_slope);
    }
  }
}

double largest(const Matrix<double>& x) {
  double most = 1e-30;
  for (std::size_t i = 0; i < x.extent(0) * x.extent(1); ++i) most = std::max(most, std::abs(x.data()[i]));
  return most;
}

struct Part {
  int cell, level;
  double half() const { return 0.5 / (1 << level); }
  double middle(double lower) const { return lower + static_cast<double>(cell) / kCells + half(); }
};

}  // namespace

template <class S>
PieceTable<S>::PieceTable(const RadialNet<double>& net, double lower, double upper, double good, bool single,
                          Workspace& ws) {
  static const Chebyshev chebyshev;
  const Exec exec;
  const int m = net.n_out();
  constexpr int line = 64 / static_cast<int>(sizeof(S));
  view_.n_out = m;
  view_.stride = (m + line - 1) / line * line;
  view_.lower = lower;
  view_.upper = upper;
  view_.inverse_cell = kCells;
  const double piece_bytes = static_cast<double>(kPowers) * (m + view_.stride) * sizeof(S),
               units = std::round(upper - lower);
  if (!(units >= 1 && units * piece_bytes <= kMostBytes)) {
    error_ = std::numeric_limits<double>::infinity();
    return;
  }
  view_.n_cells = static_cast<int>(units) * kCells;
  at_.assign(static_cast<std::size_t>(view_.n_cells), 0);
  std::vector<Part> open;
  for (int k = 0; k < static_cast<int>(units); ++k) open.push_back({k * kCells, 0});
  const auto width = static_cast<std::size_t>(m), size = kPowers * width;
  std::vector<double> kept, room(size), a(size);
  while (!open.empty()) {
    const Workspace::Scope scope(ws);
    if (static_cast<double>(piece_.size() + open.size()) * piece_bytes > kMostBytes) {
      error_ = std::numeric_limits<double>::infinity();
      return;
    }
    // points and probes of a piece follow each other
    const auto each = static_cast<std::size_t>(kPoints + kProbes);
    const Vector<double> s = ws.vector<double>(each * open.size());
    const Matrix<double> g = ws.matrix<double>(s.extent(0), width),
                         g_prime = ws.matrix<double>(s.extent(0), width);
    for (std::size_t k = 0; k < open.size(); ++k) {
      const double middle = open[k].middle(lower), half = open[k].half();
      for (int j = 0; j < kPoints; ++j) s(each * k + j) = middle + half * chebyshev.point[j];
      for (int q = 0; q < kProbes; ++q) s(each * k + kPoints + q) = middle + half * chebyshev.probe[q];
    }
    net.forward(exec, s, g, g_prime, ws);
    most_value_ = std::max(most_value_, largest(g));
    most_slope_ = std::max(most_slope_, largest(g_prime));
    std::vector<Part> next;
    for (std::size_t k = 0; k < open.size(); ++k) {
      const Part part = open[k];
      fit(chebyshev, &g(each * k, 0), &g_prime(each * k, 0), m, part.half(), room.data(), a.data());
      double of_value = 0, of_slope = 0;
      compare(chebyshev, a.data(), m, part.half(), g, g_prime, static_cast<int>(each * k) + kPoints,
              room.data(), of_value, of_slope);
      double error = of_value / most_value_;
      raise(of_slope / most_slope_, error);
      if (!(error <= good) && part.level + 1 < kLevels) {
        next.push_back({part.cell, part.level + 1});
        next.push_back({part.cell + (kCells >> (part.level + 1)), part.level + 1});
        continue;
      }
      raise(error, error_);
      std::fill_n(at_.begin() + part.cell, kCells >> part.level, static_cast<int>(piece_.size()));
      piece_.push_back({part.middle(lower), 1.0 / part.half()});
      kept.insert(kept.end(), a.begin(), a.end());
    }
    open.swap(next);
  }
  keep(kept, static_cast<int>(piece_.size()), single);
}

template <class S>
void PieceTable<S>::keep(const std::vector<double>& coefficient, int n_pieces, bool single) {
  const auto m = static_cast<std::size_t>(view_.n_out), stride = static_cast<std::size_t>(view_.stride),
             n = static_cast<std::size_t>(n_pieces);
  row_ = DeviceArray<S>("dpcore::PieceTable", n * kPowers * stride);
  block_ = DeviceArray<S>("dpcore::PieceTable", n * kPowers * m);
  if (single) single_block_ = DeviceArray<float>("dpcore::PieceTable", n * kPowers * m);
  for (std::size_t k = 0; k < n * kPowers; ++k) {
    for (std::size_t c = 0; c < m; ++c) {
      const double x = coefficient[k * m + c];
      const std::size_t to = (k / kPowers * m + c) * kPowers + k % kPowers;
      row_.data()[k * stride + c] = static_cast<S>(x);
      block_.data()[to] = static_cast<S>(x);
      if (single) single_block_.data()[to] = static_cast<float>(x);
    }
  }
  view_.row = row_.data();
  view_.block = block_.data();
  view_.single_block = single ? single_block_.data() : nullptr;
  view_.piece = piece_.data();
  view_.at = at_.data();
  view_.n_pieces = n_pieces;
}

template <class S>
void PieceTable<S>::values(double s, S* g) const {
  const int k = view_.find(s);
  const double u = (s - view_.piece[k].middle) * view_.piece[k].inverse_half;
  const S* a = view_.rows_of(k);
  for (int c = 0; c < view_.n_out; ++c) {
    double value = static_cast<double>(a[(kPowers - 1) * view_.stride + c]);
    for (int p = kPowers - 2; p >= 0; --p) value = static_cast<double>(a[p * view_.stride + c]) + u * value;
    g[c] = static_cast<S>(value);
  }
}

// At the extrema of T_32 of each piece: a polynomial of degree 9 is nowhere larger than there by more than a
// factor of 1/cos(9 pi/64).
template <class S>
double PieceTable<S>::quintic_error(double step) const {
  constexpr int n = 32, order = 6;
  const auto m = static_cast<std::size_t>(view_.n_out);
  std::vector<double> sixth(m);
  double most = 0;
  for (int k = 0; k < view_.n_pieces; ++k) {
    const double scale = std::pow(view_.piece[k].inverse_half, order);
    for (int i = 0; i <= n; ++i) {
      const double u = std::cos(kPi * i / n);
      std::fill(sixth.begin(), sixth.end(), 0.0);
      for (int p = kPowers - 1; p >= order; --p) {
        const double factor = p * (p - 1.0) * (p - 2.0) * (p - 3.0) * (p - 4.0) * (p - 5.0);
        const S* a = view_.rows_of(k) + static_cast<std::ptrdiff_t>(p) * view_.stride;
        for (std::size_t c = 0; c < m; ++c) sixth[c] = factor * static_cast<double>(a[c]) + u * sixth[c];
      }
      for (const double x : sixth) raise(scale * std::abs(x), most);
    }
  }
  most *= std::pow(step, order - 1) / std::cos(9 * kPi / (2 * n));
  double error = most * step / 46080 / most_value_;
  raise(most * std::sqrt(5.0) / 30000 / most_slope_, error);
  return error;
}

template class PieceTable<double>;
template class PieceTable<float>;

}  // namespace dpcore
