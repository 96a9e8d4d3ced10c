/* -*- c++ -*- SPDX-License-Identifier: LGPL-3.0-or-later */
// Dipoles and polarizabilities of atoms by a Deep Potential model, on libdpcore.
//
//   compute ID group-ID deeptensor/atom MODEL [O H ...]
//
// A per-atom array of 3 or 9 columns in the unit of the model's labels; 0 for atoms outside of the group or
// of a type that the model does not select. The names are the model types of LAMMPS' atom types, NULL for
// none; without them LAMMPS type i is type i-1 of the model. A pair style must make ghost atoms within the
// model's cut-off.

#ifdef COMPUTE_CLASS
// clang-format off
ComputeStyle(deeptensor/atom,ComputeDeepTensorAtom);
// clang-format on
#else

#ifndef LMP_COMPUTE_DEEPTENSOR_ATOM_H
#define LMP_COMPUTE_DEEPTENSOR_ATOM_H

#include <memory>

#include "compute.h"

namespace LAMMPS_NS {

class ComputeDeepTensorAtom : public Compute {
 public:
  struct Impl;  // keeps dpcore's headers out of LAMMPS' own sources

  ComputeDeepTensorAtom(class LAMMPS*, int, char**);
  ~ComputeDeepTensorAtom() override;
  void init() override;
  void init_list(int, class NeighList*) override;
  void compute_peratom() override;
  double memory_usage() override;

 private:
  std::unique_ptr<Impl> impl;
  class NeighList* list;
  double** tensor;
  int nmax;
};

}  // namespace LAMMPS_NS

#endif
#endif
