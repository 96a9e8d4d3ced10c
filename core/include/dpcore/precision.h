// SPDX-License-Identifier: LGPL-3.0-or-later
// The precision in which a model is evaluated, chosen when it is opened. Training is never affected.
#pragma once

#include <string>

#include "dpcore/export.h"

namespace dpcore {

/// Geometry, environment matrix, forces, virials and sums over atoms are float64 in all of them.
enum class Precision {
  Stored,  ///< networks and descriptors as the model file has them
  High,    ///< everything in float64
  Mixed,   ///< fitting nets and the tables of embedding nets in float32, sums over neighbours in float64
  Low      ///< networks and descriptors in float32
};

/// Of "high", "mixed" or "low"; of "" what the environment variable DP_INTERFACE_PREC says, Stored without
/// it. Throws Error: another word.
DPCORE_API Precision precision_from(const std::string& word);

/// "stored", "high", "mixed" or "low"
DPCORE_API std::string name_of(Precision);

}  // namespace dpcore
