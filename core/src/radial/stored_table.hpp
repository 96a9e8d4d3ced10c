// SPDX-License-Identifier: LGPL-3.0-or-later
// A table that a model file holds in place of a net: what is left of the net in models that DeePMD-kit
// compressed.
#pragma once

#include <vector>

namespace dpcore {

/// Row j of `rows` is G_m(s) = sum_p rows[j][p][m] t^p with t = s - node. For s below `lower` j counts steps
/// `coarse` from `first`, up to `upper` steps `fine` from `lower` behind the `n_below` rows of these, above
/// steps `coarse` from `upper` behind `n_fine` more; a quotient is cut off, as DeePMD-kit does.
struct StoredTable {
  std::vector<double> info;  // [8] first, lower, upper, last, fine, coarse, n_below, n_fine
  std::vector<double> rows;  // [n, 6, n_out]
};

}  // namespace dpcore
