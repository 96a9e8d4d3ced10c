// SPDX-License-Identifier: LGPL-3.0-or-later
#include "output/force_virial.hpp"

namespace dpcore {

namespace {

void zeroed(DeviceArray<double>& array, std::size_t n) {
  if (array.extent(0) != n) {
    array = DeviceArray<double>("dpcore::ForceVirial", n);
  } else {
    Kokkos::deep_copy(array, 0.0);
  }
}

}  // namespace

void ForceVirial::reset(const Structure& structure, int n_out, bool atomic) {
  n_force = structure.n_force;
  n_frames = structure.n_frames;
  const auto atoms = static_cast<std::size_t>(n_out) * static_cast<std::size_t>(n_force);
  zeroed(force, 3 * atoms);
  zeroed(virial, 9 * static_cast<std::size_t>(n_out) * static_cast<std::size_t>(n_frames));
  zeroed(atom_virial, atomic ? 9 * atoms : 0);
}

void add_force_virial(const Exec& exec, const DeviceStructure& structure, const Tile& tile,
                      const TilePairs& pairs, int component, const ForceVirial& sums) {
  const auto centre = structure.centre, target = structure.target, frame = structure.frame;
  const auto atoms = static_cast<std::size_t>(component) * static_cast<std::size_t>(sums.n_force);
  double* const force = sums.force.data() + 3 * atoms;
  double* const virial = sums.virial.data() + 9 * component * sums.n_frames;
  const bool atomic = sums.atom_virial.extent(0) > 0;
  double* const atom_virial = atomic ? sums.atom_virial.data() + 9 * atoms : nullptr;
  const Vector<int> offset = pairs.offset, atom = pairs.atom;
  const Matrix<double> r = pairs.r, d_r = pairs.d_r;
  const int begin = tile.begin, n_rows = pairs.n_rows;
  const int n_cells = n_rows * static_cast<int>(pairs.segment.size() - 1);
  // the pairs of one centre and neighbour type follow each other: their sums for the centre are added once
  for_each(
      exec, "dpcore::add_force_virial", n_cells, KOKKOS_LAMBDA(const int cell) {
        double f[3] = {0.0, 0.0, 0.0}, v[9] = {0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0};
        for (int p = offset(cell); p < offset(cell + 1); ++p) {
          const int j = target(atom(p));
          for (int a = 0; a < 3; ++a) {
            const double g = d_r(p, a);
            f[a] += g;
            add_to(force + 3 * j + a, -g);
            for (int b = 0; b < 3; ++b) {
              const double w = -g * r(p, b);
              v[3 * a + b] += w;
              if (atomic) add_to(atom_virial + 9 * j + 3 * a + b, w);
            }
          }
        }
        const int i = centre(begin + cell % n_rows);
        for (int a = 0; a < 3; ++a) add_to(force + 3 * target(i) + a, f[a]);
        for (int a = 0; a < 9; ++a) add_to(virial + 9 * frame(i) + a, v[a]);
      });
}

}  // namespace dpcore
