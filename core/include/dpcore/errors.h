// SPDX-License-Identifier: LGPL-3.0-or-later
// Error type of the public interface.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "dpcore/export.h"

namespace dpcore {

/// Bad input, a bad file or an impossible request. The message is complete: it names what was found,
/// what was expected and what to do. Everything the library throws on purpose is of this type.
class DPCORE_API Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message) {}
};

/// Something is wrong with atoms of a Neighborhood. The message has their indices in it; who knows them by
/// other numbers puts those before problem().
class DPCORE_API AtomError : public Error {
 public:
  AtomError(const std::vector<int>& atoms, const std::string& problem)
      : Error(list(atoms) + " " + problem), atoms_(atoms), problem_(problem) {}
  const std::vector<int>& atoms() const { return atoms_; }
  const std::string& problem() const { return problem_; }  ///< such as "have no distance"

  template <class T>
  static std::string list(const std::vector<T>& atoms) {
    std::string text = atoms.size() == 1 ? "atom" : "atoms";
    for (std::size_t i = 0; i < atoms.size(); ++i)
      text += (i == 0 ? " " : " and ") + std::to_string(atoms[i]);
    return text;
  }

 private:
  std::vector<int> atoms_;
  std::string problem_;
};

}  // namespace dpcore
