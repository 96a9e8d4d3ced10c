// SPDX-License-Identifier: LGPL-3.0-or-later
#include "pair_deepmd.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include <dpcore/runtime.h>
#include <dpcore/version.h>

#include "atom.h"
#include "comm.h"
#include "dpcore_lammps_compat.h"
#include "dpcore_parameters.h"
#include "dpcore_types.h"
#include "error.h"
#include "fix_dplr.h"
#include "force.h"
#include "input.h"
#include "memory.h"
#include "modify.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "pair_deepmd_impl.h"
#include "update.h"
#include "utils.h"

using namespace LAMMPS_NS;
using namespace dpcore_lammps;

namespace {

// Boltzmann's constant in LAMMPS' metal units: what makes their energies eV.
constexpr double kBoltzmannMetal = 8.617343e-5;

}  // namespace

/* ---------------------------------------------------------------------- */

PairDeepMD::PairDeepMD(LAMMPS* lammps) : Pair(lammps), impl(std::make_unique<Impl>()), scale(nullptr) {
  single_enable = 0;
  // nothing is written, but after read_restart init_style can say that pair_style is missing
  restartinfo = 1;
  one_coeff = 1;
  manybody_flag = 1;
  no_virial_fdotr_compute = 1;
  ewaldflag = pppmflag = msmflag = 1;  // long-range charges may act beside the model
  centroidstressflag = CENTROID_AVAIL;
  unit_convert_flag = 0;
}

PairDeepMD::~PairDeepMD() {
  if (copymode) return;
  if (allocated) {
    memory->destroy(setflag);
    memory->destroy(cutsq);
    memory->destroy(scale);
  }
}

void PairDeepMD::allocate() {
  const int n = atom->ntypes;
  if (allocated) {
    memory->destroy(setflag);
    memory->destroy(cutsq);
    memory->destroy(scale);
  }
  memory->create(setflag, n + 1, n + 1, "pair:setflag");
  memory->create(cutsq, n + 1, n + 1, "pair:cutsq");
  memory->create(scale, n + 1, n + 1, "pair:scale");
  for (int i = 0; i <= n; ++i)
    for (int j = 0; j <= n; ++j) {
      setflag[i][j] = 0;
      cutsq[i][j] = 0;
      scale[i][j] = 1;
    }
  allocated = 1;
}

void PairDeepMD::settings(int narg, char** arg) {
  Impl& my = *impl;
  if (strcmp(update->unit_style, "lj") == 0)
    error->all(FLERR,
               "pair_style deepmd: units lj have no eV and no Angstrom; use metal, real, si, nano ...");
  try {
    my.options = read_options(std::vector<std::string>(arg, arg + narg));
    dpcore::set_num_threads(threads_of_rank(comm->nthreads, world));
    my.models.clear();
    my.models = load_models(my.options.models, world, my.options.precision);

    my.cutoff = my.model().rcut() * force->angstrom;  // k-space styles ask before init_style()
    check_parameters(my.options, my.model().dim_fparam(), my.model().dim_aparam());
    std::string failed;
    try {
      if (my.models.size() > 1 && my.options.out_freq > 0 && comm->me == 0)
        my.file.open(my.options.out_file, update->ntimestep > 0, my.options.atomic);
    } catch (const dpcore::Error& e) {
      failed = e.what();
    }
    agree(failed, world);
  } catch (const std::exception& e) {
    error->all(FLERR, message_of(e));
  }

  comm_reverse = my.models.size() > 1 ? 3 * static_cast<int>(my.models.size()) : 0;
  comm_forward = my.model().is_aparam_nall() ? my.model().dim_aparam() : 0;
  my.warned = false;
  my.built_at = -1;

  if (comm->me == 0) {
    std::string text = std::string("dpcore ") + DPCORE_VERSION + " (" + dpcore::backend() + ", " +
                       std::to_string(dpcore::num_threads()) + " threads for each rank)\n";
    for (const auto& m : my.models) {
      text += "  model " + m.path + ": cut-off " + std::to_string(m.model.rcut()) + " A, types";
      for (const auto& name : m.model.type_map()) text += " " + name;
      if (m.model.precision() != dpcore::Precision::Stored)
        text += ", precision " + dpcore::name_of(m.model.precision());
      text += "\n";
    }
    utils::logmesg(lmp, text);
  }
}

