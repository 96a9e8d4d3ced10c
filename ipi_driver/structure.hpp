// SPDX-License-Identifier: LGPL-3.0-or-later
// The types of the atoms, from the names in an xyz file.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace dpcore::ipi {

/// Types by name: the names that the user gave, and those of the model's type map besides. Throws Error where
/// a type is none of the model's. `conflict` is set to a sentence where a name of the model was given another
/// type.
std::map<std::string, int> known_names(const std::map<std::string, int>& given,
                                       const std::vector<std::string>& type_map, std::string& conflict);

/// The type of each atom of the first frame of an xyz file: number of atoms, a line of comment, then one line
/// for each atom that begins with its name. Throws Error naming file and line.
std::vector<int> read_types(const std::string& path, const std::map<std::string, int>& known);

}  // namespace dpcore::ipi
