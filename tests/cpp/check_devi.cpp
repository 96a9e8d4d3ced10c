// SPDX-License-Identifier: LGPL-3.0-or-later
// DeepPotModelDevi as a program written for DeePMD-kit uses it. Prints a JSON object with what every model
// gives, the statistics, and the largest differences between ways that must agree. Arguments: models with
// types O H and no parameters; the last one does not fit to the others.
#include <cmath>
#include <cstdio>
#include <string>
#include <type_traits>
#include <vector>

#include "deepmd/DeepPot.h"
#include "deepmd/deepmd.hpp"

static_assert(std::is_same<deepmd::hpp::DeepPotModelDevi, deepmd::DeepPotModelDevi>::value,
              "one class, two names");

template <class T>
void print(const char* name, const std::vector<T>& v) {
  std::printf("\"%s\": [", name);
  for (std::size_t k = 0; k < v.size(); ++k)
    std::printf("%s%.17g", k == 0 ? "" : ", ", static_cast<double>(v[k]));
  std::printf("],\n");
}
template <class T>
void print(const char* name, const std::vector<std::vector<T>>& v) {
  std::vector<T> flat;
  for (const auto& row : v) flat.insert(flat.end(), row.begin(), row.end());
  print(name, flat);
}
template <class T, class U>
double difference(const std::vector<std::vector<T>>& a, const std::vector<std::vector<U>>& b) {
  double worst = a.size() == b.size() ? 0.0 : NAN;
  for (std::size_t m = 0; m < a.size() && m < b.size(); ++m) {
    if (a[m].size() != b[m].size()) worst = NAN;
    for (std::size_t k = 0; k < a[m].size() && k < b[m].size(); ++k) {
      const double d = std::fabs(static_cast<double>(a[m][k]) - static_cast<double>(b[m][k]));
      if (!(d <= worst)) worst = d;
    }
  }
  return worst;
}

int main(int argc, char** argv) {
  const std::vector<std::string> names(argv + 1, argv + argc - 1);
  deepmd::DeepPotModelDevi md;
  md.init(names);
  const std::vector<double> coord = {0.1, 0.2, 0.3, 1.05, 0.2, 0.4, -0.1, 1.1, 0.3,
                                     2.6, 2.7, 2.5, 3.5,  2.8, 2.4, 2.3,  3.6, 2.6};
  const std::vector<int> atype = {0, 1, 1, 0, 1, 1};
  const std::vector<double> box = {5, 0, 0, 0.3, 5.2, 0, 0, 0, 5.5};
  std::vector<double> e, e2;
  std::vector<std::vector<double>> f, v, ae, av, f2, v2, ae2, av2;
  md.compute(e, f, v, ae, av, coord, atype, box);
  std::string types;
  md.get_type_map(types);
  std::printf("{\"models\": %d, \"ntypes\": %d, \"types\": \"%s\", \"cutoff\": %.17g,\n", md.numb_models(),
              md.numb_types(), types.c_str(), md.cutoff());
  print("coord", coord);
  print("box", box);
  print("energy", e);
  print("force", f);
  print("virial", v);
  print("atom_energy", ae);
  print("atom_virial", av);

  std::vector<double> avg, dev;
  double mean;
  md.compute_avg(mean, e);
  print("avg_energy", std::vector<double>{mean});
  md.compute_avg(avg, ae);
  print("avg_ae", avg);
  md.compute_std_e(dev, avg, ae);
  print("std_e", dev);
  md.compute_avg(avg, v);
  md.compute_std(dev, avg, v, 1);
  print("std_v", dev);
  md.compute_relative_std(dev, avg, 0.7, 1);
  print("relative_v", dev);
  md.compute_avg(avg, f);
  md.compute_std_f(dev, avg, f);
  print("std_f", dev);
  md.compute_relative_std_f(dev, avg, 0.5);
  print("relative_f", dev);

  md.compute(e2, f2, v2, coord, atype, box);
  std::printf("\"without_atomic\": %.3g,\n", difference(f, f2) + difference(v, v2));
  std::vector<std::vector<float>> ff, vf;
  const std::vector<float> coordf(coord.begin(), coord.end()), boxf(box.begin(), box.end());
  md.compute(e2, ff, vf, coordf, atype, boxf);
  std::vector<float> avgf, devf;
  md.compute_avg(avgf, ff);
  md.compute_std_f(devf, avgf, ff);
  print("std_f32", devf);
  std::printf("\"single\": %.3g,\n", difference(f, ff) + difference(v, vf));

  const deepmd::DeepPotModelDevi low(names, 0, {}, "low");
  low.compute(e2, ff, vf, coordf, atype, boxf);
  double energy;
  std::vector<double> force, virial;
  deepmd::DeepPot(names[0], 0, "", "low").compute(energy, force, virial, coord, atype, box);
  print("low", std::vector<double>{energy, e2[0]});

  // not periodic: with and without a list of all pairs
  md.compute(e, f, v, ae, av, coord, atype, {});
  std::vector<int> ilist, numneigh(6, 5);
  std::vector<std::vector<int>> rows(6);
  std::vector<int*> first;
  for (int i = 0; i < 6; ++i) {
    ilist.push_back(i);
    for (int j = 0; j < 6; ++j) {
      if (j != i) rows[i].push_back(j | (1 << 30));  // a bit that is not part of the index
    }
    first.push_back(rows[i].data());
  }
  deepmd::InputNlist list(6, ilist.data(), numneigh.data(), first.data());
  list.set_mask(0x1FFFFFFF);
  double worst = 0;
  for (int ago = 0; ago < 3; ++ago) {
    md.compute(e2, f2, v2, ae2, av2, coord, atype, {}, 0, list, ago);
    worst =
        std::fmax(worst, difference(f, f2) + difference(v, v2) + difference(ae, ae2) + difference(av, av2));
    md.compute(e2, f2, v2, coord, atype, {}, 0, list, ago);
    worst = std::fmax(worst, difference(f, f2) + difference(v, v2) + difference<double, double>({e}, {e2}));
  }
  std::printf("\"list\": %.3g,\n\"errors\": [", worst);

  const auto refused = [](const char* end, const auto& work) {
    try {
      work();
      std::printf("\"accepted\"%s", end);
    } catch (const deepmd::deepmd_exception& error) {
      std::printf("\"%s\"%s", error.what(), end);
    }
  };
  refused(", ", [&] { md.init(names); });
  refused(", ", [] { deepmd::DeepPotModelDevi().cutoff(); });
  refused(", ", [] { deepmd::DeepPotModelDevi(std::vector<std::string>()); });
  refused(", ", [&] { deepmd::DeepPotModelDevi({argv[1], argv[argc - 1]}); });
  refused(", ", [&] { deepmd::DeepPotModelDevi(names, 0, {"one"}); });
  refused(", ", [&] { deepmd::DeepPot(names[0], 0, "", "half"); });
  refused(", ", [&] { md.compute_avg(avg, std::vector<std::vector<double>>()); });
  refused(", ", [&] { md.compute_std(dev, {1.0, 2.0}, {{1.0, 2.0}, {1.0}}, 1); });
  refused(", ", [&] { md.compute_std(dev, {1.0, 2.0}, {{1.0, 2.0}}, 3); });
  refused("]}\n", [&] { md.compute(e, f, v, std::vector<double>{1.0}, atype, box); });
  return 0;
}
