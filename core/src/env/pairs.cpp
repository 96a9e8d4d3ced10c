// SPDX-License-Identifier: LGPL-3.0-or-later
#include "env/pairs.hpp"

#include <algorithm>
#include <cmath>

#include "base/runtime.hpp"
#include "env/kept_pairs.hpp"

namespace dpcore {

namespace {

constexpr double kSamePosition2 = 1e-16;  // A^2: nearer than 1e-8 A is the same position

/// For (type, row) cells with more neighbours than the limit: square distance and index of the last one kept,
/// in the order of distance and then index; `most` is the largest limit of such a cell. A heap of the kept
/// ones per cell, the farthest on top.
void find_last_kept(const Exec& exec, const DeviceStructure& structure, const Tile& tile, int ntypes,
                    double rcut2, int most, const Vector<int>& limit, const Vector<int>& found,
                    const Vector<double>& last_r2, const Vector<int>& last_atom, Workspace& ws) {
  const int n = tile.size(), begin = tile.begin;
  const auto coord = structure.coord;
  const auto type = structure.type, neighbor = structure.neighbor, centre = structure.centre;
  const auto first = structure.first;
  Workspace::Scope scope(ws);
  const Matrix<double> heap_r2 =
      ws.matrix<double>(static_cast<std::size_t>(n), static_cast<std::size_t>(most));
  const Matrix<int> heap_atom = ws.matrix<int>(static_cast<std::size_t>(n), static_cast<std::size_t>(most));
  for_each(
      exec, "dpcore::find_last_kept", n, KOKKOS_LAMBDA(const int i) {
        const int c = centre(begin + i);
        for (int b = 0; b < ntypes; ++b) {
          const int keep = limit(b);
          if (keep <= 0 || found(b * n + i) <= keep) continue;
          double* r2_at = &heap_r2(i, 0);
          int* atom_at = &heap_atom(i, 0);
          const auto farther = [&](const double x, const int p, const double y, const int q) {
            return x > y || (x == y && p > q);
          };
          int size = 0;
          for (std::size_t k = first(c); k < first(c + 1); ++k) {
            const int j = neighbor(k);
            if (type(j) != b) continue;
            const double x = coord(3 * j) - coord(3 * c), y = coord(3 * j + 1) - coord(3 * c + 1),
                         z = coord(3 * j + 2) - coord(3 * c + 2);
            const double r2 = x * x + y * y + z * z;
            if (r2 >= rcut2) continue;
            int hole;
            if (size < keep) {  // sift up
              hole = size++;
              while (hole > 0 && farther(r2, j, r2_at[(hole - 1) / 2], atom_at[(hole - 1) / 2])) {
                r2_at[hole] = r2_at[(hole - 1) / 2];
                atom_at[hole] = atom_at[(hole - 1) / 2];
                hole = (hole - 1) / 2;
              }
            } else if (farther(r2_at[0], atom_at[0], r2, j)) {  // replace the farthest, sift down
              hole = 0;
              while (true) {
                int child = 2 * hole + 1;
                if (child >= keep) break;
                if (child + 1 < keep &&
                    farther(r2_at[child + 1], atom_at[child + 1], r2_at[child], atom_at[child]))
                  ++child;
                if (!farther(r2_at[child], atom_at[child], r2, j)) break;
                r2_at[hole] = r2_at[child];
                atom_at[hole] = atom_at[child];
                hole = child;
              }
            } else {
              continue;
            }
            r2_at[hole] = r2;
            atom_at[hole] = j;
          }
          last_r2(b * n + i) = r2_at[0];
          last_atom(b * n + i) = atom_at[0];
        }
      });
}

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
  Recipe recipe{rcut};
  recipe.insert(recipe.end(), sel.begin(), sel.end());
  recipe.insert(recipe.end(), wanted.begin(), wanted.end());
  pairs.kept = kept_runs(structure, tile, recipe);
  const bool known = all_kept(pairs.kept);

  const Vector<int> limit = ws.vector<int>(static_cast<std::size_t>(ntypes));
  const auto limit_host = Kokkos::create_mirror_view(limit);
  for (int b = 0; b < ntypes; ++b) {
    const int slots = sel[static_cast<std::size_t>(b)];  // 0 hides a type on purpose
    limit_host(b) = wanted[static_cast<std::size_t>(b)] && slots > 0 ? slots : -1;
  }
  mirror_copy(exec, limit, limit_host);

