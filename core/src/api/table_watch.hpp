// SPDX-License-Identifier: LGPL-3.0-or-later
// Counts the pairs that lie outside of the tables of a compressed model, and says when the user should hear
// of it.
#pragma once

#include <mutex>
#include <string>

#include "dpcore/model.h"
#include "model/evaluate.hpp"

namespace dpcore {

/// Thread-safe. The first event is told at once; later ones, added up, with the first event at least
/// `frequency` frames later (check_frequency of the model; not above 0: never again).
class TableWatch {
 public:
  explicit TableWatch(const Potential&);
  /// What n_frames frames had: fills outside_pairs, outside_nearest and notice of `out`.
  void add(const OutsideTable&, int n_frames, Prediction& out);

 private:
  const bool linear_;
  const int frequency_;
  std::mutex mutex_;
  long frames_ = 0, told_at_ = 0;
  bool told_ = false;
  OutsideTable since_;
};

}  // namespace dpcore
