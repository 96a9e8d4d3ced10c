// SPDX-License-Identifier: LGPL-3.0-or-later
// A model's config for evaluation in another precision than that of its file.
#pragma once

#include <nlohmann/json.hpp>

#include "dpcore/precision.h"

namespace dpcore {

/// The `model` section with the keys `precision` of descriptors and fitting net as asked for. Of `mixed` the
/// descriptors get "mixed" (float64; two-body ones with tables in float32), the fitting net "float32".
nlohmann::json with_precision(nlohmann::json config, Precision);

}  // namespace dpcore
