// SPDX-License-Identifier: LGPL-3.0-or-later
// The arguments of `pair_style deepmd`.
#pragma once

#include <string>
#include <vector>

namespace dpcore_lammps {

struct Options {
  std::vector<std::string> models;
  // model deviation
  long out_freq = 100;  ///< steps; 0: never
  std::string out_file = "model_devi.out";
  bool atomic = false;  ///< a column for each atom
  bool relative_force = false, relative_virial = false;
  double epsilon_force = 0, epsilon_virial = 0;  ///< levels; LAMMPS' units of force, energy
  // parameters
  std::vector<double> fparam, aparam;
  std::string precision;                                            ///< as dpcore::precision_from takes it
  std::string fparam_compute, fparam_fix, aparam_compute, ttm_fix;  ///< IDs
};

/// Throws dpcore::Error naming the keyword. The numbers after fparam and aparam go on to the next word that
/// is no number.
Options read_options(const std::vector<std::string>& words);

}  // namespace dpcore_lammps
