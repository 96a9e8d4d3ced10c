// SPDX-License-Identifier: LGPL-3.0-or-later
// The smooth cut-off s(r) = w(r)/r and its derivatives (Zhang et al., NeurIPS 2018, eq. 4; quintic w).
//
//     u = (r - rcut_smth)/(rcut - rcut_smth)
//     w = 1 below rcut_smth,  u^3(-6u^2 + 15u - 10) + 1 between,  0 from rcut on
// The radii are rounded to float32 and the width is their float32 difference, as in the reference: with the
// unrounded radii energies differ by 1e-8 relative.
#pragma once

#include <Kokkos_Core.hpp>

namespace dpcore {

struct Cutoff {
  double rcut = 0, rcut_smth = 0, inverse_width = 0;

  Cutoff() = default;
  Cutoff(double outer, double inner) {
    // volatile: g++ 12.2 removes a pair of adjacent double -> float -> double roundings (its SLP vectoriser)
    volatile float outer32 = static_cast<float>(outer), inner32 = static_cast<float>(inner);
    volatile float width32 = outer32 - inner32;
    rcut = static_cast<double>(outer32);
    rcut_smth = static_cast<double>(inner32);
    inverse_width = 1.0 / static_cast<double>(width32);
  }

  /// w(r) and w'(r)
  KOKKOS_INLINE_FUNCTION double weight(const double r, double& slope) const {
    if (r < rcut_smth) {
      slope = 0.0;
      return 1.0;
    }
    if (r >= rcut) {
      slope = 0.0;
      return 0.0;
    }
    const double u = (r - rcut_smth) * inverse_width;
    const double q = -6.0 * u * u + 15.0 * u - 10.0;
    slope = (3.0 * u * u * q + u * u * u * (-12.0 * u + 15.0)) * inverse_width;
    return u * u * u * q + 1.0;
  }
};

}  // namespace dpcore
