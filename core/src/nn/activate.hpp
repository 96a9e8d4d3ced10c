// SPDX-License-Identifier: LGPL-3.0-or-later
// Activation of a whole array.
#pragma once

#include "base/views.hpp"
#include "nn/activation.hpp"

namespace dpcore {

/// On n numbers: y = phi(y), d1 = phi'(y), d2 = phi''(y) of the old y; d2 may be null.
template <class S>
void activate(const Exec&, Activation, std::size_t n, S* y, S* d1, S* d2);

}  // namespace dpcore
