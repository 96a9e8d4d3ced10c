// SPDX-License-Identifier: LGPL-3.0-or-later
// DipoleChargeModifier on one cluster with its list: double, float, and what it refuses.
#include <cmath>
#include <cstdio>
#include <utility>
#include <vector>

#include "deepmd/DataModifier.h"
#include "deepmd/deepmd.hpp"
#include "print.hpp"

int main(int, char** argv) {
  const deepmd::DipoleChargeModifier model(argv[1], 0, "dipole_charge");
  const std::vector<double> coord = {0,   0,   0,   0.96, 0,   0,   -0.24, 0.93, 0,
                                     2.8, 0.1, 0.4, 2.9,  0.3, 0.4, 0.1,   0.1,  0};
  const std::vector<int> type = {0, 1, 1, 0, 2, 2};
  const std::vector<std::pair<int, int>> pairs = {{3, 4}, {0, 5}};
  std::vector<double> pull(coord.size());
  for (std::size_t i = 0; i < pull.size(); ++i) pull[i] = std::sin(static_cast<double>(i));
  std::vector<int> centres = {3, 1, 0, 2}, number(4, 5);
  std::vector<std::vector<int>> rows = {{0, 1, 2, 4, 5}, {0, 2, 3, 4, 5}, {1, 2, 3, 4, 5}, {0, 1, 3, 4, 5}};
  std::vector<int*> first;
  for (auto& row : rows) first.push_back(row.data());
  const deepmd::InputNlist list(4, centres.data(), number.data(), first.data());

  std::vector<double> force, virial;
  model.compute(force, virial, coord, type, {}, pairs, pull, 0, list);
  print("coord", coord);
  print("delef", pull);
  print("force", force);
  print("virial", virial);
  const std::vector<float> x(coord.begin(), coord.end()), g(pull.begin(), pull.end());
  std::vector<float> f, v;
  model.compute(f, v, x, type, {}, pairs, g, 0, list);
  double worst = f.size() == force.size() && v.size() == virial.size() ? 0 : 1e300;
  for (std::size_t i = 0; i < f.size(); ++i) worst = std::fmax(worst, std::fabs(f[i] - force[i]));
  for (std::size_t i = 0; i < v.size(); ++i) worst = std::fmax(worst, std::fabs(v[i] - virial[i]));

  int refused = 0;
  const auto refuse = [&refused](const auto& call) {
    try {
      call();
    } catch (const deepmd::deepmd_exception&) {
      ++refused;
    }
  };
  refuse([&] { deepmd::hpp::DipoleChargeModifier energies(argv[2]); });
  refuse([&] { deepmd::DipoleChargeModifier().cutoff(); });
  refuse([&] {
    deepmd::DipoleChargeModifier twice(argv[1]);
    twice.init(argv[1]);
  });
  refuse([&] { model.compute(force, virial, {0.0}, type, {}, pairs, pull, 0, list); });
  refuse([&] { model.compute(force, virial, coord, type, {}, pairs, {1.0}, 0, list); });
  refuse([&] { model.compute(force, virial, coord, type, {}, {{3, 3}}, pull, 0, list); });
  refuse([&] { model.compute(force, virial, coord, type, {}, pairs, pull, 7, list); });
  std::printf("single %.3g rcut %g types %d selected %zu refused %d\n", worst, model.cutoff(),
              model.numb_types(), model.sel_types().size(), refused);
}
