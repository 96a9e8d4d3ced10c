// SPDX-License-Identifier: LGPL-3.0-or-later
// Statistics of neighbour lists over frames: what the choice of `sel` and checks of data need.
#pragma once

#include <limits>
#include <vector>

#include "neighbors/neighbor_list.hpp"

namespace dpcore {

struct NeighborStat {
  double min_distance = std::numeric_limits<double>::infinity();  ///< A; infinity where no pair was seen
  int atom_i = -1, atom_j = -1;  ///< the centres at min_distance (equal: an atom and its own image); -1, -1
                                 ///< where no pair was seen
  std::vector<int> max_count;    ///< [ntypes] largest number of neighbours of a type that any centre has
};

/// Add a list to `stat`, whose max_count grows to ntypes. types[n_local] are 0..ntypes-1.
/// Of pairs at the same distance the first one counts. `workers` as in NeighborSearch::build.
/// Throws Error where a type is out of range (names the atom).
void accumulate_neighbor_stat(const NeighborList& list, const int* types, int ntypes, NeighborStat& stat,
                              int workers = 0);

}  // namespace dpcore
