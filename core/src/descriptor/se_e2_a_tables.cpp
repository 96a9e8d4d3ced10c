// SPDX-License-Identifier: LGPL-3.0-or-later
// The tables that stand for the embedding nets of se_e2_a: fixed ones in a compressed model, and those of a
// training step.
#include <algorithm>
#include <limits>

#include "base/runtime.hpp"
#include "descriptor/se_e2_a.hpp"

namespace dpcore {

// The range of one net: empty slots and pairs at the cut-off at its lower end, pairs at the shortest distance
// of the training data at the upper one, over the centre types that use it.
template <class S>
void SeE2A<S>::finish_loading() {
  fixed_tables_.clear();
  if (!spec_.compress) return;
  fixed_tables_.resize(nets_.size());
  if constexpr (sizeof(S) == 4) double_nets_.refresh(store_, spec_.embedding);
  double slope;
  const double near = spec_.compress->min_nbor_dist, s_near = cutoff_.weight(near, slope) / near;
  Workspace ws;
  for (std::size_t k = 0; k < nets_.size(); ++k) {
    double smallest = std::numeric_limits<double>::max(), largest = std::numeric_limits<double>::lowest();
    for (int a = 0; a < spec_.ntypes; ++a) {
      const EnvNorm n = norm(a);
      for (int b = 0; b < spec_.ntypes; ++b) {
        if (net_index(a, b) != k || spec_.is_excluded(a, b)) continue;
        smallest = std::min(smallest, -n.avg[0] * n.inverse_std[0]);
        largest = std::max(largest, (s_near - n.avg[0]) * n.inverse_std[0]);
      }
    }
    if (smallest > largest) continue;  // all pairs of this net are excluded
    fixed_tables_[k] = std::make_unique<QuinticTable<S>>(double_net(k), *nets_[k],
                                                         TableGrid::make(*spec_.compress, smallest, largest),
                                                         spec_.compress->outside, ws);
  }
  double_nets_ = DoubleNets();
}

template <class S>
std::vector<TableInfo> SeE2A<S>::tables() const {
  std::vector<TableInfo> out;
  for (std::size_t k = 0; k < fixed_tables_.size(); ++k) {
    if (!fixed_tables_[k]) continue;
    const auto n = static_cast<std::size_t>(spec_.ntypes);
    const TableGrid& g = fixed_tables_[k]->grid();
    out.push_back({net_name(static_cast<int>(k / n), static_cast<int>(k % n)), g.lower, g.upper, g.last,
                   g.fine, g.coarse, g.n(), fixed_tables_[k]->bytes()});
  }
  return out;
}

// A table pays where a net has more pairs than the table would have nodes; the range is that of the pairs at
// hand.
template <class S>
void SeE2A<S>::begin_step(const DeviceStructure& structure, const TilePlan& plan,
                          const std::vector<Workspace*>& scratch) {
  if (!spec_.embedding.online_table || !is_smooth(spec_.embedding.activation)) return;
  const PairRanges ranges =
      pair_ranges(Exec(), structure, plan, spec_.ntypes, cutoff_.rcut, *scratch.front());
  struct Use {
    double lower = std::numeric_limits<double>::max(), upper = std::numeric_limits<double>::lowest();
    std::int64_t n_pairs = 0;
  };
  std::vector<Use> use(nets_.size());
  for (int a = 0; a < spec_.ntypes; ++a) {
    const EnvNorm n = norm(a);
    for (int b = 0; b < spec_.ntypes; ++b) {
      if (spec_.is_excluded(a, b)) continue;
      // the far end, which is also the value of an empty slot, is needed even where this centre type has no
      // pair
      const auto& range = ranges.at(a, b);
      const double lower = -n.avg[0] * n.inverse_std[0];
      double slope, upper = lower;
      if (range.n_pairs > 0) {
        upper = (cutoff_.weight(range.nearest, slope) / range.nearest - n.avg[0]) * n.inverse_std[0];
      }
      Use& u = use[net_index(a, b)];
      u.lower = std::min(u.lower, lower);
      u.upper = std::max(u.upper, upper);
      u.n_pairs += range.n_pairs;
    }
  }
  spare_tables_.resize(nets_.size());
  tables_.resize(nets_.size());
  if constexpr (sizeof(S) == 4) double_nets_.refresh(store_, spec_.embedding);
  const int workers = static_cast<int>(scratch.size());
  std::vector<std::size_t> worth;
  for (std::size_t k = 0; k < nets_.size(); ++k) {
    if (use[k].n_pairs == 0) continue;
    if (!(static_cast<double>(use[k].n_pairs) > RadialTable<S>::n_nodes(use[k].lower, use[k].upper)))
      continue;
    if (!spare_tables_[k]) spare_tables_[k] = std::make_unique<RadialTable<S>>(double_net(k));
    spare_tables_[k]->reserve(use[k].lower, use[k].upper, workers);
    worth.push_back(k);
  }
  run_workers(workers, [&](int worker) {
    for (std::size_t w = static_cast<std::size_t>(worker); w < worth.size();
         w += static_cast<std::size_t>(workers)) {
      const std::size_t k = worth[w];
      const double error = spare_tables_[k]->refresh(Exec(), *scratch[static_cast<std::size_t>(worker)]);
      if (error <= RadialTable<S>::kTolerance) tables_[k] = std::move(spare_tables_[k]);
    }
  });
}

template <class S>
void SeE2A<S>::finish_step(const std::vector<Workspace*>& scratch) {
  if (!spec_.embedding.trainable) return;
  const int workers = static_cast<int>(scratch.size());
  run_workers(workers, [&](int worker) {
    for (std::size_t k = static_cast<std::size_t>(worker); k < tables_.size();
         k += static_cast<std::size_t>(workers)) {
      if (tables_[k]) tables_[k]->flush_gradients(Exec(), worker, *scratch[static_cast<std::size_t>(worker)]);
    }
  });
  if constexpr (sizeof(S) == 4) double_nets_.add_gradients(store_);
}

template <class S>
void SeE2A<S>::end_step() noexcept {
  for (std::size_t k = 0; k < tables_.size(); ++k) {
    if (tables_[k]) spare_tables_[k] = std::move(tables_[k]);
  }
  tables_.clear();
}

#define DPCORE_INSTANTIATE(S)                                                 \
  template void SeE2A<S>::finish_loading();                                   \
  template std::vector<TableInfo> SeE2A<S>::tables() const;                   \
  template void SeE2A<S>::begin_step(const DeviceStructure&, const TilePlan&, \
                                     const std::vector<Workspace*>&);         \
  template void SeE2A<S>::finish_step(const std::vector<Workspace*>&);        \
  template void SeE2A<S>::end_step() noexcept;
DPCORE_INSTANTIATE(double)
DPCORE_INSTANTIATE(float)
#undef DPCORE_INSTANTIATE

}  // namespace dpcore
