// SPDX-License-Identifier: LGPL-3.0-or-later
// Atomic units, converted with the numbers that i-PI itself uses (ipi.utils.units): coordinates given to i-PI
// in A reach the model as they were, and energies and forces that i-PI prints in eV and eV/A are those of the
// model. They differ from CODATA 2014 by 1.3e-8 (length) and 1.0e-7 (energy). The force follows from both, so
// that it stays the derivative of the energy.
#pragma once

namespace dpcore::ipi {

constexpr double kBohrPerAngstrom = 1.8897261;
constexpr double kHartreePerEv = 0.036749326;
constexpr double kForce = kHartreePerEv / kBohrPerAngstrom;  ///< Ha/bohr of 1 eV/A

}  // namespace dpcore::ipi
