// SPDX-License-Identifier: LGPL-3.0-or-later
#include "descriptor/se_e2_a.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/json_config.hpp"
#include "descriptor/moment.hpp"

namespace dpcore {

namespace {

/// Pairs whose adjoints of G are formed and used at once: on a CPU few enough for a core's cache.
constexpr int kPairChunk = kExecOnHost ? 128 : 1 << 18;

/// Length in A of the shortest of the pairs [first, last).
double shortest(const Exec& exec, const TilePairs& pairs, int first, int last) {
  const Matrix<double> mine = rows(pairs.r, first, last);
  const auto r = Kokkos::create_mirror_view(mine);
  mirror_copy(exec, r, mine);
  double least = std::numeric_limits<double>::max();
  for (int p = 0; p < last - first; ++p) least = std::min(least, r(p, 0) * r(p, 0) + r(p, 1) * r(p, 1) + r(p, 2) * r(p, 2));
  return std::sqrt(least);
}

}  // namespace

SeE2ASpec SeE2ASpec::from_json(const nlohmann::json& config, int ntypes) {
  const ConfigReader in(config, "model/descriptor");
  SeE2ASpec s;
  s.ntypes = ntypes;
  s.sel = in.get<std::vector<int>>("sel");
  in.require(static_cast<int>(s.sel.size()) == ntypes, "sel",
             "expected one number per type (" + std::to_string(ntypes) + "), got " + std::to_string(s.sel.size()));
  for (const int n : s.sel) in.require(n >= 0, "sel", "expected numbers >= 0, got " + std::to_string(n));
  const double slots = std::accumulate(s.sel.begin(), s.sel.end(), 0.0);
  in.require(slots > 0, "sel", "expected at least one neighbour slot");
  in.require(slots <= 2147483647.0, "sel", "expected fewer slots than 32 bits can count");
  s.rcut = in.get<double>("rcut");
  s.rcut_smth = in.get<double>("rcut_smth");
  in.require(s.rcut > 0 && s.rcut_smth >= 0 && s.rcut_smth < s.rcut, "rcut_smth", "expected 0 <= rcut_smth < rcut");
  in.require(s.rcut <= 1e4, "rcut", "expected at most 10,000 A");
  s.embedding.neuron = in.get<std::vector<int>>("neuron");
  in.require(!s.embedding.neuron.empty(), "neuron", "expected at least one layer");
  for (const int n : s.embedding.neuron) in.require(n > 0, "neuron", "expected positive layer sizes");
  s.axis_neuron = in.get<int>("axis_neuron");
  in.require(s.axis_neuron > 0 && s.axis_neuron <= s.embedding.neuron.back(), "axis_neuron",
             "expected 1 to " + std::to_string(s.embedding.neuron.back()) + " (the last of neuron)");
  s.embedding.activation = activation_from_name(in.get<std::string>("activation_function"));
  s.embedding.resnet_dt = in.get_or<bool>("resnet_dt", false);
  s.embedding.trainable = in.get_or<bool>("trainable", true);
  s.embedding.online_table = in.get_or<bool>("online_table", true);
  s.type_one_side = in.get_or<bool>("type_one_side", false);
  const auto compress = config.find("compress");
  if (compress != config.end() && !compress->is_null()) {
    s.compress = TableSpec::from_json(*compress, "model/descriptor/compress");
    in.require(s.compress->min_nbor_dist < s.rcut, "compress", "expected min_nbor_dist below rcut");
  }
  s.excluded.assign(static_cast<std::size_t>(ntypes * ntypes), false);
  for (const auto& pair : in.get_or<std::vector<std::vector<int>>>("exclude_types", {})) {
    in.require(pair.size() == 2 && pair[0] >= 0 && pair[0] < ntypes && pair[1] >= 0 && pair[1] < ntypes,
               "exclude_types", "expected pairs of type indices below " + std::to_string(ntypes));
    s.excluded[static_cast<std::size_t>(pair[0] * ntypes + pair[1])] = true;
    s.excluded[static_cast<std::size_t>(pair[1] * ntypes + pair[0])] = true;
  }
  return s;
}

template <class S>
SeE2A<S>::SeE2A(const nlohmann::json& config, int ntypes)
    : spec_(SeE2ASpec::from_json(config, ntypes)),
      config_(config),
      cutoff_(spec_.rcut, spec_.rcut_smth),
      inverse_nnei_(1.0 / std::accumulate(spec_.sel.begin(), spec_.sel.end(), 0)) {
  const int n_centre = spec_.type_one_side ? 1 : ntypes;
  for (int a = 0; a < n_centre; ++a) {
    for (int b = 0; b < ntypes; ++b) {
      std::unique_ptr<RadialNet<S>> net;
      if (spec_.type_one_side || !spec_.is_excluded(a, b)) {
        net = std::make_unique<RadialNet<S>>(store_, net_name(a, b) + "/", spec_.embedding);
      }
      nets_.push_back(std::move(net));
    }
  }
  store_.allocate();
  davg_.assign(static_cast<std::size_t>(4 * ntypes), 0.0);
  dstd_.assign(static_cast<std::size_t>(4 * ntypes), 1.0);
}

template <class S>
void SeE2A<S>::initialize() {
  auto generator = network_generator(config_, 1);
  initialize_network(store_, generator, 1.0);
}

template <class S>
void SeE2A<S>::set_statistics(const std::vector<double>& davg, const std::vector<double>& dstd) {
  davg_ = davg;
  dstd_ = dstd;
}

template <class S>
EnvNorm SeE2A<S>::norm(int type) const {
  EnvNorm n;
  for (std::size_t c = 0; c < 4; ++c) {
    n.avg[c] = davg_[static_cast<std::size_t>(4 * type) + c];
    n.inverse_std[c] = 1.0 / dstd_[static_cast<std::size_t>(4 * type) + c];
  }
  return n;
}

template <class S>
bool SeE2A<S>::padding(int type, S value[4]) const {
  const EnvNorm n = norm(type);
  bool any = false;
  for (std::size_t c = 0; c < 4; ++c) {
    value[c] = static_cast<S>(-n.avg[c] * n.inverse_std[c]);
    any = any || value[c] != S(0);
  }
  return any;
}

template <class S>
std::vector<bool> SeE2A<S>::wanted(int type) const {
  std::vector<bool> w(static_cast<std::size_t>(spec_.ntypes));
  for (int b = 0; b < spec_.ntypes; ++b) w[static_cast<std::size_t>(b)] = !spec_.is_excluded(type, b);
  return w;
}

template <class S>
std::string SeE2A<S>::net_name(int a, int b) const {
  return "net_" + (spec_.type_one_side ? "" : std::to_string(a) + "_") + std::to_string(b);
}

template <class S>
void SeE2A<S>::evaluate_radial(const Exec& exec, int a, int b, int first, int last, State& state, Workspace& ws) const {
  const Vector<S> s(state.env.radial.data() + first, last - first);
  const Matrix<S> g = rows(state.g, first, last), g_prime = rows(state.g_prime, first, last);
  if (fixed_table(a, b) == nullptr) {
    radial(a, b)->forward(exec, s, g, g_prime, ws);
    return;
  }
  const int outside = fixed_table(a, b)->evaluate(exec, s, g, g_prime, ws);
  if (outside > 0 && spec_.compress) state.outside.add(outside, shortest(exec, state.pairs, first, last));
}

template <class S>
template <class F>
void SeE2A<S>::for_segments(const State& state, const F& f) const {
  for (int b = 0; b < spec_.ntypes; ++b) {
    const int first = state.pairs.segment[static_cast<std::size_t>(b)],
              last = state.pairs.segment[static_cast<std::size_t>(b) + 1];
    if (last > first) f(b, first, last);
  }
}

namespace {

/// T[i][c][m] += weight(b, i) pad[c] g[m], weight = scale (sel_b - n_b)
template <class S>
void add_padding(const Exec& exec, const TilePairs& pairs, int b, int sel, S scale, const Kokkos::Array<S, 4>& pad,
                 const Matrix<S>& g, const Tensor3<S>& moment) {
  const int n = pairs.n_rows, m = static_cast<int>(moment.extent(2));
  const Vector<int> offset = pairs.offset;
  for_each_element(
      exec, "dpcore::add_padding", n, m, KOKKOS_LAMBDA(const int i, const int k) {
        const int empty = sel - (offset(b * n + i + 1) - offset(b * n + i));
        for (int c = 0; c < 4; ++c) moment(i, c, k) += scale * static_cast<S>(empty) * pad[c] * g(0, k);
      });
}

/// g_bar[m] = sum_i weight(b, i) sum_c T_bar[i][c][m] pad[c]
template <class S>
void padding_backward(const Exec& exec, const TilePairs& pairs, int b, int sel, S scale,
                      const Kokkos::Array<S, 4>& pad, const Tensor3<S>& moment_bar, const Matrix<S>& g_bar) {
  const int n = pairs.n_rows, m = static_cast<int>(moment_bar.extent(2));
  const Vector<int> offset = pairs.offset;
  for_each(
      exec, "dpcore::padding_backward", m, KOKKOS_LAMBDA(const int k) {
        S sum = S(0);
        for (int i = 0; i < n; ++i) {
          const int empty = sel - (offset(b * n + i + 1) - offset(b * n + i));
          S along = S(0);
          for (int c = 0; c < 4; ++c) along += moment_bar(i, c, k) * pad[c];
          sum += scale * static_cast<S>(empty) * along;
        }
        g_bar(0, k) = sum;
      });
}

template <class S>
Vector<S> single(const Exec& exec, S value, Workspace& ws) {
  const Vector<S> v = ws.vector<S>(1);
  for_each(exec, "dpcore::single", 1, KOKKOS_LAMBDA(const int) { v(0) = value; });
  return v;
}

template <class S>
Tensor3<S> zero_moment(const Exec& exec, int n, int m, Workspace& ws) {
  const auto rows = static_cast<std::size_t>(n), columns = static_cast<std::size_t>(m);
  const Tensor3<S> t = ws.tensor<S>(rows, 4, columns);
  S* p = t.data();
  for_each_element(
      exec, "dpcore::zero_moment", n, 4 * m, KOKKOS_LAMBDA(const int i, const int j) { p[i * 4 * m + j] = S(0); });
  return t;
}

}  // namespace

template <class S>
void SeE2A<S>::contract(const Exec& exec, const Tensor3<S>& a, const Tensor3<S>& b, bool tangent,
                        const Matrix<S>& out) const {
  contract_axes<S>(exec, a, b, tangent, spec_.axis_neuron, out);
  if (!rotation_) return;
  const int first = dim_axes(), m = n_radial();
  for_each_element(
      exec, "dpcore::rotation", static_cast<int>(b.extent(0)), 3 * m,
      KOKKOS_LAMBDA(const int i, const int k) { out(i, first + k) = b(i, 1 + k % 3, k / 3); });
}

template <class S>
void SeE2A<S>::contract_backward(const Exec& exec, const Matrix<S>& d_bar, const Tensor3<S>& moment,
                                 const Tensor3<S>& moment_bar) const {
  contract_axes_backward<S>(exec, d_bar, moment, spec_.axis_neuron, false, moment_bar);
  if (!rotation_) return;
  const int first = dim_axes(), m = n_radial();
  for_each_element(
      exec, "dpcore::rotation_backward", static_cast<int>(moment.extent(0)), 3 * m,
      KOKKOS_LAMBDA(const int i, const int k) { moment_bar(i, 1 + k % 3, k / 3) += d_bar(i, first + k); });
}

template <class S>
AnyMatrix SeE2A<S>::forward(const Exec& exec, const DeviceStructure& structure, const Tile& tile,
                            Descriptor::State& base, Workspace& ws) const {
  auto& state = static_cast<State&>(base);
  const int a = tile.type, n_radial = spec_.embedding.neuron.back();
  select_pairs(exec, structure, tile, cutoff_.rcut, spec_.sel, wanted(a), state.pairs, state.overflow, ws);
  env_forward(exec, state.pairs, cutoff_, norm(a), state.env, ws);

  const auto n_pairs = static_cast<std::size_t>(state.pairs.n_pairs), m = static_cast<std::size_t>(n_radial);
  state.g = state.g_prime = Matrix<S>();
  state.stored.assign(static_cast<std::size_t>(spec_.ntypes), 0);
  if (!fixed_tables_.empty()) state.places = {ws.vector<int>(n_pairs), ws.vector<S>(n_pairs)};
  state.moment = zero_moment<S>(exec, tile.size(), n_radial, ws);
  for_segments(state, [&](int b, int first, int last) {
    const QuinticTable<S>* table = fixed_table(a, b);
    if (table != nullptr && !state.for_training &&
        find_places(exec, table->view(), state.env.radial, first, last, state.places, ws)) {
      add_table_moment<S>(exec, state.pairs, b, table->view(), state.places, state.env.value, scale(), state.moment);
      return;
    }
    state.stored[static_cast<std::size_t>(b)] = 1;
    if (state.g.data() == nullptr) {
      state.g = ws.matrix<S>(n_pairs, m);
      state.g_prime = ws.matrix<S>(n_pairs, m);
    }
    evaluate_radial(exec, a, b, first, last, state, ws);
    add_moment<S>(exec, state.pairs, b, state.env.value, rows(state.g, first, last), scale(), state.moment);
  });

  Kokkos::Array<S, 4> pad;
  if (padding(a, pad.data())) {
    Workspace::Scope scope(ws);
    const Matrix<S> g = ws.matrix<S>(1, m), g_prime = ws.matrix<S>(1, m);
    for (int b = 0; b < spec_.ntypes; ++b) {
      if (spec_.is_excluded(a, b) || spec_.sel[static_cast<std::size_t>(b)] == 0) continue;
      radial(a, b)->forward(exec, single(exec, pad[0], ws), g, g_prime, ws);
      add_padding<S>(exec, state.pairs, b, spec_.sel[static_cast<std::size_t>(b)], scale(), pad, g, state.moment);
    }
  }
  const Matrix<S> d = ws.matrix<S>(static_cast<std::size_t>(tile.size()), static_cast<std::size_t>(dim_out()));
  contract(exec, state.moment, state.moment, false, d);
  return d;
}

template <class S>
void SeE2A<S>::backward_inputs(const Exec& exec, const Tile& tile, const AnyMatrix& d_descriptor,
                               Descriptor::State& base, Workspace& ws) const {
  auto& state = static_cast<State&>(base);
  Workspace::Scope scope(ws);
  const Tensor3<S> moment_bar = ws.tensor<S>(state.moment.extent(0), 4, state.moment.extent(2));
  contract_backward(exec, as<S>(exec, d_descriptor, ws), state.moment, moment_bar);
  const Matrix<S> d_value = ws.matrix<S>(static_cast<std::size_t>(state.pairs.n_pairs), 4);
  for_segments(state, [&](int b, int first, int last) {
    if (!state.stored[static_cast<std::size_t>(b)]) {
      table_moment_backward_inputs<S>(exec, state.pairs, b, fixed_table(tile.type, b)->view(), state.places, moment_bar,
                                      state.env.value, scale(), d_value, ws);
      return;
    }
    moment_backward_inputs<S>(exec, state.pairs, b, moment_bar, state.env.value, rows(state.g, first, last),
                              rows(state.g_prime, first, last), scale(), d_value);
  });
  env_backward<S>(exec, state.pairs, norm(tile.type), state.env, d_value);
}

template <class S>
AnyMatrix SeE2A<S>::tangent(const Exec& exec, const Tile& tile, Descriptor::State& base, Workspace& ws) const {
  auto& state = static_cast<State&>(base);
  env_tangent<S>(exec, state.pairs, norm(tile.type), state.env, ws);
  const int n_radial = spec_.embedding.neuron.back();
  state.moment_dot = zero_moment<S>(exec, tile.size(), n_radial, ws);
  const Matrix<S> d_dot = ws.matrix<S>(static_cast<std::size_t>(tile.size()), static_cast<std::size_t>(dim_out()));
  Workspace::Scope scope(ws);
  // T_dot = scale sum_j (R_dot_j G_j + R_j G'_j s_dot_j): the second with rows R_j s_dot_j; empty slots do not move
  const Matrix<S> scaled = ws.matrix<S>(static_cast<std::size_t>(state.pairs.n_pairs), 4);
  const Matrix<S> value = state.env.value, value_dot = state.env.value_dot;
  for_each(
      exec, "dpcore::scale_rows", state.pairs.n_pairs, KOKKOS_LAMBDA(const int p) {
        for (int c = 0; c < 4; ++c) scaled(p, c) = value(p, c) * value_dot(p, 0);
      });
  for_segments(state, [&](int b, int first, int last) {
    add_moment<S>(exec, state.pairs, b, value_dot, rows(state.g, first, last), scale(), state.moment_dot);
    add_moment<S>(exec, state.pairs, b, scaled, rows(state.g_prime, first, last), scale(), state.moment_dot);
  });
  contract(exec, state.moment, state.moment_dot, true, d_dot);
  return d_dot;
}

template <class S>
void SeE2A<S>::backward_params(const Exec& exec, const Tile& tile, const AnyMatrix& d_bar, const AnyMatrix& d_dot_bar,
                               Descriptor::State& base, int slot, Workspace& ws) const {
  if (!spec_.embedding.trainable) return;
  auto& state = static_cast<State&>(base);
  Workspace::Scope scope(ws);
  const int a = tile.type;
  const auto n_rows = state.moment.extent(0), m = state.moment.extent(2);
  // D = T^T T_<, D_dot = T_dot^T T_< + T^T T_dot_<
  const Tensor3<S> moment_bar = ws.tensor<S>(n_rows, 4, m);
  contract_backward(exec, as<S>(exec, d_bar, ws), state.moment, moment_bar);
  Tensor3<S> moment_dot_bar;
  if (d_dot_bar.empty()) {
    moment_dot_bar = zero_moment<S>(exec, static_cast<int>(n_rows), static_cast<int>(m), ws);
    state.env.value_dot = ws.matrix<S>(static_cast<std::size_t>(state.pairs.n_pairs), 4);
    const Matrix<S> value_dot = state.env.value_dot;
    for_each_element(
        exec, "dpcore::no_tangent", state.pairs.n_pairs, 4,
        KOKKOS_LAMBDA(const int p, const int c) { value_dot(p, c) = S(0); });
  } else {
    const Matrix<S> dot_bar = as<S>(exec, d_dot_bar, ws);
    moment_dot_bar = ws.tensor<S>(n_rows, 4, m);
    contract_axes_backward<S>(exec, dot_bar, state.moment_dot, spec_.axis_neuron, true, moment_bar);
    contract_backward(exec, dot_bar, state.moment, moment_dot_bar);
  }

  const Matrix<S> g_bar_room = ws.matrix<S>(kPairChunk, m), g_prime_bar_room = ws.matrix<S>(kPairChunk, m);
  for_segments(state, [&](int b, int begin, int end) {
    for (int first = begin; first < end; first += kPairChunk) {
      const int last = std::min(end, first + kPairChunk);
      const Matrix<S> g_bar = rows(g_bar_room, 0, last - first), g_prime_bar = rows(g_prime_bar_room, 0, last - first);
      moment_backward_params<S>(exec, state.pairs, first, last, moment_bar, moment_dot_bar, state.env.value,
                                state.env.value_dot, scale(), g_bar, g_prime_bar);
      radial(a, b)->backward_params(exec, Vector<S>(state.env.radial.data() + first, last - first), g_bar, g_prime_bar,
                                    slot, ws);
    }
  });

  Kokkos::Array<S, 4> pad;
  if (!padding(a, pad.data())) return;
  const Matrix<S> g_bar = ws.matrix<S>(1, m), g_prime_bar = ws.matrix<S>(1, m);
  for_each_element(
      exec, "dpcore::zero_row", 1, static_cast<int>(m), KOKKOS_LAMBDA(const int, const int k) { g_prime_bar(0, k) = S(0); });
  for (int b = 0; b < spec_.ntypes; ++b) {
    if (spec_.is_excluded(a, b) || spec_.sel[static_cast<std::size_t>(b)] == 0) continue;
    padding_backward<S>(exec, state.pairs, b, spec_.sel[static_cast<std::size_t>(b)], scale(), pad, moment_bar, g_bar);
    radial(a, b)->backward_params(exec, single(exec, pad[0], ws), g_bar, g_prime_bar, slot, ws);
  }
}

template class SeE2A<double>;
template class SeE2A<float>;

}  // namespace dpcore
