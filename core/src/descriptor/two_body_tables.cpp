// SPDX-License-Identifier: LGPL-3.0-or-later
// The tables that stand for the embedding nets of two-body descriptors: fixed ones in a compressed model, and
// those of a training step.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>

#include "base/free_memory.hpp"
#include "base/runtime.hpp"
#include "descriptor/two_body.hpp"

namespace dpcore {

namespace {

// Tables for the evaluation of models that are not compressed. They stand for the nets to rounding, or are
// not used.
constexpr double kNearest = 0.6;  // A: pairs closer than that use the nets
// Coarse first: rows that are used stay in a cache if they are few. The last is for nets that need it.
template <class S>
constexpr std::array<double, 3> kSteps = {0.01, 0.005, 0.0025};
template <>
constexpr std::array<double, 3> kSteps<float> = {0.04, 0.01, 0.005};
constexpr double kGain = 0.3;  // a finer step has to divide the error by about three to be worth its memory
constexpr std::size_t kMostBytes = std::size_t(1) << 27;       // of all tables of a model
constexpr std::size_t kMostFixedBytes = std::size_t(1) << 31;  // of those of a compressed descriptor
template <class S>
constexpr double kGood =
    sizeof(S) == 8 ? 1e-12 : 2e-6;  // of G', relative to its largest value: forces agree to some 1e-12
template <class S>
constexpr double kTolerance = sizeof(S) == 8 ? 2e-11 : 1e-5;  // will do
// Tables in float32 of nets in double: few rows, which stay in a cache, as far as float32 does not notice.
constexpr double kSingleStep = 0.04, kSingleError = 1e-8;

TableSpec own_tables(double rcut, double step) {
  TableSpec spec;
  spec.min_nbor_dist = std::min(kNearest, 0.5 * rcut);
  spec.extrapolate = 1;
  spec.step = step;
  return spec;
}

/// Of all tables of a descriptor, whose nets have n_out outputs.
template <class S>
std::size_t bytes_of(const std::vector<std::optional<TableGrid>>& grids, int n_out) {
  std::size_t bytes = 0;
  for (const auto& g : grids) bytes += g ? QuinticTable<S>::bytes_of(*g, n_out) : 0;
  return bytes;
}

bool exact_nets_wanted() {
  const char* text = std::getenv("DP_EXACT_NETS");
  return text != nullptr && *text != '\0' && std::string(text) != "0";
}

/// Length in A of the shortest of the pairs [first, last).
double shortest(const Exec& exec, const TilePairs& pairs, int first, int last) {
  const Matrix<double> mine = rows(pairs.r, first, last);
  const auto r = Kokkos::create_mirror_view(mine);
  mirror_copy(exec, r, mine);
  double least = std::numeric_limits<double>::max();
  for (int p = 0; p < last - first; ++p) {
    least = std::min(least, r(p, 0) * r(p, 0) + r(p, 1) * r(p, 1) + r(p, 2) * r(p, 2));
  }
  return std::sqrt(least);
}

}  // namespace

template <class S>
void TwoBody<S>::evaluate_radial(const Exec& exec, int a, int b, int first, int last, const Vector<S>& s,
                                 const Matrix<S>& g, const Matrix<S>& g_prime, Descriptor::State& state,
                                 Workspace& ws) const {
  if (fixed_table(a, b) == nullptr) {
    radial(a, b)->forward(exec, s, g, g_prime, ws);
    return;
  }
  const int outside = fixed_table(a, b)->evaluate(exec, s, g, g_prime, ws);
  if (outside > 0 && spec_.compress) state.outside.add(outside, shortest(exec, state.pairs, first, last));
}

// The range of one net: empty slots and pairs at the cut-off at its lower end, pairs at the shortest distance
// at the upper one, over the centre types that use it.
template <class S>
auto TwoBody<S>::table_grids(const TableSpec& spec) const -> std::vector<std::optional<TableGrid>> {
  std::vector<std::optional<TableGrid>> grids(nets_.size());
  double slope;
  const double near = spec.min_nbor_dist, s_near = cutoff_.weight(near, slope) / near;
  for (std::size_t k = 0; k < nets_.size(); ++k) {
    double smallest = std::numeric_limits<double>::max(), largest = std::numeric_limits<double>::lowest();
    for (int a = 0; a < spec_.ntypes; ++a) {
      const RadialNorm n = norm(a, 0);
      for (int b = 0; b < spec_.ntypes; ++b) {
        if (net_index(a, b) != k || spec_.is_excluded(a, b)) continue;
        smallest = std::min(smallest, -n.avg * n.inverse_std);
        largest = std::max(largest, (s_near - n.avg) * n.inverse_std);
      }
    }
    if (smallest <= largest)
      grids[k] = TableGrid::make(spec, smallest, largest);  // else all its pairs are excluded
  }
  return grids;
}

template <class S>
auto TwoBody<S>::make_tables(const std::vector<std::optional<TableGrid>>& grids,
                             Outside outside) const -> QuinticTables {
  const std::size_t bytes = bytes_of<S>(grids, table_width());
  if (bytes > kMostFixedBytes) {
    throw Error("the tables of a descriptor would take " + std::to_string(bytes >> 20U) + " MiB, more than " +
                std::to_string(kMostFixedBytes >> 20U) + "; choose a larger step, or check min_nbor_dist");
  }
  QuinticTables tables(nets_.size());
  DoubleNets copies;
  refresh(copies);
  Workspace ws;
  for (std::size_t k = 0; k < grids.size(); ++k) {
    if (grids[k])
      tables[k] = std::make_unique<QuinticTable<S>>(double_net(k, copies), *nets_[k], *grids[k], outside, ws);
  }
  return tables;
}

template <class S>
void TwoBody<S>::make_single_tables() const {
  if constexpr (sizeof(S) == 8) {
    if (!spec_.single_tables) return;
    TableSpec spec = spec_.compress.value_or(own_tables(cutoff_.rcut, kSingleStep));
    spec.step = std::max(spec.step, kSingleStep);
    QuinticTables coarse(fixed_tables_.size());
    if (!spec.stored) coarse = make_tables(table_grids(spec), spec.outside);
    Workspace ws;
    single_tables_.clear();
    for (std::size_t k = 0; k < fixed_tables_.size(); ++k) {
      const auto& from = coarse[k] && coarse[k]->error(ws) <= kSingleError ? coarse[k] : fixed_tables_[k];
      single_tables_.push_back(from ? std::make_unique<SingleTable>(*from) : nullptr);
    }
  }
}

template <class S>
void TwoBody<S>::finish_loading() {
  if (!spec_.compress) return;
  if (!spec_.stored()) fixed_tables_ = make_tables(table_grids(*spec_.compress), spec_.compress->outside);
  make_single_tables();
}

// of nets that have slots to serve
template <class S>
std::vector<std::string> TwoBody<S>::stored_tables() const {
  if (!spec_.stored()) return {};
  std::vector<bool> used(nets_.size(), false);
  const auto has_slots = [&](int type) { return spec_.sel[static_cast<std::size_t>(type)] > 0; };
  for (int a = 0; a < spec_.ntypes; ++a) {
    for (int b = 0; b < spec_.ntypes; ++b) {
      const bool here = nets_for_ == NetsFor::NeighborPairs ? a <= b && has_slots(a) && has_slots(b)
                                                            : has_slots(b) && !spec_.is_excluded(a, b);
      if (here) used[net_index(a, b)] = true;
    }
  }
  std::vector<std::string> names;
  for (std::size_t k = 0; k < used.size(); ++k) {
    if (used[k]) names.push_back(net_name(k));
  }
  return names;
}

template <class S>
void TwoBody<S>::set_table(const std::string& net, const StoredTable& table) {
  fixed_tables_.resize(nets_.size());
  for (std::size_t k = 0; k < nets_.size(); ++k) {
    if (net_name(k) == net) fixed_tables_[k] = std::make_unique<QuinticTable<S>>(table, table_width());
  }
}

template <class S>
StoredTable TwoBody<S>::table(const std::string& net) const {
  for (std::size_t k = 0; k < fixed_tables_.size(); ++k) {
    if (net_name(k) == net && fixed_tables_[k]) return fixed_tables_[k]->stored();
  }
  return {};
}

/// Tables with the best of kSteps; none where that is not good enough.
template <class S>
auto TwoBody<S>::exact_tables() const -> QuinticTables {
  QuinticTables best;
  double least = std::numeric_limits<double>::max();
  for (const double step : kSteps<S>) {
    if (step == kSteps<S>.back() && least <= kTolerance<S>) break;
    const auto grids = table_grids(own_tables(cutoff_.rcut, step));
    if (bytes_of<S>(grids, table_width()) > kMostBytes) break;
    QuinticTables tables = make_tables(grids, Outside::Net);
    Workspace ws;
    double error = 0;
    for (const auto& t : tables) raise(t ? t->error(ws) : 0, error);
    if (!(error <= kGain * least)) break;  // finer ones are limited by rounding, which they amplify by 1/step
    least = error;
    best = std::move(tables);
    if (error <= kGood<S>) break;
  }
  return least <= kTolerance<S> ? std::move(best) : QuinticTables();
}

template <class S>
auto TwoBody<S>::make_pieces() const -> PieceTables {
  const bool single = sizeof(S) == 8 && spec_.single_tables;
  const double good = single ? kSingleError : kGood<S>, most = single ? kSingleError : kTolerance<S>;
  const auto grids = table_grids(own_tables(cutoff_.rcut, 1.0));
  PieceTables tables(grids.size());
  DoubleNets copies;
  refresh(copies);
  Workspace ws;
  for (std::size_t k = 0; k < grids.size(); ++k) {
    if (!grids[k]) continue;
    tables[k] = std::make_unique<PieceTable<S>>(double_net(k, copies), grids[k]->lower, grids[k]->upper, good,
                                                single, ws);
    if (!(tables[k]->error() <= most)) return {};
  }
  return tables;
}

template <class S>
void TwoBody<S>::prepare_inference() const {
  if (prepared_) return;
  const std::lock_guard<std::mutex> lock(preparing_);
  if (prepared_) return;
  if (!spec_.compress && spec_.of_one_number() && is_smooth(spec_.embedding.activation) &&
      !exact_nets_wanted()) {
    try {
      if (takes_pieces()) pieces_ = make_pieces();
      if (pieces_.empty()) {
        fixed_tables_ = exact_tables();
        make_single_tables();
      }
    } catch (const Error&) {  // no memory, or more intervals than any table has: the nets do it
    }
  }
  give_back_freed_memory();  // of reading the model and making tables
  prepared_ = true;
}

template <class S>
void TwoBody<S>::forget_inference() {
  if (!spec_.compress) {
    fixed_tables_.clear();
    single_tables_.clear();
    pieces_.clear();
  }
  prepared_ = false;
}

template <class S>
std::vector<TableInfo> TwoBody<S>::tables() const {
  std::vector<TableInfo> out;
  if (!spec_.compress) return out;
  for (std::size_t k = 0; k < fixed_tables_.size(); ++k) {
    if (!fixed_tables_[k]) continue;
    const TableGrid& g = fixed_tables_[k]->grid();
    out.push_back(
        {net_name(k), g.lower, g.upper, g.last, g.fine, g.coarse, g.n(), fixed_tables_[k]->bytes()});
  }
  return out;
}

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
  template auto TwoBody<S>::table_grids(const TableSpec&) const -> std::vector<std::optional<TableGrid>>;  \
  template void TwoBody<S>::prepare_inference() const;                                                     \
  template void TwoBody<S>::forget_inference();                                                            \
  template void TwoBody<S>::finish_loading();                                                              \
  template std::vector<TableInfo> TwoBody<S>::tables() const;                                              \
  template std::vector<std::string> TwoBody<S>::stored_tables() const;                                     \
  template void TwoBody<S>::set_table(const std::string&, const StoredTable&);                             \
  template StoredTable TwoBody<S>::table(const std::string&) const;                                        \
  template void TwoBody<S>::begin_step(const DeviceStructure&, const TilePlan&,                            \
                                       const std::vector<Workspace*>&);                                    \
  template void TwoBody<S>::finish_step(const std::vector<Workspace*>&);                                   \
  template void TwoBody<S>::end_step() noexcept;                                                           \
  template void TwoBody<S>::evaluate_radial(const Exec&, int, int, int, int, const Vector<S>&,             \
                                            const Matrix<S>&, const Matrix<S>&, Descriptor::State&,        \
                                            Workspace&) const;
DPCORE_INSTANTIATE(double)
DPCORE_INSTANTIATE(float)
#undef DPCORE_INSTANTIATE

}  // namespace dpcore
