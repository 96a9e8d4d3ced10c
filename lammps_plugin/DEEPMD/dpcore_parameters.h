// SPDX-License-Identifier: LGPL-3.0-or-later
// Frame and atomic parameters of a model from LAMMPS' computes and fixes.
#pragma once

#include <vector>

#include "dpcore_options.h"

namespace LAMMPS_NS {
class Atom;
class Domain;
class Modify;
}  // namespace LAMMPS_NS

namespace dpcore_lammps {

/// Throws dpcore::Error where the numbers or sources that were given are not those that a model with so many
/// frame and atomic parameters needs.
void check_parameters(const Options&, int dim_fparam, int dim_aparam);

/// Throws dpcore::Error where an ID names nothing, or nothing of use.
void check_sources(const Options&, LAMMPS_NS::Modify*);

/// At the begin of a run LAMMPS sets up computes after the first forces: too late for those that forces need.
void setup_sources(const Options&, LAMMPS_NS::Modify*);

/// [dim] at this moment: computes are always computed, because trial moves and line searches evaluate several
/// times in a step. Throws dpcore::Error where a source gives another number of values.
std::vector<double> frame_parameters(const Options&, int dim, LAMMPS_NS::Modify*);

/// [nlocal, dim] at this moment, in `out`.
void atomic_parameters(const Options&, int dim, LAMMPS_NS::Modify*, const LAMMPS_NS::Atom*,
                       const LAMMPS_NS::Domain*, std::vector<double>& out);

}  // namespace dpcore_lammps