/* ----------------------------------------------------------------------
   pair_coeff * * [names]; also what is left of it inside hybrid
------------------------------------------------------------------------- */

void PairDeepMD::coeff(int narg, char** arg) {
  Impl& my = *impl;
  if (narg > 0 && (narg < 2 || strcmp(arg[0], "*") != 0 || strcmp(arg[1], "*") != 0))
    error->all(
        FLERR,
        "pair_coeff: a deepmd model stands for all pairs; write pair_coeff * * and the names of its types, "
        "such as pair_coeff * * O H");
  my.names.assign(arg + std::min(narg, 2), arg + narg);
  try {
    map_names();
  } catch (const std::exception& e) {
    error->all(FLERR, message_of(e));
  }
  allocate();
  // Under hybrid a type that the model does not see belongs to other styles, unless it may be that of the
  // Wannier centroids of DPLR, which have none; alone it just feels nothing.
  const bool hybrid = force->pair_style != nullptr && utils::strmatch(force->pair_style, "^hybrid");
  for (int i = 1; i <= atom->ntypes; ++i)
    for (int j = 1; j <= atom->ntypes; ++j) {
      const auto seen = [&](int t) {
        return my.names.empty() || my.model().has_modifier() ||
               my.model_type[static_cast<std::size_t>(t - 1)] != kUnseen;
      };
      setflag[i][j] = !hybrid || (seen(i) && seen(j)) ? 1 : 0;
    }
}

void PairDeepMD::map_names() {
  Impl& my = *impl;
  my.model_type.clear();
  if (!my.names.empty())
    my.model_type = types_from_names(my.names, static_cast<std::size_t>(atom->ntypes), my.model().type_map());
}

/* ----------------------------------------------------------------------
   labels and masses may be set after pair_coeff, and pair_style may be given again with a model that has
   other types, so this is the first moment to trust a mapping
------------------------------------------------------------------------- */

void PairDeepMD::map_types() {
  Impl& my = *impl;
  const auto n = static_cast<std::size_t>(atom->ntypes);
  const auto& type_map = my.model().type_map();
  LammpsTypes lammps;
  lammps.mass = masses_of_types(atom, update->unit_style);
  lammps.label.assign(n, "");
  lammps.labelled = has_labels(atom, Newer());
  if (lammps.labelled)
    for (const auto& name : type_map) {
      const int t = labelled_type(atom, input, name, Newer());
      if (t > 0) lammps.label[static_cast<std::size_t>(t - 1)] = name;
    }
  map_names();
  if (my.names.empty()) my.model_type = types_from_order(lammps, type_map, my.model().has_modifier());
  if (comm->me == 0) {
    for (const auto& sentence : unlikely_masses(lammps, my.model_type, type_map))
      error->warning(FLERR, sentence);
    utils::logmesg(lmp, "  deepmd types: " + describe_types(my.model_type, type_map) + "\n");
  }
}

/* ----------------------------------------------------------------------
   bonded neighbours are neighbours for the model: they must not be left out of its list, as they are where
   special_bonds are 0; LAMMPS keeps them for k-space styles
------------------------------------------------------------------------- */

void PairDeepMD::check_bonds() {
  if (atom->molecular == Atom::ATOMIC || atom->nspecial == nullptr) return;
  int excluded = 0;
  for (int i = 0; i < atom->nlocal; ++i) {
    if (impl->model_type[static_cast<std::size_t>(atom->type[i] - 1)] == kUnseen) continue;
    for (int k = 0; k < 3; ++k) {
      const int bonded = atom->nspecial[i][k] - (k == 0 ? 0 : atom->nspecial[i][k - 1]);
      if (bonded > 0 && neighbor->special_flag[k + 1] == 0) excluded = 1;
    }
  }
  int any = 0;
  MPI_Allreduce(&excluded, &any, 1, MPI_INT, MPI_MAX, world);
  if (any)
    error->all(
        FLERR,
        "pair_style deepmd: special_bonds takes bonded atoms out of the neighbour list, but the model needs "
        "them; write special_bonds lj/coul 1.0 1.0 1.0");
}

