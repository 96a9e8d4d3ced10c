// SPDX-License-Identifier: LGPL-3.0-or-later
#include "fitting/tensor.hpp"

#include <numeric>

namespace dpcore {

template <class S>
TensorFitting<S>::TensorFitting(const nlohmann::json& config, const FittingSizes& sizes, int n_y)
    : dim_net_(sizes.n_columns() - 3 * sizes.n_radial),
      n_radial_(sizes.n_radial),
      types_(sizes, dim_net_),
      config_(config) {
  const ConfigReader in(config, "model/fitting_net");
  const int ntypes = sizes.ntypes;
  const auto layers = fitting_layers(in, n_in() + sizes.dim_descriptor - sizes.n_columns(), n_y);
  std::vector<int> selected(static_cast<std::size_t>(ntypes));
  std::iota(selected.begin(), selected.end(), 0);
  selected = in.get_or<std::vector<int>>("sel_type", selected);
  in.require(!selected.empty(), "sel_type", "expected at least one type");
  nets_.resize(static_cast<std::size_t>(ntypes));
  for (const int t : selected) {
    in.require(
        t >= 0 && t < ntypes, "sel_type",
        "expected type indices from 0 to " + std::to_string(ntypes - 1) + ", got " + std::to_string(t));
    in.require(!nets_[static_cast<std::size_t>(t)], "sel_type",
               "type " + std::to_string(t) + " is given twice");
    auto& net = nets_[static_cast<std::size_t>(t)];
    if (types_.shared() && t != selected.front()) {
      net = nets_[static_cast<std::size_t>(selected.front())];  // one for all, also its folded rows
      continue;
    }
    net = std::make_shared<DenseStack<S>>(store_, types_.shared() ? "net/" : "net_" + std::to_string(t) + "/",
                                          layers, std::vector<bool>(layers.size(), true), sizes.symmetric);
  }
  store_.allocate();
}

template <class S>
void TensorFitting<S>::initialize() {
  auto generator = network_generator(config_, 2);
  initialize_network(store_, generator, 0.1);
}

template <class S>
void TensorFitting<S>::prepare(int type, int n, bool training, Fitting::State& base, Workspace& ws) const {
  auto& state = static_cast<State&>(base);
  const auto n_rows = static_cast<std::size_t>(n);
  state.type = type;
  state.training = training;
  state.weight = Matrix<double>();
  net(state).prepare(n, training, state.rows, ws);
  state.input = ws.matrix<S>(n_rows, static_cast<std::size_t>(n_in()));
  state.q = ws.matrix<S>(n_rows, 3 * static_cast<std::size_t>(n_radial_));
  state.rows.input = state.input;
  state.rows.input_dot = Matrix<S>();
}

template <class S>
void TensorFitting<S>::forward(const Exec& exec, const DeviceStructure&, const Tile& tile,
                               const AnyMatrix& descriptor, const FittingParams&, int row0,
                               Fitting::State& base, const Matrix<double>& value, Workspace& ws) const {
  auto& state = static_cast<State&>(base);
  const int n = tile.size(), dim = dim_net_;
  StackState<S> part = slice(state.rows, row0, row0 + n);
  const Matrix<S> input = part.input, q = rows(state.q, row0, row0 + n);
  {
    Workspace::Scope scope(ws);
    const Matrix<S> d = as<S>(exec, descriptor, ws);
    for_each_element(
        exec, "dpcore::tensor_input", n, dim,
        KOKKOS_LAMBDA(const int i, const int j) { input(i, j) = d(i, j); });
    for_each_element(
        exec, "dpcore::tensor_rotation", n, 3 * n_radial_,
        KOKKOS_LAMBDA(const int i, const int j) { q(i, j) = d(i, dim + j); });
  }
  if (types_.shared()) types_.write(exec, state.type, input);
  net(state).forward(exec, input, part, state.training);
  contract(exec, state.type, part.layers.back().x, q, value);
}

template <class S>
AnyMatrix TensorFitting<S>::backward_inputs(const Exec& exec, const Tile& tile, int component, int row0,
                                            Fitting::State& base, Workspace& ws) const {
  auto& state = static_cast<State&>(base);
  const int n = tile.size();
  const auto n_rows = static_cast<std::size_t>(n);
  StackState<S> part = slice(state.rows, row0, row0 + n);
  const Matrix<S> y = part.layers.back().x, q = rows(state.q, row0, row0 + n);
  const Matrix<S> seed = ws.matrix<S>(n_rows, static_cast<std::size_t>(n_out()));
  const Matrix<double> weight = state.weight;
  const bool weighted = weight.extent(0) > 0;
  for_each_element(
      exec, "dpcore::tensor_seed", n, n_out(), KOKKOS_LAMBDA(const int i, const int j) {
        seed(i, j) = weighted ? static_cast<S>(weight(row0 + i, j)) : (j == component ? S(1) : S(0));
      });
  const Matrix<S> y_bar = ws.matrix<S>(n_rows, y.extent(1)), q_bar = ws.matrix<S>(n_rows, q.extent(1));
  contract_backward(exec, state.type, y, q, seed, y_bar, q_bar, ws);
  const Matrix<S> d_input = ws.matrix<S>(n_rows, static_cast<std::size_t>(n_in()));
  net(state).backward_inputs(exec, y_bar, part, false, &d_input, ws);
  return join(exec, d_input, q_bar, ws);
}

template <class S>
AnyMatrix TensorFitting<S>::backward_params(const Exec& exec, const Tile& tile, const AnyMatrix& d_dot,
                                            const Matrix<double>& value_bar, int row0, Fitting::State& base,
                                            Workspace& ws) const {
  if (!d_dot.empty()) throw Error("training: derivatives of tensors are no part of a loss");
  auto& state = static_cast<State&>(base);
  const int n = tile.size();
  const auto n_rows = static_cast<std::size_t>(n);
  StackState<S> part = slice(state.rows, row0, row0 + n);
  const Matrix<S> y = part.layers.back().x, q = rows(state.q, row0, row0 + n);
  const Matrix<S> y_bar = ws.matrix<S>(n_rows, y.extent(1)), q_bar = ws.matrix<S>(n_rows, q.extent(1));
  contract_backward(exec, state.type, y, q, as<S>(exec, value_bar, ws), y_bar, q_bar, ws);
  const Matrix<S> d_input = ws.matrix<S>(n_rows, static_cast<std::size_t>(n_in()));
  net(state).backward_values(exec, y_bar, part, &d_input, ws);
  return join(exec, d_input, q_bar, ws);
}

template <class S>
AnyMatrix TensorFitting<S>::join(const Exec& exec, const Matrix<S>& d_input, const Matrix<S>& q_bar,
                                 Workspace& ws) const {
  const int n = static_cast<int>(d_input.extent(0)), dim = dim_net_;
  const Matrix<S> all = ws.matrix<S>(d_input.extent(0), static_cast<std::size_t>(dim_descriptor()));
  for_each_element(
      exec, "dpcore::join", n, dim, KOKKOS_LAMBDA(const int i, const int j) { all(i, j) = d_input(i, j); });
  for_each_element(
      exec, "dpcore::join_rotation", n, 3 * n_radial_,
      KOKKOS_LAMBDA(const int i, const int j) { all(i, dim + j) = q_bar(i, j); });
  return all;
}

template <class S>
void TensorFitting<S>::finish(const Exec& exec, Fitting::State& base, Workspace& ws) const {
  auto& state = static_cast<State&>(base);
  if (types_.shared()) types_.backward(exec, net(state), state.rows, false, state, ws);
}

template <class S>
int TensorFitting<S>::n_gradient_jobs(const std::vector<Fitting::State*>& states) const {
  if (states.empty()) return 0;
  const auto& one = net(static_cast<const State&>(*states.front()));
  return dpcore::n_gradient_jobs(one, static_cast<int>(states.size()), types_.shared());
}

template <class S>
Fitting::GradientWork TensorFitting<S>::gradient_work(int job,
                                                      const std::vector<Fitting::State*>& states) const {
  const auto state = [&](int k) -> const State& {
    return static_cast<const State&>(*states[static_cast<std::size_t>(k)]);
  };
  const JobStates all = job_states(net(state(0)), job, static_cast<int>(states.size()), types_.shared());
  GradientWork work = {gradient_job(net(state(all.first)), all.job).range, 0};
  for (int k = all.first; k < all.last; ++k) work.n_rows += state(k).rows.n;
  return work;
}

template <class S>
void TensorFitting<S>::run_gradient_job(const Exec& exec, int job, const std::vector<Fitting::State*>& states,
                                        int slot) const {
  const auto& one = net(static_cast<const State&>(*states.front()));
  const JobStates all = job_states(one, job, static_cast<int>(states.size()), types_.shared());
  for (int k = all.first; k < all.last; ++k) {
    const auto& state = static_cast<const State&>(*states[static_cast<std::size_t>(k)]);
    const GradientJob j = gradient_job(net(state), all.job);
    net(state).accumulate_gradients(exec, state.rows, j.layer, j.piece, slot, k == all.first);
    if (k + 1 == all.last) net(state).unfold_gradients(exec, j.piece, slot);
  }
}

template class TensorFitting<double>;
template class TensorFitting<float>;

}  // namespace dpcore