  // Lists may reach well beyond the cut-off: distances are taken once, and what is near is kept by row. Then
  // counts per (neighbour type, row), before and after the limit.
  const int n_cells = ntypes * n;
  const auto n_rows = static_cast<std::size_t>(n), longest = static_cast<std::size_t>(structure.longest);
  const Vector<int> n_near = ws.vector<int>(n_rows);
  const Matrix<int> near_atom = ws.matrix<int>(n_rows, longest);
  const Matrix<double> near_r = ws.matrix<double>(n_rows, 3 * longest);
  const Vector<int> found = ws.vector<int>(static_cast<std::size_t>(n_cells));
  const Vector<int> offset = ws.vector<int>(static_cast<std::size_t>(n_cells) + 1);
  const Vector<int> overlap = ws.vector<int>(2);
  const auto overlap_host = Kokkos::create_mirror_view(overlap);
  overlap_host(0) = overlap_host(1) = -1;
  mirror_copy(exec, overlap, overlap_host);
  for_each(
      exec, "dpcore::count_pairs", known ? 0 : n, KOKKOS_LAMBDA(const int i) {
        for (int b = 0; b < ntypes; ++b) found(b * n + i) = 0;
        const int c = centre(begin + i);
        const double cx = coord(3 * c), cy = coord(3 * c + 1), cz = coord(3 * c + 2);
        int near = 0;
        for (std::size_t k = first(c); k < first(c + 1); ++k) {
          const int j = neighbor(k), t = type(j);
          if (t < 0 || limit(t) < 0) continue;
          const double x = coord(3 * j) - cx, y = coord(3 * j + 1) - cy, z = coord(3 * j + 2) - cz;
          const double r2 = x * x + y * y + z * z;
          // written at the next place and kept if near: no branch that cannot be foreseen
          near_atom(i, near) = j;
          near_r(i, 3 * near) = x;
          near_r(i, 3 * near + 1) = y;
          near_r(i, 3 * near + 2) = z;
          const int is_near = r2 >= rcut2 ? 0 : 1;
          near += is_near;
          found(t * n + i) += is_near;
          if (r2 < kSamePosition2) {
            overlap(0) = c;
            overlap(1) = j;
          }
        }
        n_near(i) = near;
      });
  const auto found_host = Kokkos::create_mirror_view(found);
  const auto offset_host = Kokkos::create_mirror_view(offset);
  mirror_copy(exec, found_host, found);
  mirror_copy(exec, overlap_host, overlap);
  if (known) take_found(pairs.kept, ntypes, n, found_host.data());
  if (overlap_host(0) >= 0) throw OverlappingAtoms{overlap_host(0), overlap_host(1)};
  offset_host(0) = 0;
  int most = 0;  // the largest limit that is exceeded somewhere
  std::vector<bool> row_overflows(static_cast<std::size_t>(n), false);
  for (int b = 0; b < ntypes; ++b) {
    for (int i = 0; i < n; ++i) {
      const int cell = b * n + i, slots = std::max(0, limit_host(b));
      const int excess = found_host(cell) - slots;
      if (excess > 0) {
        SelOverflow one;
        one.atoms = row_overflows[static_cast<std::size_t>(i)] ? 0 : 1;
        one.worst_excess = excess;
        one.type = b;
        overflow.merge(one);
        row_overflows[static_cast<std::size_t>(i)] = true;
        most = std::max(most, limit_host(b));
      }
      offset_host(cell + 1) = offset_host(cell) + std::min(found_host(cell), slots);
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
  const PairColumns columns(pairs, {}, {sizeof(int), 3 * sizeof(double)}, ws, structure.kept.size() > 1);
  pairs.atom = columns.vector<int>(0);
  pairs.r = columns.matrix<double>(1);
  pairs.r_dot = Matrix<double>();
  pairs.aparam = structure.aparam;
  pairs.d_r = ws.matrix<double>(n_pairs, 3);
  const Vector<int> row = pairs.row, atom = pairs.atom;
  const Matrix<double> r = pairs.r;
  if (columns.known()) {
    number_atoms(structure, pairs, atom);
    for (int cell = 0; cell < n_cells; ++cell)
      std::fill(row.data() + offset_host(cell), row.data() + offset_host(cell + 1), cell % n);
    return;
  }
  const Vector<double> last_r2 = ws.vector<double>(static_cast<std::size_t>(n_cells));
  const Vector<int> last_atom = ws.vector<int>(static_cast<std::size_t>(n_cells));
  if (most > 0)
    find_last_kept(exec, structure, tile, ntypes, rcut2, most, limit, found, last_r2, last_atom, ws);
  const Vector<int> filled = ws.vector<int>(static_cast<std::size_t>(n_cells));
  for_each(
      exec, "dpcore::fill_pairs", n, KOKKOS_LAMBDA(const int i) {
        for (int b = 0; b < ntypes; ++b) filled(b * n + i) = 0;
        for (int k = 0; k < n_near(i); ++k) {
          const int j = near_atom(i, k), t = type(j), cell = t * n + i;
          const double x = near_r(i, 3 * k), y = near_r(i, 3 * k + 1), z = near_r(i, 3 * k + 2);
          // of too many, the farthest kept one decides
          if (most > 0 && found(cell) > limit(t)) {
            const double r2 = x * x + y * y + z * z;
            if (r2 > last_r2(cell) || (r2 == last_r2(cell) && j > last_atom(cell))) continue;
          }
          const int p = offset(cell) + filled(cell)++;
          row(p) = i;
          atom(p) = j;
          r(p, 0) = x;
          r(p, 1) = y;
          r(p, 2) = z;
        }
      });
  keep_pairs(structure, tile, recipe, found_host.data(), pairs);
}

namespace {

/// Of the centres [begin, end) the number of neighbours of each type and the least square of their distances.
void centre_ranges(const Exec& exec, const DeviceStructure& structure, int ntypes, double rcut2, int begin,
                   int end, const Matrix<int>& count, const Matrix<double>& nearest2) {
  const auto coord = structure.coord;
  const auto type = structure.type, neighbor = structure.neighbor, centre = structure.centre;
  const auto first = structure.first;
  for_each(
      exec, "dpcore::pair_ranges", end - begin, KOKKOS_LAMBDA(const int k0) {
        const int i = begin + k0;
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
}

/// Add the ranges that are kept; false where they are not of all frames.
bool take_ranges(const std::vector<KeptSlot>& kept, const Recipe& recipe, PairRanges& out) {
  for (const KeptSlot& slot : kept) {
    PairRanges one;
    if (slot.frame == nullptr || !slot.frame->ranges(recipe, one)) return false;
    out.merge(one);
  }
  return !kept.empty();
}

}  // namespace

void PairRanges::merge(const PairRanges& o) {
  for (std::size_t k = 0; k < ranges.size(); ++k) {
    ranges[k].n_pairs += o.ranges[k].n_pairs;
    ranges[k].nearest = std::min(ranges[k].nearest, o.ranges[k].nearest);
  }
}

PairRanges pair_ranges(const Exec& exec, const DeviceStructure& structure, const TilePlan& plan, int ntypes,
                       double rcut, Workspace& ws) {
  const Recipe recipe{rcut, static_cast<double>(ntypes)};
  PairRanges out;
  out.ntypes = ntypes;
  out.ranges.resize(static_cast<std::size_t>(ntypes * ntypes));
  for (auto& range : out.ranges) range.nearest = rcut;
  const PairRanges none = out;
  if (take_ranges(structure.kept, recipe, out)) return out;
  out = none;

  Workspace::Scope scope(ws);
  const int n = static_cast<int>(plan.centre.size());
  const double rcut2 = rcut * rcut;
  const auto n_rows = static_cast<std::size_t>(n), columns = static_cast<std::size_t>(ntypes);
  const Matrix<int> count = ws.matrix<int>(n_rows, columns);
  const Matrix<double> nearest2 = ws.matrix<double>(n_rows, columns);
  const int parts = kExecOnHost ? std::min(n_workers(), n) : 1;
  const auto at = [&](int part) { return static_cast<int>(static_cast<std::int64_t>(n) * part / parts); };
  if (kExecOnHost) {
    run_workers(parts, [&](int part) {
      centre_ranges(exec, structure, ntypes, rcut2, at(part), at(part + 1), count, nearest2);
    });
  } else {
    centre_ranges(exec, structure, ntypes, rcut2, 0, n, count, nearest2);
  }
  const auto count_host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), count);
  const auto nearest2_host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), nearest2);
  std::vector<PairRanges> of_frames(std::max<std::size_t>(1, structure.kept.size()), none);
  for (int a = 0; a < ntypes; ++a) {
    for (int i = plan.type_begin[static_cast<std::size_t>(a)];
         i < plan.type_begin[static_cast<std::size_t>(a) + 1]; ++i) {
      const int frame =
          structure.kept.empty() ? 0 : structure.frame(plan.centre[static_cast<std::size_t>(i)]);
      for (int b = 0; b < ntypes; ++b) {
        auto& range =
            of_frames[static_cast<std::size_t>(frame)].ranges[static_cast<std::size_t>(a * ntypes + b)];
        range.n_pairs += count_host(i, b);
        // the shortest possible distance keeps a table finite; nearer pairs are refused by select_pairs
        range.nearest = std::min(range.nearest, std::max(std::sqrt(nearest2_host(i, b)), 1e-8));
      }
    }
  }
  for (std::size_t f = 0; f < of_frames.size(); ++f) {
    out.merge(of_frames[f]);
    if (!structure.kept.empty() && structure.kept[f].frame != nullptr)
      structure.kept[f].frame->add_ranges(recipe, of_frames[f]);
  }
  return out;
}

}  // namespace dpcore
