// SPDX-License-Identifier: LGPL-3.0-or-later
// Energies, forces and virials of a structure: the loop over tiles.
#pragma once

#include <memory>
#include <vector>

#include "model/potential.hpp"
#include "output/force_virial.hpp"

namespace dpcore {

struct Evaluation {
  std::vector<double> energy;       // [n_frames] eV
  std::vector<double> force;        // [n_force, 3] eV/A
  std::vector<double> virial;       // [n_frames, 9] eV
  std::vector<double> atom_energy;  // [n_local] eV
  std::vector<double> atom_virial;  // [n_force, 9] eV, empty unless asked for
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
  ForceVirial sums;
};

struct WorkerTeam {
  std::vector<std::unique_ptr<Worker>> workers;
  DeviceStructure structure;
  DeviceArray<double> atom_energy;  // [positions in TilePlan::centre]

  /// As many workers as threads, with clean states and sums.
  void prepare(const Potential&, const Structure&, const TilePlan&, bool atomic);
  int size() const { return static_cast<int>(workers.size()); }
  /// Add up the workers' sums, in their order.
  void collect(const Structure&, const TilePlan&, Evaluation&) const;
};

/// Upload [n] doubles.
void assign(DeviceArray<double>& to, const std::vector<double>& from);

/// Throws OverlappingAtoms.
void evaluate(const Potential&, const Structure&, const FittingParams&, bool atomic, WorkerTeam&, Evaluation&);

/// Run body(worker index, tile) for every tile, tile t on worker t % size.
void run_tiles(const WorkerTeam&, const TilePlan&, const std::function<void(int, const Tile&)>& body);

}  // namespace dpcore
