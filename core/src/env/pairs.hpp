// SPDX-License-Identifier: LGPL-3.0-or-later
// The real neighbour pairs of one tile, selected as the reference fills its `sel` slots.
//
// Pairs are grouped by neighbour type, then by centre: those of (type b, row i) are [offset(b, i), offset(b,
// i+1)). Neighbours of one type beyond sel[b] are left out, the farthest first (ties: the higher index), and
// counted.
#pragma once

#include <string>
#include <vector>

#include "base/structure.hpp"
#include "base/workspace.hpp"

namespace dpcore {

struct KeptPiece;  // env/kept_pairs.hpp

/// Rows [row, row + n) of a tile, and a frame's piece that holds their pairs from its row piece_row on.
struct KeptRun {
  const KeptSlot* slot = nullptr;
  KeptPiece* piece = nullptr;  // null: it is not kept
  int row = 0, piece_row = 0, n = 0;
};

struct TilePairs {
  int n_rows = 0;  // centres
  int n_pairs = 0;
  std::vector<int> segment;     // [ntypes + 1] first pair of each neighbour type, on the host
  Vector<int> offset;           // [ntypes * n_rows + 1]
  Vector<int> row;              // [n_pairs] centre's row in the tile
  Vector<int> atom;             // [n_pairs] neighbour, index into Structure
  Matrix<double> r;             // [n_pairs, 3] neighbour minus centre, A
  Vector<const double> aparam;  // that of all atoms of the Structure
  Matrix<double> r_dot;         // [n_pairs, 3] tangent; set by the training step
  Matrix<double> d_r;           // [n_pairs, 3] dE/dr, set by the descriptor's backward pass
  std::vector<KeptRun> kept;    // where they are kept, all rows; empty: nowhere
};

/// How many centres had more neighbours than `sel`, and by how many at worst.
struct SelOverflow {
  long atoms = 0;
  int worst_excess = 0;
  int type = -1;  // neighbour type of the worst
  void merge(const SelOverflow& o);
};

/// Two atoms so near that there is no energy: thrown by select_pairs; whoever knows the user's numbering
/// turns it into an Error "atoms i and j ...". Indices into Structure. Without a neighbor (-1) it is the
/// centre alone that has the problem, "atom i ...".
struct OverlappingAtoms {
  int centre, neighbor;
  std::string problem = "are at the same position, nearer than 1e-8 A; the energy is not defined";
};

/// Select the pairs of `tile` within `rcut`. wanted[b] = false leaves type b out (exclude_types).
void select_pairs(const Exec&, const DeviceStructure&, const Tile&, double rcut, const std::vector<int>& sel,
                  const std::vector<bool>& wanted, TilePairs&, SelOverflow&, Workspace&);

/// Number of pairs within the cut-off and the shortest of them, by type of centre and neighbour.
struct PairRanges {
  struct Range {
    std::int64_t n_pairs = 0;
    double nearest = 0;  // A
  };
  int ntypes = 0;
  std::vector<Range> ranges;
  void merge(const PairRanges&);
  const Range& at(int a, int b) const { return ranges[static_cast<std::size_t>(a * ntypes + b)]; }
};

PairRanges pair_ranges(const Exec&, const DeviceStructure&, const TilePlan&, int ntypes, double rcut,
                       Workspace&);

}  // namespace dpcore
