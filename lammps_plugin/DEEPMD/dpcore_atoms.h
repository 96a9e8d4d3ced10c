// SPDX-License-Identifier: LGPL-3.0-or-later
// LAMMPS' atoms and neighbour list as dpcore::Model takes them.
#pragma once

#include <string>
#include <vector>

#include <dpcore/model.h>

namespace LAMMPS_NS {
class Atom;
class NeighList;
}  // namespace LAMMPS_NS

namespace dpcore_lammps {

/// Memory behind a Neighborhood, kept from step to step.
class LammpsAtoms {
 public:
  /// The list is new: take its rows, which in LAMMPS belong to atoms and not to entries of ilist.
  void take_list(const LAMMPS_NS::NeighList*);
  /// Positions and types of this step. `model_type`: of LAMMPS type t+1, kUnseen for none; `length`: 1 A in
  /// LAMMPS' unit.
  void take_atoms(const LAMMPS_NS::Atom*, const LAMMPS_NS::NeighList*, const std::vector<int>& model_type,
                  double length);

  dpcore::Neighborhood in;  ///< valid until the next call; `rebuilt` and the parameters are the caller's
  const std::vector<int>& type() const { return type_; }  ///< [nlocal + nghost] of the model

 private:
  std::vector<int> type_, n_neighbors_;
  std::vector<const int*> neighbors_;
  std::vector<double> coord_;  // only where LAMMPS' unit is not A
};

/// Mass in g/mol of each LAMMPS type, from LAMMPS' unit style; 0: not set.
std::vector<double> masses_of_types(const LAMMPS_NS::Atom*, const std::string& units);

/// Which atoms an error is about: their IDs, or the number on this rank where atoms have no IDs, and what is
/// wrong.
std::string describe_error(const dpcore::AtomError&, const LAMMPS_NS::Atom*);

/// A sentence on atoms with more neighbours than `sel`; empty where there are none.
std::string describe_overflow(const dpcore::Prediction&, int rank);

}  // namespace dpcore_lammps
