// SPDX-License-Identifier: LGPL-3.0-or-later
// For programs written for DeePMD-kit: the same names, from dpcore.
#pragma once

#include "dpcore/DeepTensor.h"

namespace deepmd {

using dpcore::DeepTensor;
using dpcore::InputNlist;
using deepmd_exception = dpcore::Error;

}  // namespace deepmd
