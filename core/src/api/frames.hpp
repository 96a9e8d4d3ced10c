// SPDX-License-Identifier: LGPL-3.0-or-later
// From the caller's frames to a Structure: checks and neighbour lists.
#pragma once

#include "dpcore/model.h"
#include "neighbors/neighbor_list.hpp"
#include "base/structure.hpp"

namespace dpcore {

/// Scratch of build_structure, reused between calls.
struct FrameLists {
  std::vector<NeighborList> lists;
  std::vector<NeighborSearch> searches;
};

/// Throws Error: null pointers, sizes, types out of range (names the atom), coordinates or cells that are not finite
/// (names the frame).
void check_frames(const Frames&, int ntypes);

/// Frames [begin, end) with neighbours within rcut.
void build_structure(const Frames&, int begin, int end, double rcut, FrameLists&, Structure&);

/// Frames per group so that a group has some thousand atoms.
int frames_per_group(const Frames&);

}  // namespace dpcore
