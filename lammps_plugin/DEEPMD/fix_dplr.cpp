// SPDX-License-Identifier: LGPL-3.0-or-later
#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "atom.h"
#include "comm.h"
#include "domain.h"
#include "error.h"
#include "fix_dplr_impl.h"
#include "force.h"
#include "input.h"
#include "modify.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "update.h"
#include "variable.h"

using namespace LAMMPS_NS;
using namespace FixConst;
using namespace dpcore_lammps;

namespace {

std::string message_of(const std::exception& e) { return std::string("fix dplr: ") + e.what(); }

}  // namespace

/* ---------------------------------------------------------------------- */

FixDPLR::FixDPLR(LAMMPS* lammps, int narg, char** arg) : Fix(lammps, narg, arg) {
  if (strcmp(update->unit_style, "lj") == 0)
    error->all(FLERR, "fix dplr: units lj have no eV and no Angstrom; use metal, real, si, nano ...");
  if (atom->molecular != Atom::MOLECULAR || atom->q_flag == 0)
    error->all(FLERR,
               "fix dplr: atoms need charges, and bonds to their Wannier centroids; use atom_style full");
  if (atom->map_style == Atom::MAP_NONE)
    error->all(FLERR, "fix dplr: bonds need an atom map; write atom_modify map yes before the box is made");
  try {
    DplrOptions options =
        read_dplr_options(std::vector<std::string>(arg + 3, arg + narg), atom->ntypes, atom->nbondtypes);
    impl = std::make_unique<Impl>(load_dipole_charges(options.model, world));
    impl->options = std::move(options);
  } catch (const std::exception& e) {
    error->all(FLERR, message_of(e));
  }
  std::vector<int> of_type(static_cast<std::size_t>(atom->ntypes), 0);
  for (const auto& p : impl->options.centroid_of_type)
    of_type[static_cast<std::size_t>(p.first - 1)] = p.second;
  impl->centroids = std::make_unique<Centroids>(lammps, of_type, impl->options.bond_types);

  energy_global_flag = virial_global_flag = 1;
  thermo_virial = 1;  // a pressure without it would be no derivative of the energy
  restart_pbc = 1;    // centroids may stand outside of the cell
  scalar_flag = vector_flag = 1;
  size_vector = 3;
  extscalar = extvector = 1;
  global_freq = 1;
}

FixDPLR::~FixDPLR() = default;

int FixDPLR::setmask() {
  return POST_INTEGRATE | PRE_EXCHANGE | PRE_FORCE | PRE_REVERSE | MIN_PRE_EXCHANGE | MIN_PRE_FORCE |
         MIN_PRE_REVERSE;
}

void FixDPLR::init() {
  Impl& my = *impl;
  if (utils::strmatch(update->integrate_style, "^respa") ||
      utils::strmatch(update->integrate_style, "^verlet/split"))
    error->all(FLERR, std::string("fix dplr: run_style ") + update->integrate_style +
                          " computes forces in another order or elsewhere; use run_style verlet");
  int fixes = 0;
  for (int i = 0; i < modify->nfix; ++i) fixes += strcmp(modify->fix[i]->style, "dplr") == 0 ? 1 : 0;
  if (fixes > 1)
    error->all(
        FLERR,
        "fix dplr: there are two of them, and both would hand the electric forces on; name all types in "
        "type_associate of one");
  if (atom->nbonds == 0)
    error->all(
        FLERR,
        "fix dplr: there are no bonds; each atom of the types before the centroids' in type_associate needs "
        "one to its Wannier centroid");
  find_pair_style();
  map_types();
  check_kspace();
  find_field();
  my.built_at = -1;
}

void FixDPLR::find_pair_style() {
  Impl& my = *impl;
  Pair* found = nullptr;
  for (const char* name : {"deepmd", "dpcore"})
    if (found == nullptr && force->pair != nullptr) found = force->pair_match(name, 1, my.options.pair_index);
  my.pair = dynamic_cast<PairDeepMD*>(found);
  if (my.pair == nullptr)
    error->all(FLERR,
               my.options.pair_index > 0
                   ? "fix dplr: there is no pair style deepmd with the number of pair_deepmd_index"
                   : "fix dplr: there is no pair_style deepmd, or there are several; it gives the rest of "
                     "the energy and the neighbours (pair_deepmd_index N takes the Nth)");
  my.energy = my.pair->energy_unit();
  my.length = force->angstrom;
}

