// SPDX-License-Identifier: LGPL-3.0-or-later
#include "base/structure.hpp"

#include <algorithm>
#include <string>

namespace dpcore {

namespace {

template <class T>
void provide(const std::vector<T>& from, DeviceArray<T>& room, Vector<const T>& to,
             const std::string& label) {
  if constexpr (kExecOnHost) {
    (void)room;
    (void)label;
    to = Vector<const T>(from.data(), from.size());
  } else {
    if (room.extent(0) < from.size()) {
      room = DeviceArray<T>(Kokkos::view_alloc(Kokkos::WithoutInitializing, label),
                            from.size() + from.size() / 8);
    }
    to = Vector<const T>(room.data(), from.size());
    if (from.empty()) return;
    Kokkos::deep_copy(Vector<T>(room.data(), from.size()),
                      Kokkos::View<const T*, Kokkos::HostSpace, Kokkos::MemoryTraits<Kokkos::Unmanaged>>(
                          from.data(), from.size()));
  }
}

/// Type of centre i; negative if it is none.
int centre_type(const Structure& s, int i) {
  const auto k = static_cast<std::size_t>(i);
  return s.is_centre.empty() || s.is_centre[k] ? s.type[k] : -1;
}

}  // namespace

void DeviceStructure::assign(const Structure& s, const TilePlan& plan) {
  provide(s.coord, coord_, coord, "dpcore::coord");
  provide(s.type, type_, type, "dpcore::type");
  provide(s.target, target_, target, "dpcore::target");
  provide(s.frame, frame_, frame, "dpcore::frame");
  if (kExecOnHost || s.list == 0 || s.list != list_) {  // the largest copies by far
    provide(s.neighbor, neighbor_, neighbor, "dpcore::neighbor");
    provide(s.first, first_, first, "dpcore::first");
    list_ = s.list;
  }
  provide(s.aparam, aparam_, aparam, "dpcore::aparam");
  provide(plan.centre, centre_, centre, "dpcore::centre");
  std::size_t most = 0;
  for (std::size_t i = 1; i < s.first.size(); ++i) most = std::max(most, s.first[i] - s.first[i - 1]);
  longest = static_cast<int>(most);
  if constexpr (kExecOnHost) kept = s.kept;
}

TilePlan plan_tiles(const Structure& structure, int ntypes, int workers, int large, int smallest) {
  TilePlan plan;
  plan.type_begin.assign(static_cast<std::size_t>(ntypes) + 1, 0);
  for (int i = 0; i < structure.n_local; ++i) {
    const int t = centre_type(structure, i);
    if (t >= 0) ++plan.type_begin[static_cast<std::size_t>(t) + 1];
  }
  for (int t = 0; t < ntypes; ++t) {
    plan.type_begin[static_cast<std::size_t>(t) + 1] += plan.type_begin[static_cast<std::size_t>(t)];
  }
  plan.centre.resize(static_cast<std::size_t>(plan.type_begin.back()));
  std::vector<int> cursor(plan.type_begin.begin(), plan.type_begin.end() - 1);
  for (int i = 0; i < structure.n_local; ++i) {
    const int t = centre_type(structure, i);
    if (t >= 0) plan.centre[static_cast<std::size_t>(cursor[static_cast<std::size_t>(t)]++)] = i;
  }
  for (int t = 0; t < ntypes; ++t) {
    const int begin = plan.type_begin[static_cast<std::size_t>(t)];
    const int n = plan.type_begin[static_cast<std::size_t>(t) + 1] - begin;
    if (n == 0) continue;
    const int needed = std::max(1, (n + large / 2) / large);
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
