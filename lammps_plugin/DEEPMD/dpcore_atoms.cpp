// SPDX-License-Identifier: LGPL-3.0-or-later
#include "dpcore_atoms.h"

#include "atom.h"
#include "neigh_list.h"

namespace dpcore_lammps {

namespace {

/// LAMMPS' mass unit in g/mol.
double mass_unit(const std::string& units) {
  constexpr double kGram = 6.02214076e23;
  if (units == "si") return 1e3 * kGram;
  if (units == "cgs") return kGram;
  if (units == "micro") return 1e-12 * kGram;
  if (units == "nano") return 1e-18 * kGram;
  return 1;
}

}  // namespace

std::vector<double> masses_of_types(const LAMMPS_NS::Atom* atom, const std::string& units) {
  std::vector<double> mass(static_cast<std::size_t>(atom->ntypes), 0.0);
  for (std::size_t t = 0; t < mass.size(); ++t)
    if (atom->mass != nullptr && atom->mass_setflag[t + 1]) mass[t] = atom->mass[t + 1] * mass_unit(units);
  return mass;
}

void LammpsAtoms::take_list(const LAMMPS_NS::NeighList* list) {
  const auto n = static_cast<std::size_t>(list->inum);
  n_neighbors_.resize(n);
  neighbors_.resize(n);
  for (std::size_t k = 0; k < n; ++k) {
    n_neighbors_[k] = list->numneigh[list->ilist[k]];
    neighbors_[k] = list->firstneigh[list->ilist[k]];
  }
}

void LammpsAtoms::take_atoms(const LAMMPS_NS::Atom* atom, const LAMMPS_NS::NeighList* list,
                             const std::vector<int>& model_type, double length) {
  const auto n = static_cast<std::size_t>(atom->nlocal) + static_cast<std::size_t>(atom->nghost);
  type_.resize(n);
  for (std::size_t i = 0; i < n; ++i) type_[i] = model_type[static_cast<std::size_t>(atom->type[i] - 1)];
  const double* x = n > 0 ? atom->x[0] : nullptr;
  if (length != 1) {
    coord_.assign(x, x + 3 * n);
    for (auto& c : coord_) c /= length;
    x = coord_.data();
  }
  in.n_local = atom->nlocal;
  in.n_all = static_cast<int>(n);
  in.coord = x;
  in.type = type_.data();
  in.n_centres = list->inum;
  in.centre = list->ilist;
  in.n_neighbors = n_neighbors_.data();
  in.neighbors = neighbors_.data();
  in.neighbor_mask = NEIGHMASK;
}

std::string describe_error(const dpcore::AtomError& e, const LAMMPS_NS::Atom* atom) {
  if (atom->tag_enable == 0) {
    return dpcore::AtomError::list(e.atoms()) + " (counted on this rank; there are no IDs) " + e.problem();
  }
  std::vector<LAMMPS_NS::tagint> ids;
  for (const int i : e.atoms()) ids.push_back(atom->tag[i]);
  return dpcore::AtomError::list(ids) + " (IDs) " + e.problem();
}

std::string describe_overflow(const dpcore::Prediction& p, int rank) {
  if (p.overflow_atoms == 0) return "";
  return std::to_string(p.overflow_atoms) + " atoms of rank " + std::to_string(rank) +
         " have more neighbours of a type than the model's sel, by up to " +
         std::to_string(p.overflow_worst) +
         ": the farthest are left out, as in training with this sel, and energies are not smooth there (said "
         "once; "
         "DP_STRICT_SEL=1 makes it an error)";
}

}  // namespace dpcore_lammps
