// SPDX-License-Identifier: LGPL-3.0-or-later
#include "neighbors/neighbor_stat.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>

#include "base/runtime.hpp"
#include "dpcore/errors.h"

namespace dpcore {
namespace {

/// Centres per worker below which a further thread does not pay.
constexpr int kFewest = 256;

struct Part {
  double square = std::numeric_limits<double>::infinity();
  int i = -1, j = -1;
  std::vector<int> max_count;
};

/// Statistics of the centres begin..end-1.
void collect(const NeighborList& list, const int* types, int begin, int end, Part& part) {
  std::vector<int> count(part.max_count.size());
  for (int i = begin; i < end; ++i) {
    std::fill(count.begin(), count.end(), 0);
    const double* centre = &list.coord[3 * static_cast<std::size_t>(i)];
    const std::size_t last = list.first[static_cast<std::size_t>(i) + 1];
    for (std::size_t p = list.first[static_cast<std::size_t>(i)]; p < last; ++p) {
      const auto j = static_cast<std::size_t>(list.neighbor[p]);
      const int owner = list.owner[j];
      ++count[static_cast<std::size_t>(types[owner])];
      const double* r = &list.coord[3 * j];
      const double dx = r[0] - centre[0], dy = r[1] - centre[1], dz = r[2] - centre[2];
      const double square = dx * dx + dy * dy + dz * dz;
      if (square < part.square) {
        part.square = square;
        part.i = i;
        part.j = owner;
      }
    }
    for (std::size_t t = 0; t < count.size(); ++t) part.max_count[t] = std::max(part.max_count[t], count[t]);
  }
}

}  // namespace

void accumulate_neighbor_stat(const NeighborList& list, const int* types, int ntypes, NeighborStat& stat,
                              int workers) {
  const int n = list.n_local;
  for (int i = 0; i < n; ++i) {
    if (types[i] >= 0 && types[i] < ntypes) continue;
    throw Error("types: atom " + std::to_string(i) + " (counted from 0) has type " +
                std::to_string(types[i]) + "; expected 0.." + std::to_string(ntypes - 1) +
                ", the number of types is " + std::to_string(ntypes));
  }
  const auto size = static_cast<std::size_t>(std::max(0, ntypes));
  if (stat.max_count.size() < size) stat.max_count.resize(size, 0);
  const int most = workers == 1 || n < 2 * kFewest ? 1 : workers > 0 ? workers : n_workers();
  const int n_parts = std::max(1, std::min(most, n / kFewest));
  std::vector<Part> parts(static_cast<std::size_t>(n_parts));
  run_workers(n_parts, [&](int w) {
    Part& part = parts[static_cast<std::size_t>(w)];
    part.max_count.assign(size, 0);
    const auto bound = [&](int k) { return static_cast<int>(static_cast<long long>(n) * k / n_parts); };
    collect(list, types, bound(w), bound(w + 1), part);
  });
  for (const Part& part : parts) {  // in the order of the centres: the first of equal distances stays
    if (part.i >= 0 && std::sqrt(part.square) < stat.min_distance) {
      stat.min_distance = std::sqrt(part.square);
      stat.atom_i = part.i;
      stat.atom_j = part.j;
    }
    for (std::size_t t = 0; t < size; ++t) stat.max_count[t] = std::max(stat.max_count[t], part.max_count[t]);
  }
}

}  // namespace dpcore
