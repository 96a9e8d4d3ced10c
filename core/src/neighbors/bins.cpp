// SPDX-License-Identifier: LGPL-3.0-or-later
#include "neighbors/bins.hpp"

namespace dpcore {
namespace {

/// Bins per radius: with 2, a sphere covers about half of the volume that is searched.
constexpr double kBinsPerRadius = 2;
/// Enlarges the radius: far above the rounding of positions, far below any physical length.
constexpr double kSlack = 1 + 1e-6;
/// Largest number of bins along one direction; three of them fit a 64-bit key.
constexpr double kMaxCount = 1 << 20;
/// Every bin is stored up to this many; beyond, only the occupied ones.
std::int64_t max_dense(int n) { return 4 * static_cast<std::int64_t>(n) + 4096; }

}  // namespace

void Bins::build(const double* coord, int n, double radius) {
  radius_ = radius * kSlack;
  choose_grid(coord, n);
  const auto size = static_cast<std::size_t>(n) + kPadding;
  x_.resize(size);
  y_.resize(size);
  z_.resize(size);
  index_.resize(size);
  key_.resize(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) {
    const double* r = coord + 3 * static_cast<std::size_t>(i);
    key_[static_cast<std::size_t>(i)] =
        (static_cast<std::int64_t>(bin_of(r[2], 2)) * count_[1] + bin_of(r[1], 1)) * count_[0] +
        bin_of(r[0], 0);
  }
  if (dense_) {
    sort_dense(n);
  } else {
    sort_sparse(n);
  }
  for (std::size_t p = 0; p < static_cast<std::size_t>(n); ++p) {
    const double* r = coord + 3 * static_cast<std::size_t>(index_[p]);
    x_[p] = r[0];
    y_[p] = r[1];
    z_[p] = r[2];
  }
  for (std::size_t p = static_cast<std::size_t>(n); p < size; ++p) {
    x_[p] = y_[p] = z_[p] = 0;
    index_[p] = 0;
  }
}

void Bins::choose_grid(const double* coord, int n) {
  std::int64_t total = 1;
  for (int d = 0; d < 3; ++d) {
    double lo = n > 0 ? coord[d] : 0, hi = lo;
    for (std::size_t i = 1; i < static_cast<std::size_t>(n); ++i) {
      lo = std::min(lo, coord[3 * i + static_cast<std::size_t>(d)]);
      hi = std::max(hi, coord[3 * i + static_cast<std::size_t>(d)]);
    }
    const double length = hi - lo;
    count_[d] = static_cast<int>(std::max(1.0, std::min(kMaxCount, length * kBinsPerRadius / radius_)));
    lo_[d] = lo;
    edge_[d] = length / count_[d];
    inverse_edge_[d] = length > 0 ? count_[d] / length : 0;
    total *= count_[d];
  }
  dense_ = total <= max_dense(n);
}

/// Counting sort. start_ is first used as the place of the next atom of each bin, shifted by one bin.
void Bins::sort_dense(int n) {
  const auto n_bins = static_cast<std::size_t>(count_[0]) * static_cast<std::size_t>(count_[1]) *
                      static_cast<std::size_t>(count_[2]);
  start_.assign(n_bins + 2, 0);
  for (const std::int64_t k : key_) ++start_[static_cast<std::size_t>(k) + 2];
  for (std::size_t b = 2; b < n_bins + 2; ++b) start_[b] += start_[b - 1];
  for (int i = 0; i < n; ++i) {
    const auto place = start_[static_cast<std::size_t>(key_[static_cast<std::size_t>(i)]) + 1]++;
    index_[static_cast<std::size_t>(place)] = i;
  }
}

void Bins::sort_sparse(int n) {
  order_.resize(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < order_.size(); ++i) order_[i] = {key_[i], static_cast<int>(i)};
  std::sort(order_.begin(), order_.end());
  key_.clear();
  start_.clear();
  for (std::size_t p = 0; p < order_.size(); ++p) {
    index_[p] = order_[p].second;
    if (key_.empty() || key_.back() != order_[p].first) {
      key_.push_back(order_[p].first);
      start_.push_back(static_cast<int>(p));
    }
  }
  start_.push_back(n);
}

}  // namespace dpcore
