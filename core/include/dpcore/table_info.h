// SPDX-License-Identifier: LGPL-3.0-or-later
#pragma once

#include <cstddef>
#include <string>

namespace dpcore {

/// The table that stands for one embedding net of a compressed model, or to which what is evaluated in its
/// place is equal but for 1e-9; see docs/compress.md. Distances between
/// nodes and ends are in units of the net's input.
struct TableInfo {
  std::string net;                        ///< such as "net_0" or "net_0_1"
  double lower = 0, upper = 0, last = 0;  ///< fine steps up to `upper`, coarse ones up to `last` (of se_e3
                                          ///< from DeePMD-kit also from -last to `lower`)
  double fine = 0, coarse = 0;
  int intervals = 0;
  std::size_t bytes = 0;  ///< that it takes where it is looked up
};

}  // namespace dpcore
