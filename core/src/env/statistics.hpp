// SPDX-License-Identifier: LGPL-3.0-or-later
// Mean and standard deviation of the environment matrix per centre type, over all sum(sel) slots of every
// centre, empty slots counting as zeros (docs/training.md).
#pragma once

#include <vector>

#include "env/env_matrix.hpp"

namespace dpcore {

class EnvMoments {
 public:
  EnvMoments(int ntypes, std::vector<int> sel, double rcut, double rcut_smth);
  void add(const Exec&, const Structure&, Workspace&);
  /// [ntypes, 4]; a type without data has davg 0 and dstd 0.01
  std::vector<double> davg() const;
  std::vector<double> dstd() const;

 private:
  struct Sums {
    double n = 0, radial = 0, radial2 = 0, angular = 0, angular2 = 0;
  };
  int ntypes_, n_slots_;
  std::vector<int> sel_;
  Cutoff cutoff_;
  std::vector<Sums> sums_;
};

}  // namespace dpcore
