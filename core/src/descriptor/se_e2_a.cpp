// SPDX-License-Identifier: LGPL-3.0-or-later
#include "descriptor/se_e2_a.hpp"

#include <algorithm>

#include "base/json_config.hpp"
#include "descriptor/moment.hpp"

namespace dpcore {

namespace {

int axis_neuron(const nlohmann::json& config) {
  const ConfigReader in(config, "model/descriptor");
  const int n = in.get<int>("axis_neuron"), width = in.get<std::vector<int>>("neuron").back();
  in.require(n > 0 && n <= width, "axis_neuron",
             "expected 1 to " + std::to_string(width) + " (the last of neuron)");
  return n;
}

}  // namespace

template <class S>
SeE2A<S>::SeE2A(const nlohmann::json& config, int ntypes, int n_types, NetsFor nets_for)
    : TwoBody<S>(config, ntypes, 4, n_types, nets_for),
      axis_neuron_(axis_neuron(config)),
      inverse_nnei_(1.0 / spec_.n_slots()) {}

template <class S>
bool SeE2A<S>::padding(int type, S value[4]) const {
  const EnvNorm n = this->env_norm(type);
  bool any = false;
  for (std::size_t c = 0; c < 4; ++c) {
    value[c] = static_cast<S>(-n.avg[c] * n.inverse_std[c]);
    any = any || value[c] != S(0);
  }
  return any;
}

namespace {

template <class S>
struct PaddingRow {
  S *moment, weight[4];
};

/// T[i][c][m] += weight(b, i) pad[c] g[m], weight = scale (sel_b - n_b)
template <class S>
void add_padding(const Exec& exec, const TilePairs& pairs, int b, int sel, S scale,
                 const Kokkos::Array<S, 4>& pad, const Matrix<S>& g, const Tensor3<S>& moment) {
  const int n = pairs.n_rows, m = static_cast<int>(moment.extent(2));
  const Vector<int> offset = pairs.offset;
  const S* const value = g.data();
  for_each_in_row(
      exec, "dpcore::add_padding", n, m,
      KOKKOS_LAMBDA(const int i) {
        const S weight = scale * static_cast<S>(sel - (offset(b * n + i + 1) - offset(b * n + i)));
        return PaddingRow<S>{&moment(i, 0, 0),
                             {weight * pad[0], weight * pad[1], weight * pad[2], weight * pad[3]}};
      },
      KOKKOS_LAMBDA(const PaddingRow<S>& x, const int k) {
        for (int c = 0; c < 4; ++c) x.moment[c * m + k] += x.weight[c] * value[k];
      });
}

/// g_bar[m] = sum_i weight(b, i) sum_c T_bar[i][c][m] pad[c]
template <class S>
void padding_backward(const Exec& exec, const TilePairs& pairs, int b, int sel, S scale,
                      const Kokkos::Array<S, 4>& pad, const Tensor3<S>& moment_bar, const Matrix<S>& g_bar) {
  const int n = pairs.n_rows, m = static_cast<int>(moment_bar.extent(2));
  const Vector<int> offset = pairs.offset;
  for_each_sum<S, 1>(
      exec, "dpcore::padding_backward", m, n,
      KOKKOS_LAMBDA(const int k, const int i, Sums<S, 1>& sum) {
        const int empty = sel - (offset(b * n + i + 1) - offset(b * n + i));
        S along = S(0);
        for (int c = 0; c < 4; ++c) along += moment_bar(i, c, k) * pad[c];
        sum.at[0] += scale * static_cast<S>(empty) * along;
      },
      KOKKOS_LAMBDA(const int k, const Sums<S, 1>& sum) { g_bar(0, k) = sum.at[0]; });
}

template <class S>
Tensor3<S> zero_moment(const Exec& exec, int n, int m, Workspace& ws) {
  const auto rows = static_cast<std::size_t>(n), columns = static_cast<std::size_t>(m);
  const Tensor3<S> t = ws.tensor<S>(rows, 4, columns);
  S* p = t.data();
  for_each_element(
      exec, "dpcore::zero_moment", n, 4 * m,
      KOKKOS_LAMBDA(const int i, const int j) { p[i * 4 * m + j] = S(0); });
  return t;
}

}  // namespace

template <class S>
void SeE2A<S>::contract(const Exec& exec, const Tensor3<S>& a, const Tensor3<S>& b, bool tangent,
                        const Matrix<S>& out) const {
  contract_axes<S>(exec, a, b, tangent, axis_neuron_, out);
  if (!rotation_) return;
  const int first = axis_columns(), m = n_radial();
  for_each_element(
      exec, "dpcore::rotation", static_cast<int>(b.extent(0)), 3 * m,
      KOKKOS_LAMBDA(const int i, const int k) { out(i, first + k) = b(i, 1 + k % 3, k / 3); });
}

template <class S>
void SeE2A<S>::contract_backward(const Exec& exec, const Matrix<S>& d_bar, const Tensor3<S>& moment,
                                 const Tensor3<S>& moment_bar) const {
  contract_axes_backward<S>(exec, d_bar, moment, axis_neuron_, false, moment_bar);
  if (!rotation_) return;
  const int first = axis_columns(), m = n_radial();
  for_each_element(
      exec, "dpcore::rotation_backward", static_cast<int>(moment.extent(0)), 3 * m,
      KOKKOS_LAMBDA(const int i, const int k) { moment_bar(i, 1 + k % 3, k / 3) += d_bar(i, first + k); });
}

template <class S>
bool SeE2A<S>::add_fused_moment(const Exec& exec, int a, int b, int first, int last, State& state,
                                Workspace& ws) const {
  const auto add = [&](const auto& table, const auto& places) {
    const int n_outside = find_places(exec, table, state.env.radial, first, last, places, ws);
    if (!kExecOnHost && n_outside > 0) return false;
    add_table_moment(exec, state.pairs, b, table, places, state.env.value, scale(), state.moment, ws);
    if (n_outside == 0) return true;
    int* const outside = ws.take<int>(static_cast<std::size_t>(n_outside));
    for (int p = first, k = 0; p < last; ++p) {
      if (places.row(p) < 0) outside[k++] = p;
    }
    OutsidePairs<S>& o = add_outside(b, outside, n_outside, state, ws);
    this->evaluate_radial(exec, a, b, first, last, o.s, o.g, o.g_prime, state, ws);
    add_moment<S>(exec, o.pairs, 0, o.value, o.g, scale(), state.moment);
    return true;
  };
  if (const SingleTable* single = this->single_table(a, b)) return add(single->view(), state.single_places);
  const QuinticTable<S>* table = this->fixed_table(a, b);
  return table != nullptr && add(table->view(), state.places);
}

template <class S>
bool SeE2A<S>::add_moment_by_pieces(int a, int b, int first, int last, State& state, Workspace& ws) const {
  const PieceTable<S>* table = this->piece_table(a, b);
  if (table == nullptr) return false;
  PieceGroups<S>& groups = state.groups[static_cast<std::size_t>(b)];
  group_pairs(table->view(), state.pairs, b, state.env.radial, groups, ws);
  add_piece_moment(table->view(), groups, state.env.value, scale(), state.moment);
  if (groups.n_outside == 0) return true;
  OutsidePairs<S>& o = add_outside(b, groups.outside, groups.n_outside, state, ws);
  this->evaluate_beyond_pieces(Exec(), a, b, first, last, o.s, o.g, o.g_prime, state, ws);
  add_moment<S>(Exec(), o.pairs, 0, o.value, o.g, scale(), state.moment);
  return true;
}

template <class S>
OutsidePairs<S>& SeE2A<S>::add_outside(int b, const int* pair, int n, State& state, Workspace& ws) const {
  OutsidePairs<S>& o = state.outside_pairs[static_cast<std::size_t>(b)];
  o = outside_pairs(pair, n, state.pairs, state.env.radial, state.env.value, n_radial(), ws);
  return o;
}

template <class S>
void SeE2A<S>::backward_outside(int b, const State& state, const Tensor3<S>& moment_bar,
                                const Matrix<S>& d_value, Workspace& ws) const {
  const OutsidePairs<S>& o = state.outside_pairs[static_cast<std::size_t>(b)];
  if (o.pairs.n_pairs == 0) return;
  const Workspace::Scope scope(ws);
  const Matrix<S> d = ws.matrix<S>(static_cast<std::size_t>(o.pairs.n_pairs), 4);
  moment_backward_inputs<S>(Exec(), o.pairs, 0, moment_bar, o.value, o.g, o.g_prime, scale(), d);
  for (int k = 0; k < o.pairs.n_pairs; ++k) {
    for (int c = 0; c < 4; ++c) d_value(o.pair[k], c) = d(k, c);
  }
}

template <class S>
AnyMatrix SeE2A<S>::forward(const Exec& exec, const DeviceStructure& structure, const Tile& tile,
                            Descriptor::State& base, Workspace& ws) const {
  auto& state = static_cast<State&>(base);
  const int a = tile.type;
  select_pairs(exec, structure, tile, cutoff_.rcut, spec_.sel, this->wanted(a), state.pairs, state.overflow,
               ws);
  env_forward(exec, state.pairs, cutoff_, this->env_norm(a), state.env, ws);

  const auto n_pairs = static_cast<std::size_t>(state.pairs.n_pairs),
             m = static_cast<std::size_t>(n_radial());
  state.g = state.g_prime = Matrix<S>();
  state.way.assign(static_cast<std::size_t>(spec_.ntypes), Way::Stored);
  state.groups.resize(state.way.size());
  state.outside_pairs.assign(state.way.size(), OutsidePairs<S>());
  if (this->has_fixed_tables()) {
    state.places = {ws.vector<int>(n_pairs), ws.vector<S>(n_pairs)};
    state.single_places = {state.places.row, ws.vector<float>(n_pairs)};
  }
  state.moment = zero_moment<S>(exec, tile.size(), n_radial(), ws);
  this->for_segments(state.pairs, [&](int b, int first, int last) {
    Way& way = state.way[static_cast<std::size_t>(b)];
    if (kExecOnHost && state.for_training && this->step_table(a, b) != nullptr) {
      way = Way::Nodes;
      add_node_moment<S>(this->step_table(a, b)->nodes(), node_pairs(state, b), scale(), state.moment, ws);
      return;
    }
    if (!state.for_training && add_moment_by_pieces(a, b, first, last, state, ws)) {
      way = Way::Pieces;
      return;
    }
    if (!state.for_training && add_fused_moment(exec, a, b, first, last, state, ws)) {
      way = Way::Quintic;
      return;
    }
    if (state.g.data() == nullptr) {
      state.g = ws.matrix<S>(n_pairs, m);
      state.g_prime = ws.matrix<S>(n_pairs, m);
    }
    const Vector<S> s(state.env.radial.data() + first, static_cast<std::size_t>(last - first));
    this->evaluate_radial(exec, a, b, first, last, s, rows(state.g, first, last),
                          rows(state.g_prime, first, last), state, ws);
    add_moment<S>(exec, state.pairs, b, state.env.value, rows(state.g, first, last), scale(), state.moment);
  });

  Kokkos::Array<S, 4> pad;
  if (padding(a, pad.data())) {
    Workspace::Scope scope(ws);
    const Matrix<S> g = ws.matrix<S>(1, m), g_prime = ws.matrix<S>(1, m);
    for (int b = 0; b < spec_.ntypes; ++b) {
      if (spec_.is_excluded(a, b) || spec_.sel[static_cast<std::size_t>(b)] == 0) continue;
      if (const PieceTable<S>* table = state.for_training ? nullptr : this->piece_table(a, b)) {
        table->values(static_cast<double>(pad[0]), g.data());
      } else {
        this->radial(a, b)->forward(exec, single(exec, pad[0], ws), g, g_prime, ws);
      }
      add_padding<S>(exec, state.pairs, b, spec_.sel[static_cast<std::size_t>(b)], scale(), pad, g,
                     state.moment);
    }
  }
  const Matrix<S> d = room_for<S>(state.out, tile.size(), this->n_columns(), ws);
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
  this->for_segments(state.pairs, [&](int b, int first, int last) {
    const Way way = state.way[static_cast<std::size_t>(b)];
    if (way == Way::Nodes) {
      node_moment_backward_inputs<S>(this->step_table(tile.type, b)->nodes(), node_pairs(state, b), scale(),
                                     moment_bar, d_value, ws);
      return;
    }
    if (way == Way::Pieces) {
      piece_moment_backward_inputs(this->piece_table(tile.type, b)->view(),
                                   state.groups[static_cast<std::size_t>(b)], moment_bar, state.env.value,
                                   scale(), d_value, ws);
      backward_outside(b, state, moment_bar, d_value, ws);
      return;
    }
    if (way == Way::Quintic) {
      if (const SingleTable* single = this->single_table(tile.type, b)) {
        table_moment_backward_inputs(exec, state.pairs, b, single->view(), state.single_places, moment_bar,
                                     state.env.value, scale(), d_value, ws);
      } else {
        table_moment_backward_inputs(exec, state.pairs, b, this->fixed_table(tile.type, b)->view(),
                                     state.places, moment_bar, state.env.value, scale(), d_value, ws);
      }
      if constexpr (kExecOnHost) backward_outside(b, state, moment_bar, d_value, ws);
      return;
    }
    moment_backward_inputs<S>(exec, state.pairs, b, moment_bar, state.env.value, rows(state.g, first, last),
                              rows(state.g_prime, first, last), scale(), d_value);
  });
  env_backward<S>(exec, state.pairs, this->env_norm(tile.type), state.env, d_value);
}

template <class S>
AnyMatrix SeE2A<S>::tangent(const Exec& exec, const Tile& tile, Descriptor::State& base,
                            Workspace& ws) const {
  auto& state = static_cast<State&>(base);
  env_tangent<S>(exec, state.pairs, this->env_norm(tile.type), state.env, ws);
  state.moment_dot = zero_moment<S>(exec, tile.size(), n_radial(), ws);
  const Matrix<S> d_dot = room_for<S>(state.out, tile.size(), this->n_columns(), ws);
  Workspace::Scope scope(ws);
  // T_dot = scale sum_j (R_dot_j G_j + R_j G'_j s_dot_j): the second with rows R_j s_dot_j; empty slots do
  // not move
  const Matrix<S> scaled = ws.matrix<S>(static_cast<std::size_t>(state.pairs.n_pairs), 4);
  const Matrix<S> value = state.env.value, value_dot = state.env.value_dot;
  for_each(
      exec, "dpcore::scale_rows", state.pairs.n_pairs, KOKKOS_LAMBDA(const int p) {
        for (int c = 0; c < 4; ++c) scaled(p, c) = value(p, c) * value_dot(p, 0);
      });
  this->for_segments(state.pairs, [&](int b, int first, int last) {
    if (state.way[static_cast<std::size_t>(b)] == Way::Nodes) {
      add_node_moment_tangent<S>(this->step_table(tile.type, b)->nodes(), node_pairs(state, b), scale(),
                                 state.moment_dot, ws);
      return;
    }
    add_moment<S>(exec, state.pairs, b, value_dot, rows(state.g, first, last), scale(), state.moment_dot);
    add_moment<S>(exec, state.pairs, b, scaled, rows(state.g_prime, first, last), scale(), state.moment_dot);
  });
  contract(exec, state.moment, state.moment_dot, true, d_dot);
  return d_dot;
}

template <class S>
void SeE2A<S>::backward_params(const Exec& exec, const Tile& tile, const AnyMatrix& d_bar,
                               const AnyMatrix& d_dot_bar, Descriptor::State& base, int slot,
                               Workspace& ws) const {
  if (!this->has_gradients()) return;
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
    contract_axes_backward<S>(exec, dot_bar, state.moment_dot, axis_neuron_, true, moment_bar);
    contract_backward(exec, dot_bar, state.moment, moment_dot_bar);
  }

