// SPDX-License-Identifier: LGPL-3.0-or-later
// Minimum-norm least squares on the host.
#pragma once

#include <vector>

namespace dpcore {

/// x [n] minimising |A x - b| with the smallest |x|; a [m * n] row-major, b [m]. Singular values below rcond
/// times the largest count as zero. Throws Error where the sizes do not fit or a number is not finite.
std::vector<double> least_squares(const std::vector<double>& a, const std::vector<double>& b, int n,
                                  double rcond);

}  // namespace dpcore
