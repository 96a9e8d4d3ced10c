// SPDX-License-Identifier: LGPL-3.0-or-later
// Frame and atomic parameters of a model from LAMMPS' computes and fixes.
#pragma once

#include <vector>

#include "dpcore_options.h"
#include "lmptype.h"

namespace LAMMPS_NS {
class Atom;
class Domain;
class Modify;
}  // namespace LAMMPS_NS

namespace dpcore_lammps {

/// Throws dpcore::Error where the numbers or sources that were given are not those that a model with so many frame and
/// atomic parameters needs.
void check_parameters(const Options&, int dim_fparam, int dim_aparam);

/// Throws dpcore::Error where an ID names nothing, or nothing of use.
void check_sources(const Options&, LAMMPS_NS::Modify*);

/// [dim] for this step. Throws dpcore::Error where a source gives another number of values.
std::vector<double> frame_parameters(const Options&, int dim, LAMMPS_NS::Modify*, LAMMPS_NS::bigint step);

/// [nlocal, dim] for this step, in `out`.
void atomic_parameters(const Options&, int dim, LAMMPS_NS::Modify*, const LAMMPS_NS::Atom*, const LAMMPS_NS::Domain*,
                       LAMMPS_NS::bigint step, std::vector<double>& out);

}  // namespace dpcore_lammps
