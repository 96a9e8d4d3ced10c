// SPDX-License-Identifier: LGPL-3.0-or-later
#include "pair_deepmd.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "atom.h"
#include "comm.h"
#include "compute.h"
#include "domain.h"
#include "error.h"
#include "fix.h"
#include "force.h"
#include "input.h"
#include "memory.h"
#include "modify.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "update.h"
#include "utils.h"
#if __has_include("fix_ttm.h")
#include "fix_ttm.h"
#define DPCORE_HAS_TTM
#endif

#include "dpcore/runtime.h"
#include "dpcore/version.h"
#include "dpcore_deviation.h"
#include "dpcore_lammps_compat.h"
#include "dpcore_models.h"
#include "dpcore_options.h"
#include "dpcore_types.h"

using namespace LAMMPS_NS;
using namespace dpcore_lammps;

namespace {

// Boltzmann's constant in LAMMPS' metal units: what makes their energies eV.
constexpr double kBoltzmannMetal = 8.617343e-5;

/// LAMMPS' mass unit in g/mol.
double mass_unit(const std::string &units)
{
  constexpr double kGram = 6.02214076e23;
  if (units == "si") return 1e3 * kGram;
  if (units == "cgs") return kGram;
  if (units == "micro") return 1e-12 * kGram;
  if (units == "nano") return 1e-18 * kGram;
  return 1;
}

/// What an exception says, beginning with where it comes from.
std::string message(const std::exception &e)
{
  const std::string text = e.what(), where = "pair_style deepmd: ";
  return text.rfind("pair_", 0) == 0 ? text : where + text;
}

Compute *find_compute(Modify *modify, const std::string &id)
{
  for (int i = 0; i < modify->ncompute; ++i)
    if (id == modify->compute[i]->id) return modify->compute[i];
  throw dpcore::Error("pair_style deepmd: there is no compute with ID '" + id + "'");
}

Fix *find_fix(Modify *modify, const std::string &id)
{
  for (int i = 0; i < modify->nfix; ++i)
    if (id == modify->fix[i]->id) return modify->fix[i];
  throw dpcore::Error("pair_style deepmd: there is no fix with ID '" + id + "'");
}

#ifdef DPCORE_HAS_TTM
/// Electron temperatures of fix ttm, which it keeps to itself and its children.
struct Ttm : FixTTM {
  static double at(const FixTTM *fix, const double *x, const Domain *domain)
  {
    const int FixTTM::*size[3] = {&Ttm::nxgrid, &Ttm::nygrid, &Ttm::nzgrid};
    int node[3];
    for (int d = 0; d < 3; ++d) {
      const int n = fix->*size[d];
      node[d] = static_cast<int>(std::floor((x[d] - domain->boxlo[d]) / domain->prd[d] * n)) % n;
      if (node[d] < 0) node[d] += n;
    }
    double ***FixTTM::*temperature = &Ttm::T_electron;
    double ***grid = fix->*temperature;
    return grid[node[0]][node[1]][node[2]];
  }
};
#endif

}    // namespace

struct PairDeepMD::Impl {
  Options options;
  std::vector<LoadedModel> models;
  std::vector<std::string> names;    // of pair_coeff
  std::vector<int> model_type;       // of LAMMPS type t+1
  double cutoff = 0;                 // LAMMPS' units
  double length = 1, energy = 1;     // of 1 A and 1 eV in LAMMPS' units
  bool restarted = false, warned = false;
  DeviationFile file;

  // of one step
  std::vector<int> type;             // [nlocal+nghost] of the model
  std::vector<double> coord;         // where LAMMPS' unit is not A
  std::vector<double> fparam, aparam;
  dpcore::Neighborhood atoms;
  long list = 0;                     // counts neighbour lists
  std::vector<int> neighbors;              // of each centre: LAMMPS' rows belong to atoms, not to entries of ilist
  std::vector<const int *> first_neighbor;
  bigint built_at = -1, builds = -1;
  std::vector<std::vector<double>> force;    // of each model [nall*3], for the deviation

  const dpcore::Model &model() const { return models.front().model; }
};

/* ---------------------------------------------------------------------- */

