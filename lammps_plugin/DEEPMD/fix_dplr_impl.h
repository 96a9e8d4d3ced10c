// SPDX-License-Identifier: LGPL-3.0-or-later
// What FixDPLR keeps; not in its header, so that LAMMPS' own sources see no header of dpcore.
#pragma once

#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "dpcore_atoms.h"
#include "dpcore_centroids.h"
#include "dpcore_dplr_options.h"
#include "dpcore_models.h"
#include "fix_dplr.h"
#include "pair_deepmd.h"
#include "pppm_dplr.h"

namespace LAMMPS_NS {

struct FixDPLR::Impl {
  dpcore_lammps::DplrOptions options;
  dpcore::DipoleCharges model;
  dpcore::Model::Session session;
  dpcore::Prediction prediction;
  std::unique_ptr<dpcore_lammps::Centroids> centroids;
  std::vector<int> model_type;  // of LAMMPS type t+1 in the dipole model
  PairDeepMD* pair = nullptr;
  PPPMDPLR* kspace = nullptr;     // null: the field alone
  double length = 1, energy = 1;  // of 1 A and 1 eV in LAMMPS' units
  int variable[3] = {-1, -1, -1};
  double field[3] = {0, 0, 0};  // V/A or LAMMPS' unit

  dpcore_lammps::LammpsAtoms atoms;
  bigint built_at = -1, builds = -1;  // the list that atoms and session have; -1: none since init
  bool warned = false;
  std::vector<double> displacement, electric;                            // A [pairs/2, 3]; eV/A [nlocal, 3]
  double in_field[4] = {0, 0, 0, 0}, in_field_of_all[4] = {0, 0, 0, 0};  // energy and force
  bool summed = false;

  explicit Impl(dpcore::DipoleCharges&& m) : model(std::move(m)) {}
};

}  // namespace LAMMPS_NS