/* ----------------------------------------------------------------------
   under hybrid a later pair_coeff can give single pairs of types to another style, which takes them out of
   the list
------------------------------------------------------------------------- */

void PairDeepMD::check_pairs() {
  if (comm->me != 0 || list == nullptr || list->ijskip == nullptr) return;
  const auto seen = [&](int t) { return impl->model_type[static_cast<std::size_t>(t - 1)] != kUnseen; };
  for (int i = 1; i <= atom->ntypes; ++i)
    for (int j = i; j <= atom->ntypes; ++j) {
      if (!seen(i) || !seen(j) || (list->iskip[i] == 0 && list->ijskip[i][j] == 0)) continue;
      error->warning(FLERR, "pair_style deepmd: a later pair_coeff takes pairs of types " +
                                std::to_string(i) + " and " + std::to_string(j) +
                                " from the model: it does not see them, which is no structure that it was "
                                "trained for; pair_style hybrid/overlay adds styles to it");
      return;
    }
}

void PairDeepMD::init_style() {
  Impl& my = *impl;
  if (my.models.empty())
    error->all(FLERR, "pair_style deepmd: no model; a restart file keeps none, so write pair_style again");
  if (force->newton_pair == 0)
    error->all(
        FLERR,
        "pair_style deepmd returns forces on ghost atoms and needs newton on for pairs; write newton on "
        "before the box is made");
  if (my.options.atomic && atom->tag_enable == 0)
    error->all(
        FLERR,
        "pair_style deepmd: atomic writes deviations in the order of atom IDs, and these atoms have none "
        "(atom_modify id no)");
  my.energy = force->boltz / kBoltzmannMetal;
  my.length = force->angstrom;
  my.cutoff = my.model().rcut() * my.length;
  try {
    map_types();
    check_sources(my.options, modify);
  } catch (const std::exception& e) {
    error->all(FLERR, message_of(e));
  }
  my.dplr = false;
  my.list_cutoff = my.cutoff;
  for (int i = 0; i < modify->nfix; ++i)
    if (const auto* fix = dynamic_cast<FixDPLR*>(modify->fix[i])) {
      my.dplr = true;
      my.list_cutoff = std::max(my.list_cutoff, fix->cutoff());
    }
  const auto seen = [&](int t) { return my.model_type[static_cast<std::size_t>(t - 1)] != kUnseen; };
  int excluded = neighbor->nex_group + neighbor->nex_mol;
  for (int k = 0; k < neighbor->nex_type; ++k)
    excluded += seen(neighbor->ex1_type[k]) && seen(neighbor->ex2_type[k]) ? 1 : 0;
  if (excluded > 0 && comm->me == 0)
    error->warning(
        FLERR,
        "pair_style deepmd: neigh_modify exclude takes pairs out of the neighbour list: the model does not "
        "see them, which is no structure that it was trained for");
  my.built_at = -1;
  request_full_list(neighbor, static_cast<Pair*>(this), instance_me, Newer());
}

double PairDeepMD::init_one(int i, int j) {
  scale[j][i] = scale[i][j];
  return impl->list_cutoff;
}

void* PairDeepMD::extract(const char* name, int& dim) {
  // for kspace styles; under hybrid the cut-off of a Coulomb style comes first
  if (strcmp(name, "cut_coul") == 0) {
    for (const char* word : {"coul", "tip4p"})
      if (utils::strmatch(force->pair_style, "^hybrid") && force->pair_match(word, 0, 1) != nullptr)
        return nullptr;
    dim = 0;
    return &impl->cutoff;
  }
  if (strcmp(name, "scale") == 0) {
    dim = 2;
    return scale;
  }
  return nullptr;
}

/* ----------------------------------------------------------------------
   the atoms of this step, and the prediction of the first model
------------------------------------------------------------------------- */

