// SPDX-License-Identifier: LGPL-3.0-or-later
// Where a RadialTable has its nodes: close together only where the net is steep.
//
// The range of s is cut into pieces. A piece of level l is 1.12 / 2^(l/2) wide (l/2 a whole number) and has 7
// intervals for even l, 10 for odd l, so the distance of nodes goes from 0.16 by sqrt(2) to 0.00044; pieces
// of a level begin at multiples of their width. Pieces of one level side by side are a run: nodes at one
// distance h from three below its first interval to three above its last, so that every interval has its
// eight nodes. Where two runs meet both have a node, so that G is continuous there.
#pragma once

#include <vector>

#include "base/views.hpp"

namespace dpcore {

struct NodeRun {
  static constexpr int kPoints = 8, kBelow = 3;  // nodes -3..4 around the interval [0, 1)
  double lower, inverse_step;                    // of the first interval
  int first;                                     // node, the third below `lower`
  int n_intervals;
  int n_nodes() const { return n_intervals + kPoints - 1; }
};

/// The run of an s, in kernels.
struct NodeRuns {
  const NodeRun* run = nullptr;
  const int* at = nullptr;  // [n_cells] the run that holds a cell; cells are as wide as the smallest piece
  double lower = 0, upper = 0, inverse_cell = 1;
  int n_cells = 0;

  /// Whether s is between the nodes, with room for rounding at the ends; false for NaN.
  KOKKOS_FORCEINLINE_FUNCTION bool holds(const double s) const {
    return s >= lower - 1e-8 && s <= upper + 1e-8;
  }
  KOKKOS_FORCEINLINE_FUNCTION const NodeRun& find(const double s) const {
    const int cell = static_cast<int>((s - lower) * inverse_cell);
    return run[at[cell < 0 ? 0 : (cell < n_cells ? cell : n_cells - 1)]];
  }
};

class NodeGrid {
 public:
  static constexpr int kLevels = 18;
  static double width(int level) { return kWidest / (1 << (level / 2)); }
  static int n_intervals(int level) { return level % 2 == 0 ? 7 : 10; }
  /// About so many nodes has the coarsest grid for s in [lower, upper]; infinite for a range that is too long
  /// for any.
  static double least_nodes(double lower, double upper, int level);

  struct Piece {
    int level;
    int place;        // of its lower end, in widths of the last level from `lower` on
    int run, first;   // its run, and its first interval there
    int n_intervals;  // fewer in the last piece, which ends soon behind `upper`
  };

  /// Pieces of `level` for s in [lower, upper].
  void begin(double lower, double upper, int level);
  /// Make the pieces whose error is above `good` as much finer as this error asks for, and not above kJump
  /// levels: nodes far apart see what is steep in the neighbourhood too. False where there is no finer level,
  /// and for errors that are no numbers.
  bool refine(const std::vector<double>& error, double good);

  const std::vector<Piece>& pieces() const { return piece_; }
  const std::vector<NodeRun>& runs() const { return run_; }
  const std::vector<int>& at() const { return at_; }  // NodeRuns::at
  int n_nodes() const { return run_.back().first + run_.back().n_nodes(); }
  std::vector<double> positions() const;  // s [n_nodes]
  /// s in the middle of the j-th interval of a piece
  double middle(const Piece& piece, int j) const {
    const NodeRun& r = run_[static_cast<std::size_t>(piece.run)];
    return r.lower + (piece.first + j + 0.5) / r.inverse_step;
  }
  /// Without the arrays.
  NodeRuns view() const;

 private:
  static constexpr double kWidest = 1.12;
  static constexpr int kLast = kLevels - 1, kUnits = 1 << (kLast / 2);  // of the widest piece
  static constexpr int kJump = 4;
  static int units(int level) { return kUnits >> (level / 2); }  // the width of a piece
  void lay_out();

  double lower_ = 0, upper_ = 0;
  int finest_ = 0;  // level
  std::vector<Piece> piece_;
  std::vector<NodeRun> run_;
  std::vector<int> at_;
};

}  // namespace dpcore
