// SPDX-License-Identifier: LGPL-3.0-or-later
// From LAMMPS' atom types to the types of a model.
#pragma once

#include <string>
#include <vector>

namespace dpcore_lammps {

/// What LAMMPS knows of its types; index t stands for type t+1.
struct LammpsTypes {
  std::vector<double> mass;        ///< g/mol; 0: not set
  std::vector<std::string> label;  ///< of the label map; empty: none
  bool labelled = false;           ///< there is a label map
};

constexpr int kUnseen = -1;  ///< the model type of atoms that the model does not see

/// The model type of each name of `pair_coeff * * names`; NULL gives kUnseen. Throws dpcore::Error with the
/// line to write where the number of names is not n_types or a name is not in the type map.
std::vector<int> types_from_names(const std::vector<std::string>& names, std::size_t n_types,
                                  const std::vector<std::string>& type_map);

/// The model type of each type where `pair_coeff * *` names none: by the label map; else LAMMPS type i is
/// type i-1 of the model, provided that all masses are those of the elements within kMassTolerance. Throws
/// dpcore::Error with the line to write where that does not hold. With `more` there may be more types than
/// the model has, which it does not see: the Wannier centroids of DPLR.
std::vector<int> types_from_order(const LammpsTypes&, const std::vector<std::string>& type_map, bool more);

/// A sentence for each type whose mass is not that of its element; deuterium is hydrogen.
std::vector<std::string> unlikely_masses(const LammpsTypes&, const std::vector<int>& types,
                                         const std::vector<std::string>& type_map);

constexpr double kMassTolerance = 1.1;  ///< g/mol, so that deuterium passes for hydrogen

/// Standard atomic mass in g/mol; 0 for what is no element.
double mass_of_element(const std::string& symbol);

/// "1 -> O, 2 -> H, 3 -> NULL".
std::string describe_types(const std::vector<int>& types, const std::vector<std::string>& type_map);

}  // namespace dpcore_lammps
