// SPDX-License-Identifier: LGPL-3.0-or-later
// Radial functions as polynomials of degree 15 on few pieces: what evaluation takes for embedding nets on a
// CPU.
//
// On a piece with middle z and half width w
//     G_m(s) = sum_p a_pm u^p,  p = 0..15,  u = (s - z)/w in [-1, 1],
// and the slope G'(s) interpolates that of the net at the Chebyshev points cos(pi (j + 1/2)/15); G is its
// integral, with the net's mean over these points. (From values alone G' would have their rounding times
// 15^2/w.) The nearest singularity of the net in the complex plane being a distance d away, the error falls
// like (d/w + sqrt(1 + (d/w)^2))^-15. A piece is 1 wide, or half of that as often as the error asks for, at
// most five times. Between pieces G and G' jump by the error. Powers of u are no worse than Chebyshev
// polynomials here: the coefficients fall like (w/d)^p.
//
// Some 50 rows of n_out numbers for a unit of s stay in a core's cache, where a quintic table of the same
// error takes 600 to 2400 (docs/theory/radial-table.md). Made in double, kept in S.
#pragma once

#include <vector>

#include "radial/radial_net.hpp"

namespace dpcore {

/// What kernels need of a table, on the host.
template <class S>
struct PieceView {
  static constexpr int kPowers = 16;
  struct Piece {
    double middle, inverse_half;
  };
  const S* row = nullptr;               // [n_pieces, kPowers, stride], zeros behind n_out
  const S* block = nullptr;             // [n_pieces, n_out, kPowers], the same numbers
  const float* single_block = nullptr;  // the same in single precision, where that was asked for
  const Piece* piece = nullptr;
  const int* at = nullptr;  // [n_cells] the piece that holds a cell; cells are as wide as the smallest pieces
  double lower = 0, upper = 0, inverse_cell = 1;
  int n_pieces = 0, n_cells = 0, n_out = 0, stride = 0;

  /// Whether the table holds s, with room for rounding at its lower end, the cut-off; false for NaN.
  bool holds(double s) const { return s >= lower - 1e-8 && s <= upper; }
  /// The piece of an s that the table holds.
  int find(double s) const {
    const int cell = static_cast<int>((s - lower) * inverse_cell);
    return at[cell < n_cells ? cell : n_cells - 1];
  }
  const S* rows_of(int k) const { return row + static_cast<std::ptrdiff_t>(k) * kPowers * stride; }
};

template <class S>
class PieceTable {
 public:
  /// For s from lower to upper, a whole number apart. Pieces are halved until their error is `good`.
  /// single: with PieceView::single_block.
  PieceTable(const RadialNet<double>& net, double lower, double upper, double good, bool single, Workspace&);

  /// Largest error of G and G' at the ends of all pieces and three places between, where that of G' is
  /// largest, relative to the largest value of each. Infinite for a table that would take too much memory; it
  /// has no pieces.
  double error() const { return error_; }
  /// How far a quintic table with steps h may be from the net where this table stands for it: bounds of the
  /// errors of G and G', h^6/46080 and sqrt(5) h^5/30000 times the largest sixth derivative of the pieces,
  /// relative to the largest value of each; the larger. (Birkhoff and Priver, J. Math. Phys. 46 (1967) 440.)
  double quintic_error(double step) const;
  const PieceView<S>& view() const { return view_; }
  /// G [n_out] at an s that the table holds.
  void values(double s, S* g) const;

 private:
  void keep(const std::vector<double>& coefficient, int n_pieces, bool single);

  PieceView<S> view_;
  std::vector<typename PieceView<S>::Piece> piece_;
  std::vector<int> at_;
  DeviceArray<S> row_, block_;
  DeviceArray<float> single_block_;
  double error_ = 0, most_value_ = 0, most_slope_ = 0;
};

}  // namespace dpcore
