// SPDX-License-Identifier: LGPL-3.0-or-later
// What fix dplr asks of pair_coeff, kspace_style and charges before a run.
#include <algorithm>
#include <cmath>

#include "atom.h"
#include "comm.h"
#include "dpcore_types.h"
#include "error.h"
#include "fix_dplr_impl.h"
#include "force.h"

using namespace LAMMPS_NS;
using namespace dpcore_lammps;

/* ----------------------------------------------------------------------
   the names that pair_coeff gave are those of the dipole model's types too
------------------------------------------------------------------------- */

void FixDPLR::map_types() {
  Impl& my = *impl;
  const auto& type_map = my.model.dipole.type_map();
  const std::vector<int> selected = my.model.dipole.sel_type();
  const auto selects = [&](int t) {
    return std::find(selected.begin(), selected.end(), t) != selected.end();
  };
  my.model_type.clear();
  for (const std::string& name : my.pair->names_of_types()) {
    const auto at = std::find(type_map.begin(), type_map.end(), name);
    if (name.empty())
      my.model_type.push_back(kUnseen);
    else if (at != type_map.end())
      my.model_type.push_back(static_cast<int>(at - type_map.begin()));
    else
      error->all(FLERR, "fix dplr: the dipole model has no type " + name + ", which pair_coeff names");
  }
  for (int t = 1; t <= atom->ntypes; ++t) {
    const int type = my.model_type[static_cast<std::size_t>(t - 1)];
    const std::string text = "fix dplr: type_associate: atom type " + std::to_string(t);
    if (my.centroids->has_centroid(t) && !selects(type))
      error->all(FLERR,
                 text + " has centroids, but the dipole model gives none for " +
                     (type == kUnseen ? std::string("NULL") : type_map[static_cast<std::size_t>(type)]));
    if (my.centroids->is_centroid(t) && type != kUnseen)
      error->all(FLERR, text + " is that of centroids, but pair_coeff takes it for " +
                            type_map[static_cast<std::size_t>(type)] + "; write NULL for it in pair_coeff");
    if (!my.centroids->has_centroid(t) && selects(type))
      error->all(FLERR, text + " (" + type_map[static_cast<std::size_t>(type)] +
                            ") is missing: the dipole model has centroids for it");
  }
}

void FixDPLR::check_kspace() {
  Impl& my = *impl;
  my.kspace = dynamic_cast<PPPMDPLR*>(force->kspace);
  if (force->kspace != nullptr && my.kspace == nullptr)
    error->all(FLERR,
               std::string("fix dplr: kspace_style ") + force->kspace_style +
                   " adds its forces to the centroids, where they are lost; use kspace_style pppm/dplr");
  if (my.kspace == nullptr && !my.options.has_field)
    error->all(FLERR,
               "fix dplr: there is no kspace_style pppm/dplr, and no efield: nothing acts on the centroids");
  if (comm->me != 0 || my.model.beta == 0) return;
  if (my.kspace == nullptr) {
    error->warning(
        FLERR,
        "fix dplr: the model has long-range electrostatics, and there is no kspace_style pppm/dplr: "
        "only the field acts");
  } else if (!(std::fabs(my.kspace->g_ewald * my.length - my.model.beta) <= 1e-5 * my.model.beta)) {
    error->warning(FLERR,
                   "fix dplr: the charges have gewald " + std::to_string(my.kspace->g_ewald * my.length) +
                       "/A, but the model was trained with ewald_beta " + std::to_string(my.model.beta) +
                       "/A: energies and forces are not its own; write kspace_modify gewald " +
                       std::to_string(my.model.beta / my.length));
  }
}

/* ----------------------------------------------------------------------
   one warning where charges are not those of training
------------------------------------------------------------------------- */

void FixDPLR::check_charges() {
  Impl& my = *impl;
  if (my.model.atom_charge.empty()) return;
  const auto& pairs = my.centroids->pairs;
  std::vector<int> host(static_cast<std::size_t>(atom->nlocal), -1);
  for (std::size_t k = 0; k < pairs.size(); k += 2) host[static_cast<std::size_t>(pairs[k + 1])] = pairs[k];
  tagint wrong = MAXTAGINT, first = MAXTAGINT;
  std::string text;
  for (int i = 0; i < atom->nlocal; ++i) {
    const int h = host[static_cast<std::size_t>(i)];
    const int type = my.model_type[static_cast<std::size_t>(atom->type[h < 0 ? i : h] - 1)];
    if (type == kUnseen || atom->tag[i] >= wrong) continue;
    const auto t = static_cast<std::size_t>(type);
    const double expected = h < 0 ? my.model.atom_charge[t] : my.model.site_charge[t];
    const double found = atom->q[i] / force->qelectron;
    if (std::fabs(found - expected) <= 1e-6 * std::max(1.0, std::fabs(expected))) continue;
    wrong = atom->tag[i];
    text = "fix dplr: atom " + std::to_string(wrong) + " (ID) of type " + std::to_string(atom->type[i]) +
           " has charge " + std::to_string(found) + ", but the model was trained with " +
           std::to_string(expected) + ": energies and forces are not its own";
  }
  MPI_Allreduce(&wrong, &first, 1, MPI_LMP_TAGINT, MPI_MIN, world);
  if (wrong == first && first != MAXTAGINT) error->warning(FLERR, text);
}
