// SPDX-License-Identifier: LGPL-3.0-or-later
#include "env/pairs.hpp"

#include <algorithm>
#include <cmath>

namespace dpcore {

namespace {

constexpr double kSamePosition2 = 1e-16;  // A^2: nearer than 1e-8 A is the same position

}  // namespace

void SelOverflow::merge(const SelOverflow& o) {
  atoms += o.atoms;
  if (o.worst_excess > worst_excess) {
    worst_excess = o.worst_excess;
    type = o.type;
  }
}

void select_pairs(const Exec& exec, const DeviceStructure& structure, const Tile& tile, double rcut,
                  const std::vector<int>& sel, const std::vector<bool>& wanted, TilePairs& pairs,
                  SelOverflow& overflow, Workspace& ws) {
  const int ntypes = static_cast<int>(sel.size()), n = tile.size();
  const auto coord = structure.coord;
  const auto type = structure.type, neighbor = structure.neighbor, centre = structure.centre;
  const auto first = structure.first;
  const int begin = tile.begin;
  const double rcut2 = rcut * rcut;

  const Vector<int> limit = ws.vector<int>(static_cast<std::size_t>(ntypes));
  const auto limit_host = Kokkos::create_mirror_view(limit);
  for (int b = 0; b < ntypes; ++b) {
    const int slots = sel[static_cast<std::size_t>(b)];  // 0 hides a type on purpose
    limit_host(b) = wanted[static_cast<std::size_t>(b)] && slots > 0 ? slots : -1;
  }
  mirror_copy(exec, limit, limit_host);

  // count per (neighbour type, row), before and after the limit
  const int n_cells = ntypes * n;
  const Vector<int> found = ws.vector<int>(static_cast<std::size_t>(n_cells));
  const Vector<int> offset = ws.vector<int>(static_cast<std::size_t>(n_cells) + 1);
  const Vector<int> overlap = ws.vector<int>(2);
  const auto overlap_host = Kokkos::create_mirror_view(overlap);
  overlap_host(0) = overlap_host(1) = -1;
  mirror_copy(exec, overlap, overlap_host);
  for_each(
      exec, "dpcore::count_pairs", n, KOKKOS_LAMBDA(const int i) {
        for (int b = 0; b < ntypes; ++b) found(b * n + i) = 0;
        const int c = centre(begin + i);
        for (std::size_t k = first(c); k < first(c + 1); ++k) {
          const int j = neighbor(k), t = type(j);
          if (t < 0 || limit(t) < 0) continue;
          const double x = coord(3 * j) - coord(3 * c), y = coord(3 * j + 1) - coord(3 * c + 1),
                       z = coord(3 * j + 2) - coord(3 * c + 2);
          const double r2 = x * x + y * y + z * z;
          if (r2 >= rcut2) continue;
          ++found(t * n + i);
          if (r2 < kSamePosition2) {
            overlap(0) = c;
            overlap(1) = j;
          }
        }
      });
  const auto found_host = Kokkos::create_mirror_view(found);
  const auto offset_host = Kokkos::create_mirror_view(offset);
  mirror_copy(exec, found_host, found);
  mirror_copy(exec, overlap_host, overlap);
  if (overlap_host(0) >= 0) throw OverlappingAtoms{overlap_host(0), overlap_host(1)};
  offset_host(0) = 0;
  bool overflowed = false;
  std::vector<bool> row_overflows(static_cast<std::size_t>(n), false);
  for (int b = 0; b < ntypes; ++b) {
    for (int i = 0; i < n; ++i) {
      const int cell = b * n + i, most = std::max(0, limit_host(b));
      const int excess = found_host(cell) - most;
      if (excess > 0) {
        SelOverflow one;
        one.atoms = row_overflows[static_cast<std::size_t>(i)] ? 0 : 1;
        one.worst_excess = excess;
        one.type = b;
        overflow.merge(one);
        row_overflows[static_cast<std::size_t>(i)] = overflowed = true;
      }
      offset_host(cell + 1) = offset_host(cell) + std::min(found_host(cell), most);
    }
  }
  mirror_copy(exec, offset, offset_host);
  pairs.segment.resize(static_cast<std::size_t>(ntypes) + 1);
  for (int b = 0; b <= ntypes; ++b) pairs.segment[static_cast<std::size_t>(b)] = offset_host(b * n);

  const auto n_pairs = static_cast<std::size_t>(pairs.segment.back());
  pairs.n_rows = n;
  pairs.n_pairs = static_cast<int>(n_pairs);
  pairs.offset = offset;
  pairs.row = ws.vector<int>(n_pairs);
  pairs.atom = ws.vector<int>(n_pairs);
  pairs.r = ws.matrix<double>(n_pairs, 3);
  pairs.r_dot = Matrix<double>();
  pairs.d_r = ws.matrix<double>(n_pairs, 3);
  const Vector<int> row = pairs.row, atom = pairs.atom;
  const Matrix<double> r = pairs.r;
  const Vector<int> filled = ws.vector<int>(static_cast<std::size_t>(n_cells));
  for_each(
      exec, "dpcore::fill_pairs", n, KOKKOS_LAMBDA(const int i) {
        for (int b = 0; b < ntypes; ++b) filled(b * n + i) = 0;
        const int c = centre(begin + i);
        const double cx = coord(3 * c), cy = coord(3 * c + 1), cz = coord(3 * c + 2);
        for (std::size_t k = first(c); k < first(c + 1); ++k) {
          const int j = neighbor(k), t = type(j);
          if (t < 0 || limit(t) < 0) continue;
          const double x = coord(3 * j) - cx, y = coord(3 * j + 1) - cy, z = coord(3 * j + 2) - cz;
          const double r2 = x * x + y * y + z * z;
          if (r2 >= rcut2) continue;
          const int cell = t * n + i;
          if (overflowed && found(cell) > limit(t)) {
            // keep this neighbour if fewer than sel of its type are nearer
            int nearer = 0;
            for (std::size_t l = first(c); l < first(c + 1); ++l) {
              const int o = neighbor(l);
              if (type(o) != t || o == j) continue;
              const double ox = coord(3 * o) - cx, oy = coord(3 * o + 1) - cy, oz = coord(3 * o + 2) - cz;
              const double o2 = ox * ox + oy * oy + oz * oz;
              if (o2 < r2 || (o2 == r2 && o < j)) ++nearer;
            }
            if (nearer >= limit(t)) continue;
          }
          const int p = offset(cell) + filled(cell)++;
          row(p) = i;
          atom(p) = j;
          r(p, 0) = x;
          r(p, 1) = y;
          r(p, 2) = z;
        }
      });
}

PairRanges pair_ranges(const Exec& exec, const DeviceStructure& structure, const TilePlan& plan, int ntypes, double rcut,
                       Workspace& ws) {
  Workspace::Scope scope(ws);
  const int n = static_cast<int>(plan.centre.size());
  const auto coord = structure.coord;
  const auto type = structure.type, neighbor = structure.neighbor, centre = structure.centre;
  const auto first = structure.first;
  const double rcut2 = rcut * rcut;
  const auto n_rows = static_cast<std::size_t>(n), columns = static_cast<std::size_t>(ntypes);
  const Matrix<int> count = ws.matrix<int>(n_rows, columns);
  const Matrix<double> nearest2 = ws.matrix<double>(n_rows, columns);
  for_each(
      exec, "dpcore::pair_ranges", n, KOKKOS_LAMBDA(const int i) {
        for (int b = 0; b < ntypes; ++b) {
          count(i, b) = 0;
          nearest2(i, b) = rcut2;
        }
        const int c = centre(i);
        for (std::size_t k = first(c); k < first(c + 1); ++k) {
          const int j = neighbor(k), t = type(j);
          if (t < 0) continue;
          const double x = coord(3 * j) - coord(3 * c), y = coord(3 * j + 1) - coord(3 * c + 1),
                       z = coord(3 * j + 2) - coord(3 * c + 2);
          const double r2 = x * x + y * y + z * z;
          if (r2 >= rcut2) continue;
          ++count(i, t);
          if (r2 < nearest2(i, t)) nearest2(i, t) = r2;
        }
      });
  const auto count_host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), count);
  const auto nearest2_host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), nearest2);
  PairRanges out;
  out.ntypes = ntypes;
  out.ranges.resize(static_cast<std::size_t>(ntypes * ntypes));
  for (int a = 0; a < ntypes; ++a) {
    for (int b = 0; b < ntypes; ++b) {
      auto& range = out.ranges[static_cast<std::size_t>(a * ntypes + b)];
      double least = rcut2;
      for (int i = plan.type_begin[static_cast<std::size_t>(a)]; i < plan.type_begin[static_cast<std::size_t>(a) + 1]; ++i) {
        range.n_pairs += count_host(i, b);
        least = std::min(least, nearest2_host(i, b));
      }
      // the shortest possible distance keeps a table finite; nearer pairs are refused by select_pairs
      range.nearest = std::max(std::sqrt(least), 1e-8);
    }
  }
  return out;
}

}  // namespace dpcore
