/* -*- c++ -*- SPDX-License-Identifier: LGPL-3.0-or-later */
// DPLR models: Wannier centroids as atoms that follow their atoms, and the electric forces on them.
//
//   fix ID all dplr model MODEL type_associate A1 W1 [A2 W2 ...] bond_type B1 [B2 ...] [efield EX EY EZ]
//                   [pair_deepmd_index N]
//
// Before forces, each centroid is put where the dipole model says; after them, what kspace_style pppm/dplr
// and the field do to atoms and centroids becomes forces on atoms. The forces are added before LAMMPS sums
// those on ghosts. compute_scalar is the energy in the field, compute_vector its force on all atoms.

#ifdef FIX_CLASS
// clang-format off
FixStyle(dplr,FixDPLR);
// clang-format on
#else

#ifndef LMP_FIX_DPLR_H
#define LMP_FIX_DPLR_H

#include <memory>

#include "fix.h"

namespace LAMMPS_NS {

class FixDPLR : public Fix {
 public:
  struct Impl;  // keeps dpcore's headers out of LAMMPS' own sources

  FixDPLR(class LAMMPS*, int, char**);
  ~FixDPLR() override;
  int setmask() override;
  void init() override;
  void setup_pre_exchange() override;
  void setup_pre_force(int) override;
  void setup_pre_reverse(int, int) override;
  void post_integrate() override;
  void pre_force(int) override;
  void pre_reverse(int, int) override;
  void min_pre_exchange() override;
  void min_pre_force(int) override;
  void min_pre_reverse(int, int) override;
  double compute_scalar() override;
  double compute_vector(int) override;
  double memory_usage() override;

  double cutoff() const;  // of the dipole model, LAMMPS' units; pair_style deepmd makes its list as long

 private:
  std::unique_ptr<Impl> impl;

  void find_pair_style();
  void map_types();
  void check_kspace();
  void check_charges();
  void find_field();
  void evaluate_field();
  void take_new_list();
  void add_field(double* electric, double unit);
  void sum_field();
};

}  // namespace LAMMPS_NS

#endif
#endif
