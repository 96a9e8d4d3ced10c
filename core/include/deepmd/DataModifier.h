// SPDX-License-Identifier: LGPL-3.0-or-later
// For programs written for DeePMD-kit: the same names, from dpcore.
#pragma once

#include "dpcore/DataModifier.h"

namespace deepmd {

using dpcore::DipoleChargeModifier;
using dpcore::InputNlist;
using deepmd_exception = dpcore::Error;

}  // namespace deepmd
