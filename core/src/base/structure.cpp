// SPDX-License-Identifier: LGPL-3.0-or-later
#include "base/structure.hpp"

#include <algorithm>
#include <string>

namespace dpcore {

namespace {

template <class T>
void upload(const std::vector<T>& from, DeviceArray<T>& to, const std::string& label) {
  if (to.extent(0) < from.size()) {
    to = DeviceArray<T>(Kokkos::view_alloc(Kokkos::WithoutInitializing, label), from.size() + from.size() / 8);
  }
  if (from.empty()) return;
  Kokkos::deep_copy(
      Kokkos::subview(to, std::make_pair(std::size_t{0}, from.size())),
      Kokkos::View<const T*, Kokkos::HostSpace, Kokkos::MemoryTraits<Kokkos::Unmanaged>>(from.data(), from.size()));
}

}  // namespace

void DeviceStructure::assign(const Structure& s, const TilePlan& plan) {
  upload(s.coord, coord, "dpcore::coord");
  upload(s.type, type, "dpcore::type");
  upload(s.target, target, "dpcore::target");
  upload(s.frame, frame, "dpcore::frame");
  upload(s.neighbor, neighbor, "dpcore::neighbor");
  upload(s.first, first, "dpcore::first");
  upload(plan.centre, centre, "dpcore::centre");
}

TilePlan plan_tiles(const Structure& structure, int ntypes, int workers, int largest, int smallest) {
  TilePlan plan;
  plan.type_begin.assign(static_cast<std::size_t>(ntypes) + 1, 0);
  for (int i = 0; i < structure.n_local; ++i) {
    const int t = structure.type[static_cast<std::size_t>(i)];
    if (t >= 0) ++plan.type_begin[static_cast<std::size_t>(t) + 1];
  }
  for (int t = 0; t < ntypes; ++t) {
    plan.type_begin[static_cast<std::size_t>(t) + 1] += plan.type_begin[static_cast<std::size_t>(t)];
  }
  plan.centre.resize(static_cast<std::size_t>(plan.type_begin.back()));
  std::vector<int> cursor(plan.type_begin.begin(), plan.type_begin.end() - 1);
  for (int i = 0; i < structure.n_local; ++i) {
    const int t = structure.type[static_cast<std::size_t>(i)];
    if (t >= 0) plan.centre[static_cast<std::size_t>(cursor[static_cast<std::size_t>(t)]++)] = i;
  }
  for (int t = 0; t < ntypes; ++t) {
    const int begin = plan.type_begin[static_cast<std::size_t>(t)];
    const int n = plan.type_begin[static_cast<std::size_t>(t) + 1] - begin;
    if (n == 0) continue;
    const int needed = (n + largest - 1) / largest;
    const int shared = (needed + workers - 1) / workers * workers;
    const int cap = std::max(1, n / std::max(1, smallest));
    const int n_tiles = std::max(needed, std::min(shared, cap));
    for (int k = 0; k < n_tiles; ++k) {
      Tile tile;
      tile.type = t;
      tile.row = static_cast<int>(static_cast<std::int64_t>(n) * k / n_tiles);
      tile.begin = begin + tile.row;
      tile.end = begin + static_cast<int>(static_cast<std::int64_t>(n) * (k + 1) / n_tiles);
      plan.tiles.push_back(tile);
    }
  }
  return plan;
}

}  // namespace dpcore
