// SPDX-License-Identifier: LGPL-3.0-or-later
// What PairDeepMD keeps; not in its header, so that LAMMPS' own sources see no header of dpcore.
#pragma once

#include <exception>
#include <string>
#include <vector>

#include "dpcore_atoms.h"
#include "dpcore_deviation.h"
#include "dpcore_models.h"
#include "dpcore_options.h"
#include "pair_deepmd.h"

namespace LAMMPS_NS {

struct PairDeepMD::Impl {
  dpcore_lammps::Options options;
  std::vector<dpcore_lammps::LoadedModel> models;
  std::vector<std::string> names;  // of pair_coeff
  std::vector<int> model_type;     // of LAMMPS type t+1
  double cutoff = 0;               // LAMMPS' units
  double list_cutoff = 0;          // the same, or that of the dipole model of fix dplr
  double length = 1, energy = 1;   // of 1 A and 1 eV in LAMMPS' units
  bool warned = false;
  bool dplr = false;  // a fix dplr adds the long-range part
  dpcore_lammps::DeviationFile file;

  // of one step
  std::vector<double> fparam, aparam;
  dpcore_lammps::LammpsAtoms atoms;
  long list = 0;  // counts neighbour lists
  bigint built_at = -1,
         builds = -1;  // neighbor->lastcall, ncalls of the last step; -1: none since init_style
  std::vector<std::vector<double>> force;  // of each model [nall*3], for the deviation

  const dpcore::Model& model() const { return models.front().model; }
};

/// What an exception says, beginning with where it comes from.
inline std::string message_of(const std::exception& e) {
  const std::string text = e.what();
  return text.rfind("pair_", 0) == 0 ? text : "pair_style deepmd: " + text;
}

}  // namespace LAMMPS_NS
