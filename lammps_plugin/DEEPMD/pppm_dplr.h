/* -*- c++ -*- SPDX-License-Identifier: LGPL-3.0-or-later */
// Long-range electrostatics of DPLR models: what `pppm` computes, for `fix dplr`.
//
//   kspace_style pppm/dplr ACCURACY
//   kspace_modify gewald BETA ...
//
// The forces of pppm on atoms and Wannier centroids are kept for fix dplr instead of being added to the
// atoms, and the energy is that of the waves alone, without self and neutralising terms, which a model has in
// its net. It asks LAMMPS for its own pppm and works it, so it needs none of that class's headers; every
// keyword of kspace_modify that pppm knows goes to it.

#ifdef KSPACE_CLASS
// clang-format off
KSpaceStyle(pppm/dplr,PPPMDPLR);
// clang-format on
#else

#ifndef LMP_PPPM_DPLR_H
#define LMP_PPPM_DPLR_H

#include <memory>
#include <vector>

#include "kspace.h"

namespace LAMMPS_NS {

class PPPMDPLR : public KSpace {
 public:
  explicit PPPMDPLR(class LAMMPS*);
  ~PPPMDPLR() override;
  void settings(int, char**) override;
  void init() override;
  void setup() override;
  // LAMMPS' sub-domains have changed: the first of 2022 on, the second before
  void reset_grid();
  void setup_grid();
  void compute(int, int) override;
  int timing_1d(int, double&) override;
  int timing_3d(int, double&) override;
  double memory_usage() override;

  /// [nlocal, 3] forces of the last compute() on atoms and centroids; null before the first one.
  double** electric_force() const { return force_; }

 private:
  std::unique_ptr<KSpace> pppm_;
  double** force_;
  int nmax_;

  // What kspace_modify and LAMMPS change in this object, and pppm in itself, stands in both.
  void hand_over();
  void take_back();
  void mirror(const KSpace& from, KSpace& to);
};

}  // namespace LAMMPS_NS

#endif
#endif
