// SPDX-License-Identifier: LGPL-3.0-or-later
// Which Wannier centroid belongs to which atom, by LAMMPS' bonds.
#pragma once

#include <string>
#include <vector>

#include "pointers.h"

namespace dpcore_lammps {

class Centroids : protected LAMMPS_NS::Pointers {
 public:
  /// `of_type` [ntypes]: the type of the centroid of each LAMMPS type t+1, 0: none. `bonds`: types of bonds,
  /// from 1.
  Centroids(LAMMPS_NS::LAMMPS*, const std::vector<int>& of_type, const std::vector<int>& bonds);

  /// Local indices (atom, centroid), one pair after the other; of the last find().
  std::vector<int> pairs;

  /// Read the bonds. Each atom of a type with centroids must have one, and each centroid one atom, on this
  /// process. Throws dpcore::Error.
  void find();
  /// Put the centroids on their atoms, with their images: both then move to the same process.
  void put_on_atoms();
  /// The same before a run, where atom and centroid may be on different processes. Collective. Throws
  /// dpcore::Error.
  void gather();

  bool has_centroid(int type) const { return of_type_[static_cast<std::size_t>(type - 1)] != 0; }
  bool is_centroid(int type) const { return is_centroid_[static_cast<std::size_t>(type - 1)]; }

 private:
  std::vector<int> of_type_, bonds_;
  std::vector<bool> is_centroid_;

  template <class F>
  void for_each_bond(const F& use) const;
  std::string name(int i) const;
};

}  // namespace dpcore_lammps