void PairDeepMD::predict(bool peratom) {
  Impl& my = *impl;
  // Steps without this style may have lain between: ago alone does not tell that its list is the known one.
  if (neighbor->ago == 0 || neighbor->lastcall != my.built_at || neighbor->ncalls != my.builds) {
    ++my.list;
    my.atoms.take_list(list);
  }
  my.built_at = neighbor->lastcall;
  my.builds = neighbor->ncalls;

  my.atoms.take_atoms(atom, list, my.model_type, my.length);
  dpcore::Neighborhood& in = my.atoms.in;
  const int nf = my.model().dim_fparam(), na = my.model().dim_aparam();
  if (nf > 0) my.fparam = frame_parameters(my.options, nf, modify);
  if (na > 0) atomic_parameters(my.options, na, modify, atom, domain, my.aparam);
  if (comm_forward > 0) {
    my.aparam.resize(static_cast<std::size_t>(na) * static_cast<std::size_t>(atom->nlocal + atom->nghost));
    forward_comm(comm, static_cast<Pair*>(this), Newer());
  }
  in.fparam = my.fparam.data();
  in.aparam = my.aparam.data();

  LoadedModel& m = my.models.front();
  in.rebuilt = m.list != my.list;
  in.adds_modifier = my.dplr;
  m.model.predict(in, peratom, m.session, m.prediction);
  m.list = my.list;
  if (!m.prediction.notice.empty())
    error->warning(FLERR, "rank " + std::to_string(comm->me) + ": " + m.prediction.notice);
  if (m.prediction.overflow_atoms > 0 && !my.warned) {
    my.warned = true;
    error->warning(FLERR, describe_overflow(m.prediction, comm->me));
  }
}

void PairDeepMD::compute(int eflag, int vflag) {
  Impl& my = *impl;
  ev_init(eflag, vflag);
  const bool peratom = vflag_atom || cvflag_atom;
  if (my.built_at < 0) {  // first forces of a run; rerun does not call Pair::setup()
    check_bonds();
    check_pairs();
  }
  try {
    if (my.built_at < 0) setup_sources(my.options, modify);
    predict(peratom);
  } catch (const dpcore::AtomError& e) {
    error->one(FLERR, "pair_style deepmd: step " + std::to_string(update->ntimestep) + ": " +
                          describe_error(e, atom));
  } catch (const std::exception& e) {
    error->one(FLERR, message_of(e));
  }
  const dpcore::Prediction& out = my.models.front().prediction;
  const double e_factor = scale[1][1] * my.energy, f_factor = e_factor / my.length;
  const auto nlocal = static_cast<std::size_t>(atom->nlocal);
  const auto nall = nlocal + static_cast<std::size_t>(atom->nghost);
  for (std::size_t i = 0; i < nall; ++i)
    for (std::size_t d = 0; d < 3; ++d) atom->f[i][d] += f_factor * out.force[3 * i + d];
  if (eflag_global) eng_vdwl += e_factor * out.energy[0];
  if (eflag_atom)
    for (std::size_t i = 0; i < nlocal; ++i) eatom[i] += e_factor * out.atom_energy[i];

  // The model's row is the direction of the force, LAMMPS' first letter that of the position.
  constexpr std::size_t kOrder[9] = {0, 4, 8, 3, 6, 7, 1, 2, 5};  // xx yy zz xy xz yz yx zx zy
  if (vflag_global)
    for (std::size_t k = 0; k < 6; ++k) virial[k] += e_factor * out.virial[kOrder[k]];
  if (vflag_atom)
    for (std::size_t i = 0; i < nall; ++i)
      for (std::size_t k = 0; k < 6; ++k) vatom[i][k] += e_factor * out.atom_virial[9 * i + kOrder[k]];
  if (cvflag_atom)
    for (std::size_t i = 0; i < nall; ++i)
      for (std::size_t k = 0; k < 9; ++k) cvatom[i][k] += e_factor * out.atom_virial[9 * i + kOrder[k]];

  if (my.models.size() > 1 && my.options.out_freq > 0 && update->ntimestep % my.options.out_freq == 0) {
    try {
      deviation();
    } catch (const std::exception& e) {
      error->one(FLERR, message_of(e));
    }
  }
}

std::vector<std::string> PairDeepMD::names_of_types() const {
  std::vector<std::string> names;
  for (const int t : impl->model_type)
    names.push_back(t == kUnseen ? "" : impl->model().type_map()[static_cast<std::size_t>(t)]);
  return names;
}
double PairDeepMD::energy_unit() const { return impl->energy; }

double PairDeepMD::memory_usage() {
  double bytes = Pair::memory_usage();
  for (const auto& f : impl->force) bytes += static_cast<double>(f.capacity() * sizeof(double));
  return bytes;
}
