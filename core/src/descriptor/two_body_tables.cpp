// SPDX-License-Identifier: LGPL-3.0-or-later
// The tables that stand for the embedding nets of two-body descriptors in evaluation: those of a compressed
// model, and what models take by themselves.
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
// A compressed model takes pieces for its tables where these are, by bounds of their errors, as near to the
// nets as this, of the largest value and the largest slope: then its numbers are those of either.
constexpr double kSame = 1e-9;
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

template <class S>
void TwoBody<S>::evaluate_beyond_pieces(const Exec& exec, int a, int b, int first, int last,
                                        const Vector<S>& s, const Matrix<S>& g, const Matrix<S>& g_prime,
                                        Descriptor::State& state, Workspace& ws) const {
  const std::size_t k = net_index(a, b);
  int outside = static_cast<int>(s.extent(0));
  if (coarse_tables_.size() > k && coarse_tables_[k]) {
    outside = coarse_tables_[k]->evaluate(exec, s, g, g_prime, ws);
  } else {
    nets_[k]->forward(exec, s, g, g_prime, ws);
  }
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

namespace {

/// Throws Error for tables that take more than a compressed descriptor may have.
void check_bytes(std::size_t bytes) {
  if (bytes > kMostFixedBytes) {
    throw Error("the tables of a descriptor would take " + std::to_string(bytes >> 20U) + " MiB, more than " +
                std::to_string(kMostFixedBytes >> 20U) + "; choose a larger step, or check min_nbor_dist");
  }
}

}  // namespace

template <class S>
auto TwoBody<S>::make_tables(const std::vector<std::optional<TableGrid>>& grids,
                             Outside outside) const -> QuinticTables {
  check_bytes(bytes_of<S>(grids, table_width()));
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
  if (!spec_.stored()) {
    const auto grids = table_grids(*spec_.compress);
    check_bytes(bytes_of<S>(grids, table_width()));
    if (may_take_pieces()) return;  // prepare_inference decides
    fixed_tables_ = make_tables(grids, spec_.compress->outside);
  }
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

// Not where tables go on as straight lines, nor, so, where they came without nets.
template <class S>
bool TwoBody<S>::may_take_pieces() const {
  return takes_pieces() && spec_.of_one_number() && is_smooth(spec_.embedding.activation) &&
         !(spec_.compress && spec_.compress->outside == Outside::Linear);
}

template <class S>
auto TwoBody<S>::make_pieces(const std::vector<std::optional<TableGrid>>& grids) const -> PieceTables {
  const bool single = sizeof(S) == 8 && spec_.single_tables;
  const double good = single ? kSingleError : kGood<S>, most = single ? kSingleError : kTolerance<S>;
  DoubleNets copies;
  refresh(copies);
  Workspace ws;
  const auto make = [&](auto scalar, std::size_t k, double error, bool blocks) {
    return std::make_unique<PieceTable<decltype(scalar)>>(double_net(k, copies), grids[k]->lower,
                                                          grids[k]->upper, error, blocks, ws);
  };
  // whether pieces in double have the numbers of the quintic table of a compressed model
  const auto same = [&](const PieceTable<double>& pieces, std::size_t k) {
    return pieces.error() <= kTolerance<double> && pieces.quintic_error(grids[k]->fine) <= kSame;
  };
  const bool fine = sizeof(S) == 8 && !single;  // others have no sixth derivative to speak of
  if (spec_.compress && !fine) {
    for (std::size_t k = 0; k < grids.size(); ++k) {
      if (grids[k] && !same(*make(0.0, k, kGood<double>, false), k)) return {};
    }
  }
  PieceTables tables(grids.size());
  for (std::size_t k = 0; k < grids.size(); ++k) {
    if (!grids[k]) continue;
    tables[k] = make(S(0), k, good, single);
    if (!(tables[k]->error() <= most)) return {};
    if constexpr (sizeof(S) == 8) {
      if (spec_.compress && fine && !same(*tables[k], k)) return {};
    }
  }
  return tables;
}

template <class S>
void TwoBody<S>::prepare_compressed() const {
  const auto grids = table_grids(*spec_.compress);
  if (!exact_nets_wanted()) {
    try {
      pieces_ = make_pieces(grids);
    } catch (const Error&) {  // no memory
    }
  }
  if (pieces_.empty()) {
    fixed_tables_ = make_tables(grids, Outside::Net);
    make_single_tables();
    return;
  }
  std::vector<std::optional<TableGrid>> beyond(grids.size());
  for (std::size_t k = 0; k < grids.size(); ++k) {
    if (grids[k] && grids[k]->n_coarse > 0) beyond[k] = grids[k]->beyond();
  }
  coarse_tables_ = make_tables(beyond, Outside::Net);
}

template <class S>
void TwoBody<S>::prepare_inference() const {
  if (prepared_) return;
  const std::lock_guard<std::mutex> lock(preparing_);
  if (prepared_) return;
  if (spec_.compress) {
    if (may_take_pieces()) prepare_compressed();
  } else if (spec_.of_one_number() && is_smooth(spec_.embedding.activation) && !exact_nets_wanted()) {
    try {
      if (may_take_pieces()) pieces_ = make_pieces(table_grids(own_tables(cutoff_.rcut, 1.0)));
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
  if (!spec_.compress || may_take_pieces()) {
    fixed_tables_.clear();
    coarse_tables_.clear();
    single_tables_.clear();
    pieces_.clear();
  }
  prepared_ = false;
}

template <class S>
std::vector<TableInfo> TwoBody<S>::tables() const {
  std::vector<TableInfo> out;
  if (!spec_.compress) return out;
  std::vector<std::optional<TableGrid>> grids(fixed_tables_.size());
  if (!spec_.stored()) grids = table_grids(*spec_.compress);
  for (std::size_t k = 0; k < grids.size(); ++k) {
    if (spec_.stored() && fixed_tables_[k]) grids[k] = fixed_tables_[k]->grid();
    if (!grids[k]) continue;
    const TableGrid& g = *grids[k];
    const std::size_t bytes =
        spec_.stored() ? fixed_tables_[k]->bytes() : QuinticTable<S>::bytes_of(g, table_width());
    out.push_back({net_name(k), g.lower, g.upper, g.last, g.fine, g.coarse, g.n(), bytes});
  }
  return out;
}

#define DPCORE_INSTANTIATE(S)                                                                              \
  template auto TwoBody<S>::table_grids(const TableSpec&) const -> std::vector<std::optional<TableGrid>>;  \
  template void TwoBody<S>::prepare_inference() const;                                                     \
  template void TwoBody<S>::forget_inference();                                                            \
  template void TwoBody<S>::finish_loading();                                                              \
  template std::vector<TableInfo> TwoBody<S>::tables() const;                                              \
  template std::vector<std::string> TwoBody<S>::stored_tables() const;                                     \
  template void TwoBody<S>::set_table(const std::string&, const StoredTable&);                             \
  template StoredTable TwoBody<S>::table(const std::string&) const;                                        \
  template void TwoBody<S>::evaluate_radial(const Exec&, int, int, int, int, const Vector<S>&,             \
                                            const Matrix<S>&, const Matrix<S>&, Descriptor::State&,        \
                                            Workspace&) const;                                             \
  template void TwoBody<S>::evaluate_beyond_pieces(const Exec&, int, int, int, int, const Vector<S>&,      \
                                                   const Matrix<S>&, const Matrix<S>&, Descriptor::State&, \
                                                   Workspace&) const;
DPCORE_INSTANTIATE(double)
DPCORE_INSTANTIATE(float)
#undef DPCORE_INSTANTIATE

}  // namespace dpcore
