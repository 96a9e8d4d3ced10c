// SPDX-License-Identifier: LGPL-3.0-or-later
// The words of fix dplr.
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

namespace dpcore_lammps {

struct DplrOptions {
  std::string model;
  std::map<int, int> centroid_of_type;  ///< LAMMPS types, from 1
  std::vector<int> bond_types;          ///< from 1
  bool has_field = false;
  std::array<double, 3> field = {0, 0, 0};
  std::array<std::string, 3> variable;  ///< names; empty: the number in `field`
  int pair_index = 0;                   ///< which pair style deepmd, from 1; 0: the only one
};

/// Throws dpcore::Error that names the word.
DplrOptions read_dplr_options(const std::vector<std::string>& words, int n_types, int n_bond_types);

}  // namespace dpcore_lammps
