// SPDX-License-Identifier: LGPL-3.0-or-later
// The energy of one water molecule with a model made by `dp freeze`, from C++.
#include <cstdio>
#include <vector>

#include "dpcore/DeepPot.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s MODEL\n", argv[0]);
    return 2;
  }
  try {
    const dpcore::DeepPot dp(argv[1]);
    dp.print_summary("");
    const std::vector<double> coord = {0.0, 0.0, 0.0, 0.96, 0.0, 0.0, -0.24, 0.93, 0.0};  // A
    const std::vector<double> cell = {10.0, 0.0, 0.0, 0.0, 10.0, 0.0, 0.0, 0.0, 10.0};
    const std::vector<int> atype = {0, 1, 1};  // O H H
    double e;
    std::vector<double> f, v;
    dp.compute(e, f, v, coord, atype, cell);
    std::printf("energy %.12f eV\n", e);
    for (std::size_t i = 0; i < atype.size(); ++i) {
      std::printf("force %16.12f %16.12f %16.12f eV/A\n", f[3 * i], f[3 * i + 1], f[3 * i + 2]);
    }
  } catch (const dpcore::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
