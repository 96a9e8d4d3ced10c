// SPDX-License-Identifier: LGPL-3.0-or-later
// For programs written for the header-only C++ interface of DeePMD-kit: the same names, from dpcore.
#pragma once

#include "dpcore/DataModifier.h"
#include "dpcore/DeepPot.h"
#include "dpcore/DeepPotModelDevi.h"
#include "dpcore/DeepTensor.h"

namespace deepmd::hpp {

using dpcore::DeepPot;
using dpcore::DeepPotModelDevi;
using dpcore::DeepTensor;
using dpcore::DipoleChargeModifier;
using dpcore::InputNlist;
using deepmd_exception = dpcore::Error;

}  // namespace deepmd::hpp
