/* -*- c++ -*- SPDX-License-Identifier: LGPL-3.0-or-later */
// Deep Potential models in LAMMPS, on libdpcore.
//
//   pair_style deepmd MODEL [MODEL ...] [keyword value ...]
//   pair_coeff * * [O H ...]
//
// Energies, forces and virials are those of the first model in LAMMPS' units; with several models their
// deviation is written every out_freq steps. Forces on ghost atoms are returned on them: newton must be on
// for pairs.

#ifdef PAIR_CLASS
// clang-format off
PairStyle(deepmd,PairDeepMD);
PairStyle(dpcore,PairDeepMD);
// clang-format on
#else

#ifndef LMP_PAIR_DEEPMD_H
#define LMP_PAIR_DEEPMD_H

#include <memory>
#include <string>
#include <vector>

#include "pair.h"

namespace LAMMPS_NS {

class PairDeepMD : public Pair {
 public:
  struct Impl;  // keeps dpcore's headers out of LAMMPS' own sources

  explicit PairDeepMD(class LAMMPS*);
  ~PairDeepMD() override;
  void settings(int, char**) override;
  void coeff(int, char**) override;
  void init_style() override;
  double init_one(int, int) override;
  void compute(int, int) override;
  void* extract(const char*, int&) override;
  void write_restart(FILE*) override {}
  void read_restart(FILE*) override {}
  int pack_forward_comm(int, int*, double*, int, int*) override;
  void unpack_forward_comm(int, int, double*) override;
  int pack_reverse_comm(int, int, double*) override;
  void unpack_reverse_comm(int, int*, double*) override;
  double memory_usage() override;

  // for fix dplr, after init_style()
  std::vector<std::string> names_of_types() const;  // of the model, for each LAMMPS type; empty: NULL
  double energy_unit() const;                       // 1 eV in LAMMPS' units

 private:
  std::unique_ptr<Impl> impl;
  double** scale;  // of fix adapt: factor of energies, forces and virials; [1][1] is used

  void allocate();
  void map_names();
  void map_types();
  void check_bonds();
  void check_pairs();
  void predict(bool peratom);
  void deviation();
};

}  // namespace LAMMPS_NS

#endif
#endif
