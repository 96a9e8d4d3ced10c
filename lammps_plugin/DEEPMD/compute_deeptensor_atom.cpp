// SPDX-License-Identifier: LGPL-3.0-or-later
#include "compute_deeptensor_atom.h"

#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "atom.h"
#include "comm.h"
#include "dpcore_atoms.h"
#include "dpcore_lammps_compat.h"
#include "dpcore_models.h"
#include "dpcore_types.h"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "pair.h"
#include "update.h"

using namespace LAMMPS_NS;
using namespace dpcore_lammps;

struct ComputeDeepTensorAtom::Impl {
  std::vector<LoadedModel> models;  // one
  std::vector<int> model_type;      // of LAMMPS type t+1
  std::vector<bool> selected;       // by model type
  LammpsAtoms atoms;
  bool warned = false;
};

namespace {

std::string message_of(const std::exception& e) {
  std::string text = e.what();
  const std::string command = "pair_coeff: ";  // whose names of types are meant the same way
  if (text.rfind(command, 0) == 0) text.erase(0, command.size());
  return "compute deeptensor/atom: " + text;
}

}  // namespace

ComputeDeepTensorAtom::ComputeDeepTensorAtom(LAMMPS* lammps, int narg, char** arg)
    : Compute(lammps, narg, arg), impl(std::make_unique<Impl>()), list(nullptr), tensor(nullptr), nmax(0) {
  Impl& my = *impl;
  if (strcmp(update->unit_style, "lj") == 0)
    error->all(FLERR, "compute deeptensor/atom: units lj have no Angstrom; use metal, real, si, nano ...");
  if (narg < 4)
    error->all(FLERR,
               "compute deeptensor/atom: expected a model file and, if wanted, the names of the types");
  std::string precision;
  if (narg > 5 && strcmp(arg[narg - 2], "precision") == 0) {
    precision = arg[narg - 1];
    narg -= 2;
  }
  try {
    my.models = load_models({arg[3]}, world, precision, false);
    const auto& type_map = my.models.front().model.type_map();
    const auto n_types = static_cast<std::size_t>(atom->ntypes);
    if (narg > 4) {
      my.model_type = types_from_names(std::vector<std::string>(arg + 4, arg + narg), n_types, type_map);
    } else {
      for (std::size_t t = 0; t < n_types; ++t)
        my.model_type.push_back(t < type_map.size() ? static_cast<int>(t) : kUnseen);
    }
    my.selected.assign(type_map.size(), false);
    for (const int t : my.models.front().model.sel_type()) my.selected[static_cast<std::size_t>(t)] = true;
  } catch (const std::exception& e) {
    error->all(FLERR, message_of(e));
  }
  peratom_flag = 1;
  size_peratom_cols = my.models.front().model.n_out();
  timeflag = 1;
}

ComputeDeepTensorAtom::~ComputeDeepTensorAtom() { memory->destroy(tensor); }

void ComputeDeepTensorAtom::init() {
  const double cutoff = impl->models.front().model.rcut() * force->angstrom;
  if (force->pair == nullptr || force->pair->cutforce < cutoff * (1 - 1e-6))
    error->all(FLERR,
               "compute deeptensor/atom: the model needs neighbours within " + std::to_string(cutoff) +
                   ", the pair style keeps a list up to " +
                   std::to_string(force->pair != nullptr ? force->pair->cutforce : 0.0) +
                   " (LAMMPS' length unit); use a pair style with this cut-off, such as pair_style zero");
  LammpsTypes lammps;
  lammps.mass = masses_of_types(atom, update->unit_style);
  if (comm->me == 0)
    for (const auto& sentence :
         unlikely_masses(lammps, impl->model_type, impl->models.front().model.type_map()))
      error->warning(FLERR, "compute deeptensor/atom: " + sentence);
  request_occasional_list(neighbor, this, instance_me, Newer());
}

void ComputeDeepTensorAtom::init_list(int, NeighList* ptr) { list = ptr; }

void ComputeDeepTensorAtom::compute_peratom() {
  Impl& my = *impl;
  invoked_peratom = update->ntimestep;
  if (atom->nmax > nmax) {
    memory->destroy(tensor);
    nmax = atom->nmax;
    memory->create(tensor, nmax, size_peratom_cols, "deeptensor/atom:tensor");
    array_atom = tensor;
  }
  neighbor->build_one(list);

  my.atoms.take_list(list);
  my.atoms.take_atoms(atom, list, my.model_type, force->angstrom);
  LoadedModel& m = my.models.front();
  try {
    m.model.predict(my.atoms.in, false, m.session, m.prediction, false);
  } catch (const dpcore::AtomError& e) {
    error->one(FLERR, "compute deeptensor/atom: step " + std::to_string(update->ntimestep) + ": " +
                          describe_error(e, atom));
  } catch (const std::exception& e) {
    error->one(FLERR, message_of(e));
  }
  if (!m.prediction.notice.empty())
    error->warning(FLERR,
                   "compute deeptensor/atom: rank " + std::to_string(comm->me) + ": " + m.prediction.notice);
  if (m.prediction.overflow_atoms > 0 && !my.warned) {
    my.warned = true;
    error->warning(FLERR, "compute deeptensor/atom: " + describe_overflow(m.prediction, comm->me));
  }

  const auto columns = static_cast<std::size_t>(size_peratom_cols);
  for (std::size_t i = 0; i < static_cast<std::size_t>(atom->nlocal); ++i) {
    const int type = my.atoms.type()[i];
    const bool wanted =
        (atom->mask[i] & groupbit) != 0 && type >= 0 && my.selected[static_cast<std::size_t>(type)];
    for (std::size_t c = 0; c < columns; ++c)
      tensor[i][c] = wanted ? m.prediction.atom_energy[columns * i + c] : 0.0;
  }
}

double ComputeDeepTensorAtom::memory_usage() {
  return static_cast<double>(nmax) * size_peratom_cols * sizeof(double);
}
