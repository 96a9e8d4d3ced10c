// SPDX-License-Identifier: LGPL-3.0-or-later
// Atoms sorted into the bins of a Cartesian grid, for searches within a radius.
//
// The atoms of a row of bins (neighbours along x) lie one after the other, so a search reads a few long
// runs of x, y, z. Where the bounding box has far more bins than atoms, only the occupied ones are stored:
// memory is proportional to the number of atoms however sparse the system is.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace dpcore {

class Bins {
 public:
  /// Readable numbers after the last atom in x, y, z, so that loops may run in whole blocks.
  static constexpr std::size_t kPadding = 8;

  /// Sort n atoms at coord[n*3] (A) for searches within `radius` (A, > 0).
  /// Atoms of one bin keep their order; bins follow each other with x fastest.
  void build(const double* coord, int n, double radius);

  /// Positions in sorted order, A; [n + kPadding].
  const double* x() const { return x_.data(); }
  const double* y() const { return y_.data(); }
  const double* z() const { return z_.data(); }
  /// Index into coord of the atom at a sorted position; [n + kPadding].
  const int* index() const { return index_.data(); }

  /// Call run(begin, end) for ranges of sorted positions that together hold every atom nearer to r[3] than
  /// the radius (and others). Ranges do not overlap and ascend.
  template <class F>
  void for_each_run(const double* r, F&& run) const;

 private:
  void choose_grid(const double* coord, int n);
  void sort_dense(int n);
  void sort_sparse(int n);

  int bin_of(double position, int d) const {
    const double b = (position - lo_[d]) * inverse_edge_[d];
    return static_cast<int>(std::min(std::max(b, 0.0), count_[d] - 1.0));
  }
  /// Distance from a position to bin b along direction d; 0 inside.
  double gap(double position, int b, int d) const {
    const double low = lo_[d] + b * edge_[d];
    return std::max(0.0, std::max(low - position, position - (low + edge_[d])));
  }

  double radius_ = 0;  // A, a little more than the caller's: rounding never hides an atom
  double lo_[3] = {}, edge_[3] = {}, inverse_edge_[3] = {};
  int count_[3] = {1, 1, 1};
  bool dense_ = true;
  std::vector<double> x_, y_, z_;
  std::vector<int> index_;
  std::vector<std::int64_t> key_;  // dense: bin of each atom; sparse: the occupied bins, ascending
  std::vector<int> start_;         // first sorted position of each bin (dense) or occupied bin (sparse)
  std::vector<std::pair<std::int64_t, int>> order_;  // sparse: (bin, atom)
};

template <class F>
void Bins::for_each_run(const double* r, F&& run) const {
  const int z_end = bin_of(r[2] + radius_, 2), y_begin = bin_of(r[1] - radius_, 1);
  const int y_end = bin_of(r[1] + radius_, 1);
  for (int bz = bin_of(r[2] - radius_, 2); bz <= z_end; ++bz) {
    const double dz = gap(r[2], bz, 2);
    for (int by = y_begin; by <= y_end; ++by) {
      const double dy = gap(r[1], by, 1);
      const double square = radius_ * radius_ - dy * dy - dz * dz;
      if (square < 0) continue;
      const double half = std::sqrt(square);  // half length of the sphere's chord along this row
      const std::int64_t row = (static_cast<std::int64_t>(bz) * count_[1] + by) * count_[0];
      const std::int64_t first = row + bin_of(r[0] - half, 0), last = row + bin_of(r[0] + half, 0);
      int begin, end;
      if (dense_) {
        begin = start_[static_cast<std::size_t>(first)];
        end = start_[static_cast<std::size_t>(last) + 1];
      } else {
        const auto from = std::lower_bound(key_.begin(), key_.end(), first);
        const auto to = std::upper_bound(from, key_.end(), last);
        begin = start_[static_cast<std::size_t>(from - key_.begin())];
        end = start_[static_cast<std::size_t>(to - key_.begin())];
      }
      if (begin < end) run(begin, end);
    }
  }
}

}  // namespace dpcore
