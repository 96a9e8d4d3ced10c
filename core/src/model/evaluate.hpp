// SPDX-License-Identifier: LGPL-3.0-or-later
// Energies, forces and virials of a structure: the loop over tiles.
#pragma once

#include <memory>
#include <vector>

#include "model/potential.hpp"
#include "output/force_virial.hpp"

namespace dpcore {

/// Energies in eV, lengths in A. The n_out components of a tensor take the place of the energy, in the unit
/// of its labels.
struct Evaluation {
  std::vector<double> energy;       // [n_frames, n_out]
  std::vector<double> force;        // [n_out, n_force, 3]
  std::vector<double> virial;       // [n_out, n_frames, 9]
  std::vector<double> atom_energy;  // [n_local, n_out]; 0 for atoms of types that the fitting does not select
  std::vector<double> atom_virial;  // [n_out, n_force, 9], empty unless asked for
  std::vector<double> descriptor;   // [n_local, dim_descriptor], of evaluate_descriptors alone
  SelOverflow overflow;
  OutsideTable outside;
};

/// What one thread needs; kept and reused between calls.
struct Worker {
  Exec exec;
  Workspace scratch;  // of one tile
  Workspace kept;     // of one training step
  std::unique_ptr<Descriptor::State> descriptor;
  std::unique_ptr<Fitting::State> fitting;
  ShortRange::State short_range;
  ForceVirial sums;
};

struct WorkerTeam {
  std::vector<std::unique_ptr<Worker>> workers;
  DeviceStructure structure;
  DeviceArray<double> atom_energy;  // [positions in TilePlan::centre, n_out]
  DeviceArray<double> weight;       // [positions in TilePlan::centre, n_out] or empty: Fitting::State::weight
  int n_out = 1;

  /// As many workers as threads, with clean states and sums.
  /// n_derivatives: outputs with forces and virials; 0: all n_out
  void prepare(const Potential&, const Structure&, const TilePlan&, bool atomic, int n_derivatives = 0);
  int size() const { return static_cast<int>(workers.size()); }
  /// The outputs of a tile's centres
  Matrix<double> values(const Tile& tile) const { return rows_of(atom_energy, tile, n_out); }
  /// Their factors
  Matrix<double> weights(const Tile& tile) const { return rows_of(weight, tile, n_out); }
  /// Rows of an array [positions in TilePlan::centre, width]
  static Matrix<double> rows_of(const DeviceArray<double>& all, const Tile& tile, int width) {
    return Matrix<double>(all.data() + static_cast<std::ptrdiff_t>(tile.begin) * width, tile.size(), width);
  }
  /// Add up what the workers counted: neighbours beyond sel, pairs outside tables.
  void collect_counts(Evaluation&) const;
  /// The same with the workers' sums, in their order.
  void collect(const Structure&, const TilePlan&, Evaluation&) const;
};

/// Upload [n] doubles.
void assign(DeviceArray<double>& to, const std::vector<double>& from);

/// Throws OverlappingAtoms. Without `derivatives` forces and virials are zeros. With `weight` [n_local,
/// n_out] they are those of the one number sum_i,c weight_ic value_ic, for models of tensors.
void evaluate(const Potential&, const Structure&, const FittingParams&, bool atomic, WorkerTeam&, Evaluation&,
              bool derivatives = true, const std::vector<double>* weight = nullptr);

/// The descriptors of all local atoms, also of types that the fitting does not select; 0 for atoms that are
/// no centres. Throws OverlappingAtoms.
void evaluate_descriptors(const Potential&, const Structure&, WorkerTeam&, Evaluation&);

/// Run body(worker index, tile) for every tile, tile t on worker t % size.
void run_tiles(const WorkerTeam&, const TilePlan&, const std::function<void(int, const Tile&)>& body);

}  // namespace dpcore
