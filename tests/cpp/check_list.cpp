// SPDX-License-Identifier: LGPL-3.0-or-later
// A program written against deepmd/DeepPot.h: results with a neighbour list and ghosts of its own, folded
// back, against those without. Prints the largest differences; argument: a model with types O H and no
// parameters.
#include <cmath>
#include <cstdio>
#include <vector>

#include "deepmd/DeepPot.h"

int main(int, char** argv) {
  deepmd::DeepPot dp(argv[1]);
  const double length = 5.0;
  const std::vector<double> coord = {0.1, 0.2, 0.3, 1.05, 0.2, 0.4, -0.1 + length, 1.1, 0.3,
                                     2.6, 2.7, 2.5, 3.5,  2.8, 2.4, 2.3,           3.6, 2.6};
  const std::vector<int> atype = {0, 1, 1, 0, 1, 1};
  const std::vector<double> box = {length, 0, 0, 0, length, 0, 0, 0, length};
  const int n = static_cast<int>(atype.size());
  double e0;
  std::vector<double> f0, v0, ae0, av0;
  dp.compute(e0, f0, v0, ae0, av0, coord, atype, box);

  // ghosts: all images within the cut-off, and a virtual atom (type 2) that the model must not see
  std::vector<double> x = coord;
  std::vector<int> type = atype, owner = {0, 1, 2, 3, 4, 5};
  const int reach = static_cast<int>(std::ceil(dp.cutoff() / length)) + 1;
  for (int a = -reach; a <= reach; ++a) {
    for (int b = -reach; b <= reach; ++b) {
      for (int c = -reach; c <= reach; ++c) {
        if (a == 0 && b == 0 && c == 0) continue;
        for (int i = 0; i < n; ++i) {
          for (int d = 0; d < 3; ++d) x.push_back(coord[3 * i + d] + length * (d == 0 ? a : d == 1 ? b : c));
          type.push_back(atype[i]);
          owner.push_back(i);
        }
      }
    }
  }
  x.insert(x.end(), {1.0, 1.0, 1.0});
  type.push_back(2);
  owner.push_back(0);
  const int n_all = static_cast<int>(type.size());
  const double skin = dp.cutoff() + 0.5;
  std::vector<int> ilist, numneigh;
  std::vector<std::vector<int>> rows;
  std::vector<int*> first;
  for (int i = n - 1; i >= 0; --i) {  // any order of centres
    ilist.push_back(i);
    rows.emplace_back();
    for (int j = 0; j < n_all; ++j) {
      double r2 = 0;
      for (int d = 0; d < 3; ++d) r2 += (x[3 * j + d] - x[3 * i + d]) * (x[3 * j + d] - x[3 * i + d]);
      if (j != i && r2 < skin * skin) rows.back().push_back(j);
    }
    numneigh.push_back(static_cast<int>(rows.back().size()));
  }
  for (auto& r : rows) first.push_back(r.data());
  const deepmd::InputNlist list(n, ilist.data(), numneigh.data(), first.data());
  double worst = 0;
  for (int ago = 0; ago < 2; ++ago) {
    double e;
    std::vector<double> f, v, ae, av;
    dp.compute(e, f, v, ae, av, x, type, box, n_all - n, list, ago);
    std::vector<double> folded(3 * n, 0.0);
    for (int j = 0; j < n_all; ++j) {
      for (int d = 0; d < 3; ++d) folded[3 * owner[j] + d] += f[3 * j + d];
    }
    worst = std::fmax(worst, std::fabs(e - e0));
    for (int k = 0; k < 3 * n; ++k) worst = std::fmax(worst, std::fabs(folded[k] - f0[k]));
    for (int k = 0; k < 9; ++k) worst = std::fmax(worst, std::fabs(v[k] - v0[k]));
    for (int i = 0; i < n; ++i) worst = std::fmax(worst, std::fabs(ae[i] - ae0[i]));
  }
  // single precision coordinates, several frames
  const std::vector<float> coord32(coord.begin(), coord.end()), box32(box.begin(), box.end());
  std::vector<float> two(coord32), boxes(box32), f32, v32;
  two.insert(two.end(), coord32.begin(), coord32.end());
  boxes.insert(boxes.end(), box32.begin(), box32.end());
  std::vector<double> energies;
  dp.compute(energies, f32, v32, two, atype, boxes);
  const bool frames_ok =
      energies.size() == 2 && energies[0] == energies[1] && f32.size() == 36 && v32.size() == 18;
  // an error crosses the library boundary
  bool refused = false;
  try {
    dp.compute(e0, f0, v0, std::vector<double>{1.0}, atype, box);
  } catch (const deepmd::deepmd_exception&) {
    refused = true;
  }
  std::printf("worst %.3e scale %.3e frames %d refused %d single %.3e\n", worst,
              std::fabs(f0.empty() ? 0 : f0[0]), frames_ok, refused, std::fabs(energies[0] - e0));
  return 0;
}
