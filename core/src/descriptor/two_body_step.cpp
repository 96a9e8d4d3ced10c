// SPDX-License-Identifier: LGPL-3.0-or-later
// The tables that stand for the embedding nets of two-body descriptors in a training step.
#include <algorithm>

#include "base/runtime.hpp"
#include "descriptor/two_body.hpp"

namespace dpcore {

template <class S>
auto TwoBody<S>::table_uses(const PairRanges& ranges, const TilePlan&) const -> std::vector<TableUse> {
  std::vector<TableUse> use(nets_.size());
  for (int a = 0; a < spec_.ntypes; ++a) {
    const RadialNorm n = norm(a, 0);
    for (int b = 0; b < spec_.ntypes; ++b) {
      if (spec_.is_excluded(a, b)) continue;
      // the far end, which is also the value of an empty slot, is needed even where this centre type has no
      // pair
      const auto& range = ranges.at(a, b);
      const double lower = -n.avg * n.inverse_std;
      double slope, upper = lower;
      if (range.n_pairs > 0) {
        upper = (cutoff_.weight(range.nearest, slope) / range.nearest - n.avg) * n.inverse_std;
      }
      TableUse& u = use[net_index(a, b)];
      u.lower = std::min(u.lower, lower);
      u.upper = std::max(u.upper, upper);
      u.n_inputs += static_cast<double>(range.n_pairs);
    }
  }
  return use;
}

// A table pays where a net has more inputs than the table would have nodes; the range is that of the pairs at
// hand.
template <class S>
void TwoBody<S>::begin_step(const DeviceStructure& structure, const TilePlan& plan,
                            const std::vector<Workspace*>& scratch) {
  if (!spec_.embedding.online_table || !spec_.of_one_number() || !is_smooth(spec_.embedding.activation))
    return;
  const std::vector<TableUse> use =
      table_uses(pair_ranges(Exec(), structure, plan, spec_.ntypes, cutoff_.rcut, *scratch.front()), plan);
  spare_tables_.resize(nets_.size());
  tables_.resize(nets_.size());
  refresh(double_nets_);
  const int workers = static_cast<int>(scratch.size());
  using Table = RadialTable<S>;
  std::vector<std::size_t> open;  // nets that need a table still
  std::vector<typename Table::Check> found(nets_.size());
  for (std::size_t k = 0; k < nets_.size(); ++k) {
    if (!(use[k].n_inputs > 0 && use[k].n_inputs > Table::least_nodes(use[k].lower, use[k].upper))) continue;
    if (!spare_tables_[k]) spare_tables_[k] = std::make_unique<Table>(double_net(k, double_nets_));
    spare_tables_[k]->begin(use[k].lower, use[k].upper, use[k].whole);
    open.push_back(k);
  }
  while (true) {
    const auto dear = [&](std::size_t k) { return !(use[k].n_inputs > spare_tables_[k]->n_nodes()); };
    open.erase(std::remove_if(open.begin(), open.end(), dear), open.end());
    if (open.empty()) return;
    for (const std::size_t k : open) spare_tables_[k]->reserve(workers);
    run_workers(workers, [&](int worker) {
      for (const std::size_t k : open) {
        spare_tables_[k]->refresh(Exec(), worker, *scratch[static_cast<std::size_t>(worker)]);
      }
    });
    run_workers(workers, [&](int worker) {
      for (std::size_t w = static_cast<std::size_t>(worker); w < open.size();
           w += static_cast<std::size_t>(workers)) {
        const std::size_t k = open[w];
        found[k] = spare_tables_[k]->check(Exec(), *scratch[static_cast<std::size_t>(worker)]);
        if (found[k] == Table::Check::Good) tables_[k] = std::move(spare_tables_[k]);
      }
    });
    const auto done = [&](std::size_t k) { return found[k] != Table::Check::Finer; };
    open.erase(std::remove_if(open.begin(), open.end(), done), open.end());
  }
}

template <class S>
void TwoBody<S>::finish_step(const std::vector<Workspace*>& scratch) {
  if (!has_gradients()) return;
  run_workers(static_cast<int>(scratch.size()), [&](int worker) {
    for (const auto& table : tables_) {
      if (table) table->flush_gradients(Exec(), worker, *scratch[static_cast<std::size_t>(worker)]);
    }
  });
  if constexpr (sizeof(S) == 4) double_nets_.add_gradients(store_);
}

template <class S>
void TwoBody<S>::end_step() noexcept {
  for (std::size_t k = 0; k < tables_.size(); ++k) {
    if (tables_[k]) spare_tables_[k] = std::move(tables_[k]);
  }
  tables_.clear();
}

#define DPCORE_INSTANTIATE(S)                                                                              \
  template auto TwoBody<S>::table_uses(const PairRanges&, const TilePlan&) const -> std::vector<TableUse>; \
  template void TwoBody<S>::begin_step(const DeviceStructure&, const TilePlan&,                            \
                                       const std::vector<Workspace*>&);                                    \
  template void TwoBody<S>::finish_step(const std::vector<Workspace*>&);                                   \
  template void TwoBody<S>::end_step() noexcept;
DPCORE_INSTANTIATE(double)
DPCORE_INSTANTIATE(float)
#undef DPCORE_INSTANTIATE

}  // namespace dpcore
