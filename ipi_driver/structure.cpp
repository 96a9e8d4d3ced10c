// SPDX-License-Identifier: LGPL-3.0-or-later
#include "structure.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include <dpcore/errors.h>

namespace dpcore::ipi {

std::map<std::string, int> known_names(const std::map<std::string, int>& given,
                                       const std::vector<std::string>& type_map, std::string& conflict) {
  std::map<std::string, int> known = given;
  const int n_types = static_cast<int>(type_map.size());
  for (const auto& [name, type] : given) {
    if (type < 0 || type >= n_types) {
      throw Error("atom_type: " + name + " has type " + std::to_string(type) +
                  "; the types of the model are 0 to " + std::to_string(n_types - 1));
    }
  }
  for (int t = 0; t < n_types; ++t) {
    const std::string& name = type_map[static_cast<std::size_t>(t)];
    const int type = known.emplace(name, t).first->second;
    if (type != t && conflict.empty()) {
      conflict = "atom_type gives " + name + " the type " + std::to_string(type) + ", which is " +
                 type_map[static_cast<std::size_t>(type)] + " in the model; " + name + " is its type " +
                 std::to_string(t);
    }
  }
  return known;
}

std::vector<int> read_types(const std::string& path, const std::map<std::string, int>& known) {
  std::ifstream file(path);
  if (!file) throw Error(path + ": cannot be read: " + std::strerror(errno));
  std::error_code none;
  if (std::filesystem::is_character_file(path, none)) {
    throw Error(path + ": this is a device; expected an xyz file");
  }
  std::string line, word;
  std::getline(file, line);
  long n_atoms = 0;
  std::istringstream first(line);
  if (!(first >> n_atoms) || n_atoms < 1 || n_atoms > 100000000 || first >> word) {
    throw Error(path + ": line 1: expected the number of atoms, got \"" + line.substr(0, 60) +
                "\"; is it an xyz file?");
  }
  std::getline(file, line);
  std::vector<int> types;
  for (long i = 0; i < n_atoms; ++i) {
    const std::string at = path + ": line " + std::to_string(i + 3) + ": ";
    if (!std::getline(file, line)) {
      throw Error(at + "expected " + std::to_string(n_atoms) + " atoms as line 1 says, got " +
                  std::to_string(i));
    }
    std::istringstream words(line);
    if (!(words >> word)) throw Error(at + "expected the name of an atom, got an empty line");
    const auto found = known.find(word);
    if (found == known.end()) {
      std::string names;
      for (const auto& entry : known) names += (names.empty() ? "" : ", ") + entry.first;
      throw Error(at + "atom " + std::to_string(i) + " (counted from 0) has the name \"" + word +
                  "\"; known are " + names + ". \"atom_type\" of the JSON file, or -t, gives names a type");
    }
    types.push_back(found->second);
  }
  return types;
}

}  // namespace dpcore::ipi