double FixDPLR::cutoff() const { return impl->model.dipole.rcut() * force->angstrom; }

/* ----------------------------------------------------------------------
   centroids stand on their atoms while LAMMPS moves atoms between processes, and where the dipole model says
   while forces are computed
------------------------------------------------------------------------- */

void FixDPLR::setup_pre_exchange() {
  try {
    impl->centroids->gather();
  } catch (const std::exception& e) {
    error->all(FLERR, message_of(e));
  }
}
void FixDPLR::post_integrate() { impl->centroids->put_on_atoms(); }
void FixDPLR::min_pre_exchange() { impl->centroids->put_on_atoms(); }

void FixDPLR::take_new_list() {
  Impl& my = *impl;
  const bool first = my.built_at < 0;
  const bool old = neighbor->lastcall == my.built_at && neighbor->ncalls == my.builds && neighbor->ago > 0;
  my.atoms.in.rebuilt = !old;
  if (old) return;
  my.centroids->find();
  my.atoms.take_list(my.pair->list);
  my.built_at = neighbor->lastcall;
  my.builds = neighbor->ncalls;
  if (first) check_charges();
}

void FixDPLR::pre_force(int) {
  Impl& my = *impl;
  dpcore::Prediction& out = my.prediction;
  try {
    take_new_list();
    my.atoms.take_atoms(atom, my.pair->list, my.model_type, my.length);
    my.model.dipole.predict(my.atoms.in, false, my.session, out, false);
  } catch (const dpcore::AtomError& e) {
    error->one(FLERR, "fix dplr: step " + std::to_string(update->ntimestep) + ": " + describe_error(e, atom));
  } catch (const std::exception& e) {
    error->one(FLERR, message_of(e));
  }
  if (!out.notice.empty())
    error->warning(FLERR, "fix dplr: dipole model: rank " + std::to_string(comm->me) + ": " + out.notice);
  if (out.overflow_atoms > 0 && !my.warned) {
    my.warned = true;
    error->warning(FLERR, "fix dplr: dipole model: " + describe_overflow(out, comm->me));
  }
  const auto& pairs = my.centroids->pairs;
  my.centroids->put_on_atoms();
  my.displacement.resize(3 * pairs.size() / 2);
  for (std::size_t k = 0; k < pairs.size(); k += 2)
    for (std::size_t d = 0; d < 3; ++d) {
      const double mu = out.atom_energy[3 * static_cast<std::size_t>(pairs[k]) + d];
      my.displacement[3 * (k / 2) + d] = mu;
      atom->x[pairs[k + 1]][d] += mu * my.length;
    }
}
void FixDPLR::setup_pre_force(int vflag) { pre_force(vflag); }
void FixDPLR::min_pre_force(int vflag) { pre_force(vflag); }

/* ----------------------------------------------------------------------
   forces on atoms and centroids become forces on atoms, those on ghosts too
------------------------------------------------------------------------- */

