// SPDX-License-Identifier: LGPL-3.0-or-later
// A line of a name and numbers, as the Python tests read it.
#pragma once

#include <cstdio>
#include <vector>

inline void print(const char* name, const std::vector<double>& x) {
  std::printf("%s", name);
  for (const double v : x) std::printf(" %.17g", v);
  std::printf("\n");
}
