// SPDX-License-Identifier: LGPL-3.0-or-later
// The tangent of the pair vectors of a tile when atoms move along x_dot and space is strained along
// strain_dot:
//     r_dot_ij^a = x_dot_j^a - x_dot_i^a + sum_b strain_dot^ab r_ij^b
#pragma once

#include "env/pairs.hpp"

namespace dpcore {

/// x_dot [n_force, 3], strain_dot [n_frames, 9]; sets pairs.r_dot
inline void pair_tangent(const Exec& exec, const DeviceStructure& structure, const Tile& tile,
                         const DeviceArray<double>& x_dot, const DeviceArray<double>& strain_dot,
                         TilePairs& pairs, Workspace& ws) {
  pairs.r_dot = ws.matrix<double>(static_cast<std::size_t>(pairs.n_pairs), 3);
  const auto centre = structure.centre, target = structure.target, frame = structure.frame;
  const Vector<int> row = pairs.row, atom = pairs.atom;
  const Matrix<double> r = pairs.r, r_dot = pairs.r_dot;
  const int begin = tile.begin;
  for_each(
      exec, "dpcore::pair_tangent", pairs.n_pairs, KOKKOS_LAMBDA(const int p) {
        const int i = centre(begin + row(p)), ti = target(i), tj = target(atom(p));
        for (int a = 0; a < 3; ++a) {
          double sum = x_dot(3 * tj + a) - x_dot(3 * ti + a);
          for (int b = 0; b < 3; ++b) sum += strain_dot(9 * frame(i) + 3 * a + b) * r(p, b);
          r_dot(p, a) = sum;
        }
      });
}

}  // namespace dpcore
