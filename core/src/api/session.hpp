// SPDX-License-Identifier: LGPL-3.0-or-later
// What the prediction calls of the facade share.
#pragma once

#include <string>
#include <vector>

#include "api/frames.hpp"
#include "model/evaluate.hpp"

namespace dpcore {

/// Everything one prediction works with, kept for the next one.
struct SessionData {
  WorkerTeam team;
  FrameLists lists;
  Structure structure;
  FittingParams params;
  Evaluation evaluation;
};

/// Add to the prediction's counts of atoms with more neighbours than sel; with DP_STRICT_SEL=1 throw Error
/// instead.
void count_overflow(const SelOverflow&, const std::vector<std::string>& type_map, const std::string& where,
                    Prediction&);

}  // namespace dpcore
