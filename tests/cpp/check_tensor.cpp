// SPDX-License-Identifier: LGPL-3.0-or-later
// Every form of DeepTensor::compute on one molecule without periodicity: with and without a list, double and
// float.
#include <cstdio>
#include <string>
#include <vector>

#include "deepmd/DeepTensor.h"
#include "print.hpp"

int main(int, char** argv) {
  const deepmd::DeepTensor model(argv[1]);
  const std::vector<double> coord = {0, 0, 0, 0.96, 0, 0, -0.24, 0.93, 0, 2.8, 0.1, 0.4};
  const std::vector<int> type = {0, 1, 1, 0};
  std::vector<int> centres = {3, 1, 0, 2}, number(4, 3);
  std::vector<std::vector<int>> rows = {{0, 1, 2}, {0, 2, 3}, {1, 2, 3}, {0, 1, 3}};
  std::vector<int*> first;
  for (auto& row : rows) first.push_back(row.data());
  const deepmd::InputNlist list(4, centres.data(), number.data(), first.data());

  std::vector<double> total, force, virial, atomic, atom_virial, other;
  model.compute(total, force, virial, atomic, atom_virial, coord, type, {});
  print("total", total);
  print("force", force);
  print("virial", virial);
  print("atomic", atomic);
  print("atom_virial", atom_virial);
  double worst = 0;
  const auto compare = [&worst](const auto& a, const auto& b) {
    if (a.size() != b.size()) worst = 1e300;
    for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
      const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
      if (!(d <= worst && -d <= worst)) worst = d < 0 ? -d : d;
    }
  };
  std::vector<double> t, f, v, a, av;
  model.compute(t, f, v, coord, type, {});
  compare(t, total), compare(f, force), compare(v, virial);
  model.compute(a, coord, type, {});
  compare(a, atomic);
  model.compute(a, coord, type, {}, 0, list);
  compare(a, atomic);
  model.compute(t, f, v, coord, type, {}, 0, list);
  compare(t, total), compare(f, force), compare(v, virial);
  model.compute(t, f, v, a, av, coord, type, {}, 0, list);
  compare(t, total), compare(f, force), compare(v, virial), compare(a, atomic), compare(av, atom_virial);
  const double in_double = worst;
  const std::vector<float> x(coord.begin(), coord.end());
  std::vector<float> ft, ff, fv, fa, fav;
  model.compute(ft, ff, fv, fa, fav, x, type, {});
  compare(ft, total), compare(ff, force), compare(fv, virial), compare(fa, atomic), compare(fav, atom_virial);
  std::string names;
  model.get_type_map(names);
  std::printf("worst %.3g single %.3g k %d selected %zu types %s rcut %g\n", in_double, worst,
              model.output_dim(), model.sel_types().size(), names.c_str(), model.cutoff());
  int refused = 0;
  const auto refuse = [&refused](const auto& call) {
    try {
      call();
    } catch (const deepmd::deepmd_exception&) {
      ++refused;
    }
  };
  refuse([&] { deepmd::DeepTensor energies(argv[2]); });
  refuse([&] { dpcore::DeepPot tensors(argv[1]); });
  refuse([&] { deepmd::DeepTensor scoped(argv[1], 0, "scope"); });
  refuse([&] { deepmd::DeepTensor().cutoff(); });
  refuse([&] { model.compute(a, {0.0}, type, {}); });
  refuse([&] { model.compute(a, coord, type, {1.0}); });
  refuse([&] { model.compute(a, coord, type, {}, 5, list); });
  std::printf("refused %d\n", refused);
}
