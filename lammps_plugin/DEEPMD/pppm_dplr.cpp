// SPDX-License-Identifier: LGPL-3.0-or-later
#include "pppm_dplr.h"

#include <cmath>
#include <cstring>

#include "atom.h"
#include "domain.h"
#include "dpcore_lammps_compat.h"
#include "error.h"
#include "fix.h"
#include "force.h"
#include "memory.h"
#include "modify.h"

using namespace LAMMPS_NS;
using namespace dpcore_lammps;

PPPMDPLR::PPPMDPLR(LAMMPS* lammps) : KSpace(lammps), force_(nullptr), nmax_(0) {
  const auto found = force->kspace_map->find("pppm");
  if (found == force->kspace_map->end())
    error->all(
        FLERR,
        "kspace_style pppm/dplr is LAMMPS' own pppm with other output, and this LAMMPS was built without "
        "its package KSPACE");
  pppm_.reset(found->second(lammps));
  pppmflag = 1;
  triclinic_support = pppm_->triclinic_support;
  take_back();
  g_ewald = 0;
  nx_pppm = ny_pppm = nz_pppm = 0;
  scale = 1;
}

PPPMDPLR::~PPPMDPLR() { memory->destroy(force_); }

/* ----------------------------------------------------------------------
   KSpace keeps some of it from other classes, but not from pointers to members
------------------------------------------------------------------------- */

void PPPMDPLR::mirror(const KSpace& from, KSpace& to) {
  static constexpr int KSpace::*kNumbers[] = {&PPPMDPLR::gridflag,
                                              &PPPMDPLR::gewaldflag,
                                              &PPPMDPLR::minorder,
                                              &PPPMDPLR::overlap_allowed,
                                              &PPPMDPLR::adjust_cutoff_flag,
                                              &PPPMDPLR::order,
                                              &PPPMDPLR::nx_pppm,
                                              &PPPMDPLR::ny_pppm,
                                              &PPPMDPLR::nz_pppm,
                                              &PPPMDPLR::slabflag,
                                              &PPPMDPLR::differentiation_flag,
                                              &PPPMDPLR::collective_flag,
                                              &PPPMDPLR::fftbench,
                                              &PPPMDPLR::warn_nonneutral,
                                              &PPPMDPLR::warn_nocharge};
  static constexpr double KSpace::*kValues[] = {&PPPMDPLR::accuracy,
                                                &PPPMDPLR::accuracy_absolute,
                                                &PPPMDPLR::accuracy_relative,
                                                &PPPMDPLR::two_charge_force,
                                                &PPPMDPLR::g_ewald,
                                                &PPPMDPLR::slab_volfactor,
                                                &PPPMDPLR::scale,
                                                &PPPMDPLR::qqrd2e,
                                                &PPPMDPLR::qsum,
                                                &PPPMDPLR::qsqsum,
                                                &PPPMDPLR::q2};
  for (const auto member : kNumbers) to.*member = from.*member;
  for (const auto member : kValues) to.*member = from.*member;
  copy_wire(from, to, Newer());
}

void PPPMDPLR::hand_over() { mirror(*this, *pppm_); }
void PPPMDPLR::take_back() { mirror(*pppm_, *this); }

void PPPMDPLR::settings(int narg, char** arg) {
  if (narg < 1)
    error->all(FLERR, "kspace_style pppm/dplr: expected the relative accuracy of forces, such as 1e-5");
  pppm_->settings(narg, arg);
  accuracy_relative = pppm_->accuracy_relative;
}

void PPPMDPLR::init() {
  bool fix = false;
  for (int i = 0; i < modify->nfix; ++i) fix = fix || strcmp(modify->fix[i]->style, "dplr") == 0;
  if (!fix)
    error->all(
        FLERR,
        "kspace_style pppm/dplr hands its forces to fix dplr, and there is none: no atom would feel them");
  if (force->newton_pair == 0)
    error->all(FLERR,
               "kspace_style pppm/dplr needs newton on for pairs; write newton on before the box is made");
  hand_over();
  pppm_->init();
  take_back();
}

void PPPMDPLR::setup() {
  hand_over();
  pppm_->setup();
}

void PPPMDPLR::reset_grid() {
  hand_over();
  reset_grid_of(pppm_.get(), Newer());
}
void PPPMDPLR::setup_grid() { reset_grid(); }

void PPPMDPLR::compute(int eflag, int vflag) {
  ev_init(eflag, vflag);
  if (atom->nmax > nmax_) {
    memory->destroy(force_);
    nmax_ = atom->nmax;
    memory->create(force_, nmax_, 3, "pppm/dplr:force");
  }
  if (nmax_ > 0) memset(force_[0], 0, 3 * sizeof(double) * static_cast<std::size_t>(nmax_));

  hand_over();
  {
    struct Instead {  // also where an error of LAMMPS is thrown
      double**& place;
      double** kept;
      ~Instead() { place = kept; }
    } forces{atom->f, atom->f};
    atom->f = force_;
    pppm_->compute(eflag, vflag);
  }
  take_back();

  // Self and neutralising energy, as pppm takes them off, in units of LAMMPS' charges and lengths
  const double root_pi = std::sqrt(std::acos(-1.0)), half_pi = std::acos(0.0);
  const double volume = domain->xprd * domain->yprd * domain->zprd * slab_volfactor;
  const double factor = qqrd2e * scale;
  const double self = g_ewald / root_pi, neutral = half_pi / (g_ewald * g_ewald * volume);
  if (eflag_global) energy = pppm_->energy + factor * (self * qsqsum + neutral * qsum * qsum);
  if (vflag_global)
    for (int k = 0; k < 6; ++k) virial[k] = pppm_->virial[k];
  const bool charged = qsqsum != 0.0;  // else pppm has not come to its arrays
  if (eflag_atom && charged)
    for (int i = 0; i < atom->nlocal; ++i) {
      const double q = atom->q[i];
      eatom[i] = pppm_->eatom[i] + factor * (self * q * q + neutral * q * qsum);
    }
  if (vflag_atom && charged)
    for (int i = 0; i < atom->nlocal; ++i)
      for (int k = 0; k < 6; ++k) vatom[i][k] = pppm_->vatom[i][k];
}

int PPPMDPLR::timing_1d(int n, double& time) { return pppm_->timing_1d(n, time); }
int PPPMDPLR::timing_3d(int n, double& time) { return pppm_->timing_3d(n, time); }

double PPPMDPLR::memory_usage() {
  return pppm_->memory_usage() + 3.0 * nmax_ * static_cast<double>(sizeof(double));
}
