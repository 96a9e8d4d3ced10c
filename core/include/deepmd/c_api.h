/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* For programs written for DeePMD-kit: the same C functions, from dpcore. */
#pragma once

#include "dpcore/c_api.h"
