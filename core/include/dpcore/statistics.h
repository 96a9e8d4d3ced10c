// SPDX-License-Identifier: LGPL-3.0-or-later
// What training needs to know of its data before it starts.
#pragma once

#include <map>

#include "dpcore/model.h"
#include "dpcore/model_file.h"

namespace dpcore {

/// Smallest distance and largest neighbour counts over all frames.
struct NeighborSummary {
  double min_distance;                       ///< A; infinity where no pair was seen
  int frame = -1, atom_i = -1, atom_j = -1;  ///< where
  std::vector<int> max_size;                 ///< [ntypes] largest number of neighbours of a type within rcut
};

/// Frames::type must be >= 0 and below ntypes. rcut in A.
DPCORE_API NeighborSummary neighbor_stat(const Frames&, double rcut, int ntypes);

/// Energies per type [ntypes] that explain total energies [n] best, given the number of atoms of each type in
/// them, counts [n, ntypes]: least squares with singular values below rcond times the largest left out, so
/// that one composition alone gives the solution of smallest norm.
DPCORE_API std::vector<double> energy_bias(const std::vector<double>& energy,
                                           const std::vector<double>& counts, int ntypes, double rcond);

/// Mean and standard deviation of the environment matrix per centre type, over all slots, the empty ones
/// included; the angular mean is 0 by symmetry, deviations below 0.01 are 0.01, and set_davg_zero sets the
/// mean to 0.
class DPCORE_API EnvStatistics {
 public:
  EnvStatistics(const std::string& descriptor_config, int ntypes);
  ~EnvStatistics();
  void add(const Frames&);
  /// As in the model file: descriptor/davg and descriptor/dstd, [ntypes, 4], or [ntypes, 1] of a descriptor
  /// of distances; of a hybrid descriptor one pair for each part, descriptor/part_0/davg ...
  std::map<std::string, Tensor> tensors() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dpcore
