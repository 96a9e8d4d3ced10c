// SPDX-License-Identifier: LGPL-3.0-or-later
// Forces and virials from the pair gradients dE/dr_ij of one tile, r_ij = r_j - r_i:
//
//     F_i += dE/dr_ij,  F_j -= dE/dr_ij;   V^ab -= (dE/dr_ij)^a r_ij^b,  eV, row-major [xx xy xz yx ...]
// V = -dE/d(strain): a compressed system has a positive trace. The atomic virial of a pair belongs to the
// neighbour j, as in the reference.
#pragma once

#include "env/pairs.hpp"

namespace dpcore {

/// Sums of one worker, for each of the n_out components of what is predicted; atom_virial may be empty.
struct ForceVirial {
  DeviceArray<double> force;        // [n_out * n_force * 3]
  DeviceArray<double> virial;       // [n_out * n_frames * 9]
  DeviceArray<double> atom_virial;  // [n_out * n_force * 9]
  int n_force = 0, n_frames = 0;
  void reset(const Structure&, int n_out, bool atomic);
};

/// The pairs' d_r are the derivatives of `component`.
void add_force_virial(const Exec&, const DeviceStructure&, const Tile&, const TilePairs&, int component,
                      const ForceVirial&);

}  // namespace dpcore
