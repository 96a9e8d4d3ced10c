// SPDX-License-Identifier: LGPL-3.0-or-later
// Where the nodes of a quintic table are: two levels of steps, from the recipe of a compressed model and the
// interval of a net's input, or those of a table that came as it is.
#pragma once

#include <string>

#include "base/json_config.hpp"
#include "radial/stored_table.hpp"

namespace dpcore {

/// A number for messages, 1e-05 and not 0.000010.
std::string number(double x);

enum class Outside { Net, Linear };

/// The section "compress" of a descriptor.
struct TableSpec {
  double min_nbor_dist = 0;  // A, the shortest distance of the training data: the end of the fine steps
  double step = 0.01;        // of the net's input
  double extrapolate = 5;    // the coarse steps reach to this times the upper end of the fine ones
  Outside outside = Outside::Net;
  bool stored = false;  // there are no nets: the model file has the tables, and only `outside` counts, Linear
  static TableSpec from_json(const nlohmann::json& section, const std::string& path);
};

struct TableGrid {
  double lower = 0, upper = 0, last = 0;  // fine from lower to upper, coarse from upper to last
  double fine = 0, coarse = 0;            // the steps that divide them evenly, not larger than asked for
  int n_fine = 0, n_coarse = 0;           // intervals
  double first = 0;                       // where the table begins: `lower`,
  int n_below = 0;                        // or so many coarse intervals below it
  int n() const { return n_below + n_fine + n_coarse; }
  /// For inputs from `smallest` to `largest`, rounded outwards to integers as the reference does.
  static TableGrid make(const TableSpec&, double smallest, double largest);
  /// The coarse steps above `upper` alone; there are some.
  TableGrid beyond() const;
  /// Of a stored table with n_out columns; throws Error where its numbers do not fit together.
  static TableGrid of(const StoredTable&, int n_out);
};

}  // namespace dpcore
