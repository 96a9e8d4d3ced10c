// SPDX-License-Identifier: LGPL-3.0-or-later
// From the caller's frames to a Structure: checks and neighbour lists.
#pragma once

#include <memory>

#include "api/list_cache.hpp"
#include "base/structure.hpp"
#include "dpcore/model.h"
#include "env/pairs.hpp"
#include "neighbors/neighbor_list.hpp"

namespace dpcore {

/// Scratch of build_structure, reused between calls.
struct FrameLists {
  std::vector<NeighborList> lists;
  std::vector<NeighborSearch> searches;
  std::unique_ptr<ListCache> cache;  // of lists for one cut-off; may be null
};

/// Throws Error: null pointers, sizes, types out of range (names the atom), coordinates or cells that are not
/// finite (names the frame).
void check_frames(const Frames&, int ntypes);

/// Frames [begin, end) with neighbours within rcut.
void build_structure(const Frames&, int begin, int end, double rcut, FrameLists&, Structure&);

/// Run work() on a structure of frames from `first_frame` on; OverlappingAtoms becomes an Error naming frame
/// and atoms.
template <class F>
void name_overlaps(const Structure& structure, int first_frame, const F& work) {
  try {
    work();
  } catch (const OverlappingAtoms& o) {
    const auto c = static_cast<std::size_t>(o.centre);
    const int frame = structure.frame[c], per_frame = structure.n_local / structure.n_frames;
    const int i = o.centre - frame * per_frame;
    const std::string where = "frame " + std::to_string(first_frame + frame) + ": ";
    if (o.neighbor < 0) throw Error(where + "atom " + std::to_string(i) + " " + o.problem);
    const int j = structure.target[static_cast<std::size_t>(o.neighbor)] - frame * per_frame;
    throw Error(where + "atoms " + std::to_string(i) + " and " + std::to_string(j) + " " + o.problem);
  }
}

/// Frames per group so that a group has some thousand atoms.
int frames_per_group(const Frames&);

}  // namespace dpcore
