// SPDX-License-Identifier: LGPL-3.0-or-later
// How far several models differ on one water molecule, from C++.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "dpcore/DeepPotModelDevi.h"

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s MODEL MODEL...\n", argv[0]);
    return 2;
  }
  try {
    const dpcore::DeepPotModelDevi models(std::vector<std::string>(argv + 1, argv + argc));
    const std::vector<double> coord = {0.0, 0.0, 0.0, 0.96, 0.0, 0.0, -0.24, 0.93, 0.0};  // A
    const std::vector<double> cell = {10.0, 0.0, 0.0, 0.0, 10.0, 0.0, 0.0, 0.0, 10.0};
    const std::vector<int> atype = {0, 1, 1};  // O H H
    std::vector<double> energy, mean, deviation;
    std::vector<std::vector<double>> force, virial;  // of each model
    models.compute(energy, force, virial, coord, atype, cell);
    for (std::size_t m = 0; m < energy.size(); ++m)
      std::printf("%s: energy %.12f eV\n", argv[m + 1], energy[m]);

    models.compute_avg(mean, force);
    models.compute_std_f(deviation, mean, force);  // one number for each atom
    std::printf("force deviation: max %.6e min %.6e eV/A\n",
                *std::max_element(deviation.begin(), deviation.end()),
                *std::min_element(deviation.begin(), deviation.end()));
    models.compute_avg(mean, virial);
    models.compute_std(deviation, mean, virial, 1);  // one number for each component
    double sum = 0.0;
    for (const double d : deviation) sum += d * d;
    std::printf("virial deviation: rms %.6e eV\n", std::sqrt(sum / 9.0));
  } catch (const dpcore::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