void FixDPLR::pre_reverse(int, int vflag) {
  Impl& my = *impl;
  if ((vflag & ~(VIRIAL_PAIR | VIRIAL_FDOTR)) != 0 && thermo_virial)
    error->all(FLERR,
               "fix dplr: the virial of DPLR does not divide into atoms; leave out compute stress/atom and "
               "centroid/stress/atom, or write fix_modify " +
                   std::string(id) + " virial no to have them without its part");
  v_init(vflag);
  const double unit = my.energy / my.length;  // of forces
  const auto nlocal = static_cast<std::size_t>(atom->nlocal);
  my.electric.assign(3 * nlocal, 0.0);
  if (my.kspace != nullptr && my.kspace->compute_flag != 0 && my.kspace->electric_force() != nullptr) {
    double** const f = my.kspace->electric_force();
    for (std::size_t i = 0; i < nlocal; ++i)
      for (std::size_t d = 0; d < 3; ++d) my.electric[3 * i + d] = f[i][d] / unit;
  }
  if (my.options.has_field) {
    evaluate_field();
    add_field(my.electric.data(), unit);
  }

  const auto& pairs = my.centroids->pairs;
  dpcore::Prediction& out = my.prediction;
  my.atoms.take_atoms(atom, my.pair->list, my.model_type, my.length);
  my.atoms.in.rebuilt = false;
  try {
    dpcore::dipole_charge_correction(my.model.dipole, my.atoms.in, pairs.data(),
                                     static_cast<int>(pairs.size() / 2), my.electric.data(), my.session, out);
  } catch (const dpcore::AtomError& e) {
    error->one(FLERR, "fix dplr: step " + std::to_string(update->ntimestep) + ": " + describe_error(e, atom));
  } catch (const std::exception& e) {
    error->one(FLERR, message_of(e));
  }
  const auto nall = nlocal + static_cast<std::size_t>(atom->nghost);
  for (std::size_t i = 0; i < nall; ++i)
    for (std::size_t d = 0; d < 3; ++d) atom->f[i][d] += unit * out.force[3 * i + d];

  if (!evflag || !vflag_global) return;
  double v[9];
  std::copy_n(out.virial.begin(), 9, v);
  for (std::size_t k = 0; k < pairs.size(); k += 2)
    for (std::size_t a = 0; a < 3; ++a)
      for (std::size_t b = 0; b < 3; ++b)
        v[3 * a + b] -=
            my.electric[3 * static_cast<std::size_t>(pairs[k + 1]) + a] * my.displacement[3 * (k / 2) + b];
  constexpr std::size_t kOrder[6] = {0, 4, 8, 3, 6, 7};  // xx yy zz xy xz yz
  for (std::size_t k = 0; k < 6; ++k) virial[k] += my.energy * v[kOrder[k]];
}
void FixDPLR::setup_pre_reverse(int eflag, int vflag) { pre_reverse(eflag, vflag); }
void FixDPLR::min_pre_reverse(int eflag, int vflag) { pre_reverse(eflag, vflag); }

/* ----------------------------------------------------------------------
   the electric field
------------------------------------------------------------------------- */

void FixDPLR::find_field() {
  Impl& my = *impl;
  for (std::size_t d = 0; d < 3; ++d) {
    const std::string& name = my.options.variable[d];
    if (name.empty()) continue;
    my.variable[d] = input->variable->find(name.c_str());
    if (my.variable[d] < 0 || !input->variable->equalstyle(my.variable[d]))
      error->all(FLERR, "fix dplr: efield v_" + name + ": there is no such variable of style equal");
  }
}

void FixDPLR::evaluate_field() {
  Impl& my = *impl;
  bool variable = false;
  for (std::size_t d = 0; d < 3; ++d) variable = variable || my.variable[d] >= 0;
  if (variable) modify->clearstep_compute();
  for (std::size_t d = 0; d < 3; ++d)
    my.field[d] = my.variable[d] >= 0 ? input->variable->compute_equal(my.variable[d]) : my.options.field[d];
  if (variable) modify->addstep_compute(update->ntimestep + 1);
}

void FixDPLR::add_field(double* electric, double unit) {
  Impl& my = *impl;
  std::fill_n(my.in_field, 4, 0.0);
  my.summed = false;
  for (int i = 0; i < atom->nlocal; ++i) {
    double f[3], r[3];
    domain->unmap(atom->x[i], atom->image[i], r);
    for (std::size_t d = 0; d < 3; ++d) {
      f[d] = force->qe2f * atom->q[i] * my.field[d];
      electric[3 * static_cast<std::size_t>(i) + d] += f[d] / unit;
      my.in_field[0] -= f[d] * r[d];
      my.in_field[d + 1] += f[d];
    }
    if (!evflag || !vflag_global) continue;
    const double v[6] = {f[0] * r[0], f[1] * r[1], f[2] * r[2], f[0] * r[1], f[0] * r[2], f[1] * r[2]};
    for (int k = 0; k < 6; ++k) virial[k] += v[k];
  }
}

void FixDPLR::sum_field() {
  Impl& my = *impl;
  if (my.summed) return;
  MPI_Allreduce(my.in_field, my.in_field_of_all, 4, MPI_DOUBLE, MPI_SUM, world);
  my.summed = true;
}

double FixDPLR::compute_scalar() {
  sum_field();
  return impl->in_field_of_all[0];
}
double FixDPLR::compute_vector(int k) {
  sum_field();
  return impl->in_field_of_all[k + 1];
}

double FixDPLR::memory_usage() {
  return static_cast<double>((impl->electric.capacity() + impl->prediction.force.capacity()) *
                             sizeof(double));
}
