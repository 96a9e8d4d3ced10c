// SPDX-License-Identifier: LGPL-3.0-or-later
// The ranges of the tables of se_e3.
#include <algorithm>
#include <cmath>
#include <limits>

#include "descriptor/se_e3.hpp"

namespace dpcore {

namespace {

/// Tables reach to |theta| = 16: in a normalised environment matrix few terms are larger, those of bonded or
/// nearly bonded neighbours, for which the nets cost less than longer tables.
constexpr double kWindow = 16;

}  // namespace

template <class S>
double SeE3<S>::largest_q(int a, double r) const {
  double slope, inverse = 0;
  for (int c = 1; c < 4; ++c) inverse = std::max(inverse, this->norm(a, c).inverse_std);
  return cutoff_.weight(r, slope) / r * inverse;
}

// theta lies between plus and minus the product of the largest |q| of either type
template <class S>
auto SeE3<S>::table_uses(const PairRanges& ranges, const TilePlan& plan) const -> std::vector<TableUse> {
  const auto n = static_cast<std::size_t>(spec_.ntypes);
  std::vector<TableUse> use(n * n);
  for (int centre = 0; centre < spec_.ntypes; ++centre) {
    const auto t = static_cast<std::size_t>(centre);
    const double centres = plan.type_begin[t + 1] - plan.type_begin[t];
    for (int a = 0; a < spec_.ntypes; ++a) {
      for (int b = a; b < spec_.ntypes; ++b) {
        const auto &one = ranges.at(centre, a), &other = ranges.at(centre, b);
        if (one.n_pairs == 0 || other.n_pairs == 0) continue;
        TableUse& u = use[this->net_index(a, b)];
        const double largest = largest_q(centre, one.nearest) * largest_q(centre, other.nearest);
        u.upper = std::max(u.upper, std::min(largest, kWindow));
        u.lower = -u.upper;
        u.whole = u.whole && largest <= kWindow;
        u.n_inputs += static_cast<double>(one.n_pairs) * static_cast<double>(other.n_pairs) / centres *
                      (a == b ? 0.5 : 1.0);
      }
    }
  }
  return use;
}

// Fine steps within the window, coarse ones above up to the term of a neighbour with itself at the shortest
// distance, times `extrapolate`. Below the window are few terms, those of two near neighbours on opposite
// sides, for the nets; without these the fine steps go down as far.
template <class S>
auto SeE3<S>::table_grids(const TableSpec& spec) const -> std::vector<std::optional<TableGrid>> {
  const auto n = static_cast<std::size_t>(spec_.ntypes);
  std::vector<std::optional<TableGrid>> grids(n * n);
  double largest = 0;
  for (int a = 0; a < spec_.ntypes; ++a) {
    const double q = largest_q(a, spec.min_nbor_dist);
    largest = std::max(largest, q * q);
  }
  TableSpec mine = spec;
  const double window = std::min(std::ceil(largest), kWindow),
               lower = spec.outside == Outside::Net ? -window : -std::ceil(largest);
  if (spec_.compress) mine.extrapolate = spec.extrapolate * std::max(1.0, largest / window);
  for (int a = 0; a < spec_.ntypes; ++a) {
    for (int b = a; b < spec_.ntypes; ++b) {
      const bool used =
          spec_.sel[static_cast<std::size_t>(a)] > 0 && spec_.sel[static_cast<std::size_t>(b)] > 0;
      if (used) grids[this->net_index(a, b)] = TableGrid::make(mine, lower, window);
    }
  }
  return grids;
}

template <class S>
void SeE3<S>::count_outside(const Exec& exec, State& state) const {
  const auto value = Kokkos::create_mirror_view(state.env.value);
  const auto r = Kokkos::create_mirror_view(state.pairs.r);
  mirror_copy(exec, value, state.env.value);
  mirror_copy(exec, r, state.pairs.r);
  this->for_segments(state.pairs, [&](int b, int first, int last) {
    // |q_j|^2 and |q_k|^2 being within the tables of j and k, so is q_j . q_k
    double end = std::numeric_limits<double>::infinity();
    for (int a = 0; a < spec_.ntypes; ++a) {
      const QuinticTable<S>* table = this->fixed_table(std::min(a, b), std::max(a, b));
      if (table != nullptr) end = std::min(end, table->grid().last);
    }
    for (int p = first; p < last; ++p) {
      double theta = 0, r2 = 0;
      for (int c = 0; c < 3; ++c) {
        theta += static_cast<double>(value(p, c + 1)) * static_cast<double>(value(p, c + 1));
        r2 += r(p, c) * r(p, c);
      }
      if (!(theta <= end)) state.outside.add(1, std::sqrt(r2));
    }
  });
}

#define DPCORE_INSTANTIATE(S)                                                                           \
  template double SeE3<S>::largest_q(int, double) const;                                                \
  template auto SeE3<S>::table_uses(const PairRanges&, const TilePlan&) const -> std::vector<TableUse>; \
  template auto SeE3<S>::table_grids(const TableSpec&) const -> std::vector<std::optional<TableGrid>>;  \
  template void SeE3<S>::count_outside(const Exec&, State&) const;
DPCORE_INSTANTIATE(double)
DPCORE_INSTANTIATE(float)
#undef DPCORE_INSTANTIATE

}  // namespace dpcore