PairDeepMD::PairDeepMD(LAMMPS *lammps) : Pair(lammps), impl(std::make_unique<Impl>()), scale(nullptr)
{
  single_enable = 0;
  restartinfo = 1;    // nothing is written, but read_restart tells that the run goes on
  one_coeff = 1;
  manybody_flag = 1;
  no_virial_fdotr_compute = 1;
  ewaldflag = pppmflag = msmflag = 1;    // long-range charges may act beside the model
  centroidstressflag = CENTROID_AVAIL;
  unit_convert_flag = 0;
}

PairDeepMD::~PairDeepMD()
{
  if (copymode) return;
  if (allocated) {
    memory->destroy(setflag);
    memory->destroy(cutsq);
    memory->destroy(scale);
  }
}

void PairDeepMD::allocate()
{
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

void PairDeepMD::settings(int narg, char **arg)
{
  Impl &my = *impl;
  if (strcmp(update->unit_style, "lj") == 0)
    error->all(FLERR, "pair_style deepmd: units lj have no eV and no Angstrom; use metal, real, si, nano ...");
  try {
    my.options = read_options(std::vector<std::string>(arg, arg + narg));
    dpcore::set_num_threads(threads_of_rank(comm->nthreads, world));
    my.models.clear();
    my.models = load_models(my.options.models, world);

    const auto given = [](int n, const char *what, std::size_t fixed, bool from) {
      if (n == 0 && (fixed > 0 || from))
        throw dpcore::Error(std::string("pair_style deepmd: the model takes no ") + what);
      if (n > 0 && !from && fixed != static_cast<std::size_t>(n))
        throw dpcore::Error(std::string("pair_style deepmd: the model needs ") + std::to_string(n) + " " + what + ", got " +
                            std::to_string(fixed));
    };
    const Options &o = my.options;
    given(my.model().dim_fparam(), "frame parameters (fparam, fparam_from_compute, fparam_from_fix)", o.fparam.size(),
          !o.fparam_compute.empty() || !o.fparam_fix.empty());
    given(my.model().dim_aparam(), "atomic parameters (aparam, aparam_from_compute, ttm)", o.aparam.size(),
          !o.aparam_compute.empty() || !o.ttm_fix.empty());
    std::string failed;
    try {
      if (my.models.size() > 1 && o.out_freq > 0 && comm->me == 0) my.file.open(o.out_file, my.restarted, o.atomic);
    } catch (const dpcore::Error &e) {
      failed = e.what();
    }
    agree(failed, world);
  } catch (const std::exception &e) {
    error->all(FLERR, message(e));
  }

  comm_reverse = my.models.size() > 1 ? 3 * static_cast<int>(my.models.size()) : 0;
  my.warned = false;
  my.built_at = -1;

  if (comm->me == 0) {
    std::string text = std::string("dpcore ") + DPCORE_VERSION + " (" + dpcore::backend() + ", " +
        std::to_string(dpcore::num_threads()) + " threads for each rank)\n";
    for (const auto &m : my.models) {
      text += "  model " + m.path + ": cut-off " + std::to_string(m.model.rcut()) + " A, types";
      for (const auto &name : m.model.type_map()) text += " " + name;
      text += "\n";
    }
    utils::logmesg(lmp, text);
  }
}

/* ----------------------------------------------------------------------
   pair_coeff * * [names]; also what is left of it inside hybrid
------------------------------------------------------------------------- */

void PairDeepMD::coeff(int narg, char **arg)
{
  Impl &my = *impl;
  if (narg > 0 && (narg < 2 || strcmp(arg[0], "*") != 0 || strcmp(arg[1], "*") != 0))
    error->all(FLERR, "pair_coeff: a deepmd model stands for all pairs; write pair_coeff * * and the names of its types, "
               "such as pair_coeff * * O H");
  my.names.assign(arg + std::min(narg, 2), arg + narg);
  my.model_type.clear();
  if (!my.names.empty()) {
    try {
      my.model_type = types_from_names(my.names, static_cast<std::size_t>(atom->ntypes), my.model().type_map());
    } catch (const std::exception &e) {
      error->all(FLERR, message(e));
    }
  }
  allocate();
  // Under hybrid a type that the model does not see belongs to other styles; alone it just feels nothing.
  const bool hybrid = force->pair_style != nullptr && utils::strmatch(force->pair_style, "^hybrid");
  for (int i = 1; i <= atom->ntypes; ++i)
    for (int j = 1; j <= atom->ntypes; ++j) {
      const auto seen = [&](int t) { return my.names.empty() || my.model_type[static_cast<std::size_t>(t - 1)] != kUnseen; };
      setflag[i][j] = !hybrid || (seen(i) && seen(j)) ? 1 : 0;
    }
}

/* ----------------------------------------------------------------------
   labels and masses may be set after pair_coeff, so this is the first moment to trust a mapping
------------------------------------------------------------------------- */

void PairDeepMD::map_types()
{
  Impl &my = *impl;
  const auto n = static_cast<std::size_t>(atom->ntypes);
  const auto &type_map = my.model().type_map();
  LammpsTypes lammps;
  lammps.mass.assign(n, 0);
  lammps.label.assign(n, "");
  for (std::size_t t = 0; t < n; ++t)
    if (atom->mass != nullptr && atom->mass_setflag[t + 1])
      lammps.mass[t] = atom->mass[t + 1] * mass_unit(update->unit_style);
  lammps.labelled = has_labels(atom, Newer());
  if (lammps.labelled)
    for (const auto &name : type_map) {
      const int t = labelled_type(atom, input, name, Newer());
      if (t > 0) lammps.label[static_cast<std::size_t>(t - 1)] = name;
    }
  if (my.names.empty()) my.model_type = types_from_order(lammps, type_map);
  if (comm->me == 0) {
    for (const auto &sentence : unlikely_masses(lammps, my.model_type, type_map)) error->warning(FLERR, sentence);
    utils::logmesg(lmp, "  deepmd types: " + describe_types(my.model_type, type_map) + "\n");
  }
}

/* ----------------------------------------------------------------------
   bonded neighbours are neighbours for the model: they must not be left out of its list
------------------------------------------------------------------------- */

void PairDeepMD::check_bonds()
{
  if (atom->molecular == Atom::ATOMIC || atom->nspecial == nullptr) return;
  int excluded = 0;
  for (int i = 0; i < atom->nlocal; ++i) {
    if (impl->model_type[static_cast<std::size_t>(atom->type[i] - 1)] == kUnseen) continue;
    for (int k = 0; k < 3; ++k) {
      const int bonded = atom->nspecial[i][k] - (k == 0 ? 0 : atom->nspecial[i][k - 1]);
      if (bonded > 0 && force->special_lj[k + 1] == 0.0 && force->special_coul[k + 1] == 0.0) excluded = 1;
    }
  }
  int any = 0;
  MPI_Allreduce(&excluded, &any, 1, MPI_INT, MPI_MAX, world);
  if (any)
    error->all(FLERR, "pair_style deepmd: special_bonds takes bonded atoms out of the neighbour list, but the model needs "
               "them; write special_bonds lj/coul 1.0 1.0 1.0");
}

void PairDeepMD::init_style()
{
  Impl &my = *impl;
  if (my.models.empty()) error->all(FLERR, "pair_style deepmd: no model; a restart file keeps none, so write pair_style again");
  if (force->newton_pair == 0)
    error->all(FLERR, "pair_style deepmd returns forces on ghost atoms and needs newton on for pairs; write newton on "
               "before the box is made");
  my.energy = force->boltz / kBoltzmannMetal;
  my.length = force->angstrom;
  my.cutoff = my.model().rcut() * my.length;
  try {
    map_types();
    if (!my.options.fparam_compute.empty()) find_compute(modify, my.options.fparam_compute);
    if (!my.options.fparam_fix.empty()) find_fix(modify, my.options.fparam_fix);
    if (!my.options.aparam_compute.empty()) find_compute(modify, my.options.aparam_compute);
    if (!my.options.ttm_fix.empty()) {
#ifdef DPCORE_HAS_TTM
      if (dynamic_cast<FixTTM *>(find_fix(modify, my.options.ttm_fix)) == nullptr)
        throw dpcore::Error("pair_style deepmd: fix " + my.options.ttm_fix + " is not of style ttm");
#else
      throw dpcore::Error("pair_style deepmd: ttm: this plugin was built without LAMMPS' fix_ttm.h; build LAMMPS with the "
                          "package folder of dpcore, or use aparam_from_compute");
#endif
    }
  } catch (const std::exception &e) {
    error->all(FLERR, message(e));
  }
  check_bonds();
  my.built_at = -1;
  request_full_list(neighbor, static_cast<Pair *>(this), instance_me, Newer());
}

double PairDeepMD::init_one(int i, int j)
{
  scale[j][i] = scale[i][j];
  return impl->cutoff;
}

void *PairDeepMD::extract(const char *name, int &dim)
{
  if (strcmp(name, "cut_coul") == 0) {    // for kspace styles; under hybrid the cut-off of a Coulomb style comes first
    for (const char *word : {"coul", "tip4p"})
      if (utils::strmatch(force->pair_style, "^hybrid") && force->pair_match(word, 0, 1) != nullptr) return nullptr;
    dim = 0;
    return &impl->cutoff;
  }
  if (strcmp(name, "scale") == 0) {
    dim = 2;
    return scale;
  }
  return nullptr;
}

void PairDeepMD::read_restart(FILE *) { impl->restarted = true; }

/* ---------------------------------------------------------------------- */

void PairDeepMD::frame_parameters()
{
  Impl &my = *impl;
  const auto n = static_cast<std::size_t>(my.model().dim_fparam());
  my.fparam = my.options.fparam;
  if (!my.options.fparam_compute.empty()) {
    Compute *c = find_compute(modify, my.options.fparam_compute);
    my.fparam.assign(n, 0);
    if (n == 1 && c->scalar_flag) {
      if (c->invoked_scalar != update->ntimestep) c->compute_scalar();
      my.fparam[0] = c->scalar;
    } else if (c->vector_flag && c->size_vector >= 0 && static_cast<std::size_t>(c->size_vector) == n) {
      if (c->invoked_vector != update->ntimestep) c->compute_vector();
      std::copy(c->vector, c->vector + n, my.fparam.begin());
    } else {
      throw dpcore::Error("pair_style deepmd: compute " + my.options.fparam_compute + " gives no " +
                          (n == 1 ? "number" : "vector of " + std::to_string(n) + " numbers") + " for fparam");
    }
  } else if (!my.options.fparam_fix.empty()) {
    Fix *f = find_fix(modify, my.options.fparam_fix);
    my.fparam.assign(n, 0);
    if (n == 1 && f->scalar_flag) {
      my.fparam[0] = f->compute_scalar();
    } else if (f->vector_flag && f->size_vector >= 0 && static_cast<std::size_t>(f->size_vector) == n) {
      for (std::size_t k = 0; k < n; ++k) my.fparam[k] = f->compute_vector(static_cast<int>(k));
    } else {
      throw dpcore::Error("pair_style deepmd: fix " + my.options.fparam_fix + " gives no " +
                          (n == 1 ? "number" : "vector of " + std::to_string(n) + " numbers") + " for fparam");
    }
  }
}

void PairDeepMD::atomic_parameters()
{
  Impl &my = *impl;
  const auto n = static_cast<std::size_t>(my.model().dim_aparam());
  const auto nlocal = static_cast<std::size_t>(atom->nlocal);
  my.aparam.resize(n * nlocal);
  if (!my.options.aparam.empty()) {
    for (std::size_t i = 0; i < nlocal; ++i)
      for (std::size_t k = 0; k < n; ++k) my.aparam[i * n + k] = my.options.aparam[k];
  } else if (!my.options.aparam_compute.empty()) {
    Compute *c = find_compute(modify, my.options.aparam_compute);
    if (!c->peratom_flag || static_cast<std::size_t>(std::max(1, c->size_peratom_cols)) != n)
      throw dpcore::Error("pair_style deepmd: compute " + my.options.aparam_compute + " does not give the " +
                          std::to_string(n) + " numbers for each atom that the model needs as aparam");
    if (c->invoked_peratom != update->ntimestep) c->compute_peratom();
    for (std::size_t i = 0; i < nlocal; ++i)
      for (std::size_t k = 0; k < n; ++k)
        my.aparam[i * n + k] = c->size_peratom_cols == 0 ? c->vector_atom[i] : c->array_atom[i][k];
  } else {
#ifdef DPCORE_HAS_TTM
    if (n != 1) throw dpcore::Error("pair_style deepmd: ttm gives one atomic parameter, the model needs " + std::to_string(n));
    const auto *fix = dynamic_cast<FixTTM *>(find_fix(modify, my.options.ttm_fix));
    for (std::size_t i = 0; i < nlocal; ++i) my.aparam[i] = Ttm::at(fix, atom->x[i], domain);
#endif
  }
}

/* ----------------------------------------------------------------------
   the atoms of this step, and the prediction of the first model
------------------------------------------------------------------------- */

void PairDeepMD::predict(bool peratom)
{
  Impl &my = *impl;
  const auto nall = static_cast<std::size_t>(atom->nlocal) + static_cast<std::size_t>(atom->nghost);
  my.type.resize(nall);
  for (std::size_t i = 0; i < nall; ++i) my.type[i] = my.model_type[static_cast<std::size_t>(atom->type[i] - 1)];
  const double *x = nall > 0 ? atom->x[0] : nullptr;
  if (my.length != 1) {
    my.coord.assign(x, x + 3 * nall);
    for (auto &c : my.coord) c /= my.length;
    x = my.coord.data();
  }
  // Steps without this style may have lain between: ago alone does not tell that its list is the known one.
  if (neighbor->ago == 0 || neighbor->lastcall != my.built_at || neighbor->ncalls != my.builds) {
    ++my.list;
    my.neighbors.clear();
    my.first_neighbor.clear();
    for (int k = 0; k < list->inum; ++k) {
      my.neighbors.push_back(list->numneigh[list->ilist[k]]);
      my.first_neighbor.push_back(list->firstneigh[list->ilist[k]]);
    }
  }
  my.built_at = neighbor->lastcall;
  my.builds = neighbor->ncalls;

  dpcore::Neighborhood &in = my.atoms;
  in.n_local = atom->nlocal;
  in.n_all = static_cast<int>(nall);
  in.coord = x;
  in.type = my.type.data();
  in.n_centres = list->inum;
  in.centre = list->ilist;
  in.n_neighbors = my.neighbors.data();
  in.neighbors = my.first_neighbor.data();
  in.neighbor_mask = NEIGHMASK;
  if (my.model().dim_fparam() > 0) frame_parameters();
  if (my.model().dim_aparam() > 0) atomic_parameters();
  in.fparam = my.fparam.data();
  in.aparam = my.aparam.data();

  LoadedModel &m = my.models.front();
  in.rebuilt = m.list != my.list;
  m.model.predict(in, peratom, m.session, m.prediction);
  m.list = my.list;
  if (m.prediction.overflow_atoms > 0 && !my.warned) {
    my.warned = true;
    error->warning(FLERR, std::to_string(m.prediction.overflow_atoms) + " atoms of rank " + std::to_string(comm->me) +
                   " have more neighbours of a type than the model's sel, by up to " +
                   std::to_string(m.prediction.overflow_worst) + ": the farthest are left out, as in training with this "
                   "sel, and energies are not smooth there (said once; DP_STRICT_SEL=1 makes it an error)");
  }
}

void PairDeepMD::compute(int eflag, int vflag)
{
  Impl &my = *impl;
  ev_init(eflag, vflag);
  const bool peratom = vflag_atom || cvflag_atom;
  try {
    predict(peratom);
  } catch (const std::exception &e) {
    error->one(FLERR, message(e));
  }
  const dpcore::Prediction &out = my.models.front().prediction;
  const double e_factor = scale[1][1] * my.energy, f_factor = e_factor / my.length;
  const auto nlocal = static_cast<std::size_t>(atom->nlocal);
  const auto nall = nlocal + static_cast<std::size_t>(atom->nghost);
  for (std::size_t i = 0; i < nall; ++i)
    for (std::size_t d = 0; d < 3; ++d) atom->f[i][d] += f_factor * out.force[3 * i + d];
  if (eflag_global) eng_vdwl += e_factor * out.energy[0];
  if (eflag_atom)
    for (std::size_t i = 0; i < nlocal; ++i) eatom[i] += e_factor * out.atom_energy[i];

  // The model's row is the direction of the force, LAMMPS' first letter that of the position.
  constexpr std::size_t kOrder[9] = {0, 4, 8, 3, 6, 7, 1, 2, 5};    // xx yy zz xy xz yz yx zx zy
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
    } catch (const std::exception &e) {
      error->one(FLERR, message(e));
    }
  }
}

