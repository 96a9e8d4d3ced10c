// SPDX-License-Identifier: LGPL-3.0-or-later
// Mean and standard deviation of the environment matrix per centre type, over all sum(sel) slots of every
// centre, empty slots counting as zeros (docs/training.md).
#pragma once

#include <vector>

#include "env/env_matrix.hpp"

namespace dpcore {

/// Standard deviation of n numbers with this sum and sum of squares, at least 0.01.
double deviation(double square, double sum, double n);

/// What davg and dstd of a descriptor are summed up in.
class Moments {
 public:
  virtual ~Moments() = default;
  /// Throws OverlappingAtoms.
  virtual void add(const Exec&, const Structure&, Workspace&) = 0;
  /// [ntypes, EnvSpec::n_components] or wider; a type without data has davg 0 and dstd 0.01
  virtual std::vector<double> davg() const = 0;
  virtual std::vector<double> dstd() const = 0;
};

/// Of the environment matrix: [ntypes, 4].
class EnvMoments final : public Moments {
 public:
  EnvMoments(int ntypes, std::vector<int> sel, double rcut, double rcut_smth);
  void add(const Exec&, const Structure&, Workspace&) override;
  std::vector<double> davg() const override;
  std::vector<double> dstd() const override;

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