  const auto adjoints = [&](int first, int last, const Matrix<S>& g_bar, const Matrix<S>& g_prime_bar) {
    moment_backward_params<S>(exec, state.pairs, first, last, moment_bar, moment_dot_bar, state.env.value,
                              state.env.value_dot, scale(), g_bar, g_prime_bar);
  };
  this->for_segments(state.pairs, [&](int b, int first, int last) {
    const RadialTable<S>* table = this->step_table(a, b);
    if (state.way[static_cast<std::size_t>(b)] == Way::Nodes) {
      node_moment_backward_params<S>(table->nodes(), node_pairs(state, b), scale(), moment_bar,
                                     moment_dot_bar, table->adjoint(slot), ws);
    } else {
      this->backward_segment(exec, state.pairs, a, b, first, last, state.env.radial, slot, ws, adjoints);
    }
  });

  Kokkos::Array<S, 4> pad;
  if (!padding(a, pad.data())) return;
  const Matrix<S> g_bar = ws.matrix<S>(1, m), g_prime_bar = ws.matrix<S>(1, m);
  for_each_element(
      exec, "dpcore::zero_row", 1, static_cast<int>(m),
      KOKKOS_LAMBDA(const int, const int k) { g_prime_bar(0, k) = S(0); });
  for (int b = 0; b < spec_.ntypes; ++b) {
    if (spec_.is_excluded(a, b) || spec_.sel[static_cast<std::size_t>(b)] == 0) continue;
    padding_backward<S>(exec, state.pairs, b, spec_.sel[static_cast<std::size_t>(b)], scale(), pad,
                        moment_bar, g_bar);
    this->radial(a, b)->backward_params(exec, single(exec, pad[0], ws), g_bar, g_prime_bar, slot, ws);
  }
}

template class SeE2A<double>;
template class SeE2A<float>;

}  // namespace dpcore