/* ----------------------------------------------------------------------
   evaluate the other models, and write how far they are from each other; in LAMMPS' units
------------------------------------------------------------------------- */

void PairDeepMD::deviation()
{
  Impl &my = *impl;
  const auto nlocal = static_cast<std::size_t>(atom->nlocal);
  const auto nall = nlocal + static_cast<std::size_t>(atom->nghost);
  const Options &o = my.options;
  std::vector<std::vector<double>> virials;
  my.force.resize(my.models.size());
  for (std::size_t k = 0; k < my.models.size(); ++k) {
    LoadedModel &m = my.models[k];
    if (k > 0) {
      my.atoms.rebuilt = m.list != my.list;
      m.model.predict(my.atoms, false, m.session, m.prediction);
      m.list = my.list;
    }
    my.force[k].resize(3 * nall);
    for (std::size_t i = 0; i < 3 * nall; ++i) my.force[k][i] = m.prediction.force[i] * my.energy / my.length;
    std::vector<double> total(9);
    MPI_Allreduce(m.prediction.virial.data(), total.data(), 9, MPI_DOUBLE, MPI_SUM, world);
    for (auto &v : total) v *= my.energy / static_cast<double>(std::max<bigint>(1, atom->natoms));
    virials.push_back(total);
  }
  reverse_comm(comm, static_cast<Pair *>(this), Newer());

  std::vector<const double *> forces;
  for (const auto &f : my.force) forces.push_back(f.data());
  const std::vector<double> mine = force_deviation(forces, nlocal, o.relative_force, o.epsilon_force);
  double largest = 0, smallest = HUGE_VAL, sum = 0;
  for (const double d : mine) {
    largest = std::max(largest, d);
    smallest = std::min(smallest, d);
    sum += d;
  }
  Spread spread;
  MPI_Reduce(&largest, &spread.max, 1, MPI_DOUBLE, MPI_MAX, 0, world);
  MPI_Reduce(&smallest, &spread.min, 1, MPI_DOUBLE, MPI_MIN, 0, world);
  MPI_Reduce(&sum, &spread.mean, 1, MPI_DOUBLE, MPI_SUM, 0, world);
  if (atom->natoms > 0) spread.mean /= static_cast<double>(atom->natoms);
  else spread.min = 0;

  std::vector<double> atoms;
  if (o.atomic) {    // in the order of atom IDs
    const int count = atom->nlocal;
    std::vector<int> counts(static_cast<std::size_t>(comm->nprocs)), first(counts.size());
    MPI_Gather(&count, 1, MPI_INT, counts.data(), 1, MPI_INT, 0, world);
    int n = 0;
    for (std::size_t r = 0; r < counts.size(); ++r) {
      first[r] = n;
      n += counts[r];
    }
    const auto total = comm->me == 0 ? static_cast<std::size_t>(n) : 0;
    std::vector<double> values(total);
    std::vector<tagint> tags(total);
    MPI_Gatherv(mine.data(), count, MPI_DOUBLE, values.data(), counts.data(), first.data(), MPI_DOUBLE, 0, world);
    MPI_Gatherv(atom->tag, count, MPI_LMP_TAGINT, tags.data(), counts.data(), first.data(), MPI_LMP_TAGINT, 0, world);
    std::vector<std::pair<tagint, double>> sorted(total);
    for (std::size_t i = 0; i < total; ++i) sorted[i] = {tags[i], values[i]};
    std::sort(sorted.begin(), sorted.end());
    for (const auto &item : sorted) atoms.push_back(item.second);
  }
  if (comm->me == 0)
    my.file.row(update->ntimestep, virial_deviation(virials, o.relative_virial, o.epsilon_virial), spread, atoms);
}

int PairDeepMD::pack_reverse_comm(int n, int first, double *buf)
{
  int m = 0;
  for (int i = first; i < first + n; ++i)
    for (const auto &f : impl->force)
      for (int d = 0; d < 3; ++d) buf[m++] = f[static_cast<std::size_t>(3 * i + d)];
  return m;
}

void PairDeepMD::unpack_reverse_comm(int n, int *owners, double *buf)
{
  int m = 0;
  for (int i = 0; i < n; ++i)
    for (auto &f : impl->force)
      for (int d = 0; d < 3; ++d) f[static_cast<std::size_t>(3 * owners[i] + d)] += buf[m++];
}

double PairDeepMD::memory_usage()
{
  double bytes = Pair::memory_usage();
  for (const auto &f : impl->force) bytes += static_cast<double>(f.capacity() * sizeof(double));
  return bytes;
}
