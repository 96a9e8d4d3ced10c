// SPDX-License-Identifier: LGPL-3.0-or-later
#include "fitting/ener.hpp"

#include <algorithm>

namespace dpcore {

template <class S>
EnerFitting<S>::EnerFitting(const nlohmann::json& config, const FittingSizes& sizes)
    : ntypes_(sizes.ntypes),
      dim_descriptor_(sizes.n_columns()),
      types_(sizes, sizes.n_columns()),
      config_(config),
      has_vacuum_(static_cast<std::size_t>(sizes.ntypes)) {
  const ConfigReader in(config, "model/fitting_net");
  dim_fparam_ = in.get_or<int>("numb_fparam", 0);
  dim_aparam_ = in.get_or<int>("numb_aparam", 0);
  in.require(dim_fparam_ >= 0, "numb_fparam", "expected a number >= 0");
  in.require(dim_aparam_ >= 0, "numb_aparam", "expected a number >= 0");
  const auto layers = fitting_layers(in, n_in() + sizes.dim_descriptor - dim_descriptor_, 1);
  std::vector<bool> trainable(layers.size(), true);
  const auto t = config.find("trainable");
  if (t != config.end() && t->is_array()) {
    trainable = in.get<std::vector<bool>>("trainable");
    in.require(trainable.size() == layers.size(), "trainable",
               "expected one flag per layer and one for the output layer (" + std::to_string(layers.size()) +
                   "), got " + std::to_string(trainable.size()));
  } else {
    trainable.assign(layers.size(), in.get_or<bool>("trainable", true));
  }
  const auto atom_ener = in.get_or<std::vector<nlohmann::json>>("atom_ener", {});
  in.require(atom_ener.empty() || static_cast<int>(atom_ener.size()) == ntypes_, "atom_ener",
             "expected one energy or null per type (" + std::to_string(ntypes_) + "), got " +
                 std::to_string(atom_ener.size()));
  for (std::size_t i = 0; i < atom_ener.size(); ++i) {
    in.require(atom_ener[i].is_null() || atom_ener[i].is_number(), "atom_ener", "expected numbers or null");
    has_vacuum_[i] = !atom_ener[i].is_null();
  }
  const bool any_vacuum = std::find(has_vacuum_.begin(), has_vacuum_.end(), true) != has_vacuum_.end();
  if (types_.shared()) {
    has_vacuum_.assign(has_vacuum_.size(), any_vacuum);
    nets_.emplace_back(store_, "net/", layers, trainable, sizes.symmetric);
  }
  for (int type = 0; type < ntypes_ && !types_.shared(); ++type) {
    nets_.emplace_back(store_, "net_" + std::to_string(type) + "/", layers, trainable, sizes.symmetric);
  }
  store_.allocate();
  constants_["bias_atom_e"].assign(static_cast<std::size_t>(ntypes_), 0.0);
  constants_["fparam_avg"].assign(static_cast<std::size_t>(dim_fparam_), 0.0);
  constants_["fparam_istd"].assign(static_cast<std::size_t>(dim_fparam_), 1.0);
  constants_["aparam_avg"].assign(static_cast<std::size_t>(dim_aparam_), 0.0);
  constants_["aparam_istd"].assign(static_cast<std::size_t>(dim_aparam_), 1.0);
}

template <class S>
void EnerFitting<S>::initialize() {
  auto generator = network_generator(config_, 2);
  initialize_network(store_, generator, 0.1);
}

template <class S>
void EnerFitting<S>::prepare(int type, int n, bool training, Fitting::State& base, Workspace& ws) const {
  auto& state = static_cast<State&>(base);
  const auto& net = this->net(type);
  const auto n_rows = static_cast<std::size_t>(n);
  state.type = type;
  state.training = training;
  state.weight = Matrix<double>();
  net.prepare(n, training, state.rows, ws);
  if (training) {
    stacked(n, n_in(), state.input, state.input_dot, ws);
    state.rows.input_dot = state.input_dot;
    state.rows.stacked_input = true;
  } else if (n_in() != dim_descriptor_) {
    state.input = ws.matrix<S>(n_rows, static_cast<std::size_t>(n_in()));
  } else {
    state.input = Matrix<S>();  // that of the descriptor
  }
  state.rows.input = state.input;
  state.vacuum.n =
      !has_vacuum_[static_cast<std::size_t>(type)] ? 0 : (dim_fparam_ + dim_aparam_ == 0 ? 1 : n);
  if (state.vacuum.n > 0) net.prepare(state.vacuum.n, training, state.vacuum, ws);
  if (!training) return;
  state.x_bar = ws.matrix<S>(n_rows, 1);
  state.rows.layers.back().x_dot_bar = state.x_bar;
  state.energy_bar = ws.vector<double>(n_rows);
}

/// The columns behind the descriptor's: numbers of the type, and normalised frame and atomic parameters of
/// the tile's centres.
template <class S>
void EnerFitting<S>::write_params(const Exec& exec, const DeviceStructure& structure, const Tile& tile,
                                  const FittingParams& params, const Matrix<S>& input) const {
  if (types_.shared()) types_.write(exec, tile.type, input);
  const auto column = [&](int at, const DeviceArray<double>& values, int width, int i, bool per_frame,
                          double avg, double istd) {
    const auto centre = structure.centre, frame = structure.frame;
    const int begin = tile.begin;
    const Matrix<S> x = input;
    const DeviceArray<double> v = values;
    for_each(
        exec, "dpcore::write_params", tile.size(), KOKKOS_LAMBDA(const int k) {
          const int c = centre(begin + k);
          x(k, at) = static_cast<S>((v((per_frame ? frame(c) : c) * width + i) - avg) * istd);
        });
  };
  for (int i = 0; i < dim_fparam_; ++i) {
    column(dim_descriptor_ + types_.width() + i, params.fparam, dim_fparam_, i, true,
           constant("fparam_avg", i), constant("fparam_istd", i));
  }
  for (int i = 0; i < dim_aparam_; ++i) {
    column(dim_descriptor_ + types_.width() + dim_fparam_ + i, params.aparam, dim_aparam_, i, false,
           constant("aparam_avg", i), constant("aparam_istd", i));
  }
}

template <class S>
void EnerFitting<S>::begin(const Exec& exec, const DeviceStructure& structure, const Tile& whole_type,
                           const FittingParams& params, Fitting::State& base, Workspace& ws) const {
  auto& state = static_cast<State&>(base);
  const int n = state.vacuum.n;
  if (n == 0) return;
  const Matrix<S> input = ws.matrix<S>(static_cast<std::size_t>(n), static_cast<std::size_t>(n_in()));
  for_each_element(
      exec, "dpcore::vacuum_input", n, dim_descriptor_,
      KOKKOS_LAMBDA(const int i, const int j) { input(i, j) = S(0); });
  if (dim_fparam_ + dim_aparam_ > 0) {
    write_params(exec, structure, whole_type, params, input);
  } else if (types_.shared()) {
    types_.write(exec, whole_type.type, input);
  }
  net(state.type).forward(exec, input, state.vacuum, state.training);
}

template <class S>
void EnerFitting<S>::forward(const Exec& exec, const DeviceStructure& structure, const Tile& tile,
                             const AnyMatrix& descriptor, const FittingParams& params, int row0,
                             Fitting::State& base, const Matrix<double>& value, Workspace& ws) const {
  auto& state = static_cast<State&>(base);
  const int n = tile.size();
  StackState<S> part = slice(state.rows, row0, row0 + n);
  {
    Workspace::Scope scope(ws);
    const Matrix<S> d = as<S>(exec, descriptor, ws);
    const bool alone = n_in() == dim_descriptor_ && !state.training;
    const Matrix<S> input = alone ? d : part.input;
    const bool converted = descriptor.is_float() != (sizeof(S) == 4);
    state.spent = alone && !converted ? d : Matrix<S>();
    if (input.data() != d.data()) {
      for_each_element(
          exec, "dpcore::fitting_input", n, dim_descriptor_,
          KOKKOS_LAMBDA(const int i, const int j) { input(i, j) = d(i, j); });
      write_params(exec, structure, tile, params, input);
    }
    net(state.type).forward(exec, input, part, state.training);
  }
  const Matrix<S> x = part.layers.back().x;
  const double bias = constant("bias_atom_e", state.type);
  const int n_vacuum = state.vacuum.n;
  const Matrix<S> vacuum = n_vacuum > 0 ? state.vacuum.layers.back().x : Matrix<S>();
  for_each(
      exec, "dpcore::fitting_energy", n, KOKKOS_LAMBDA(const int i) {
        double e = static_cast<double>(x(i, 0)) + bias;
        if (n_vacuum > 0) e -= static_cast<double>(vacuum(n_vacuum == 1 ? 0 : row0 + i, 0));
        value(i, 0) = e;
      });
}

template <class S>
AnyMatrix EnerFitting<S>::backward_inputs(const Exec& exec, const Tile& tile, int, int row0,
                                          Fitting::State& base, Workspace& ws) const {
  auto& state = static_cast<State&>(base);
  const int n = tile.size();
  StackState<S> part = slice(state.rows, row0, row0 + n);
  const auto n_rows = static_cast<std::size_t>(n);
  const Matrix<S> seed = state.training ? rows(state.x_bar, row0, row0 + n) : ws.matrix<S>(n_rows, 1);
  const Matrix<double> weight = state.weight;
  const bool weighted = weight.extent(0) > 0;
  for_each(
      exec, "dpcore::energy_seed", n,
      KOKKOS_LAMBDA(const int i) { seed(i, 0) = weighted ? static_cast<S>(weight(row0 + i, 0)) : S(1); });
  const Matrix<S> d_input =
      state.spent.data() != nullptr ? state.spent : ws.matrix<S>(n_rows, static_cast<std::size_t>(n_in()));
  net(state.type).backward_inputs(exec, seed, part, state.training, &d_input, ws);
  return descriptor_columns(exec, d_input, ws);
}

template <class S>
AnyMatrix EnerFitting<S>::descriptor_rows(const Fitting::State& base, bool dot) const {
  const auto& state = static_cast<const State&>(base);
  if (n_in() != dim_descriptor_) return {};
  return dot ? state.input_dot : state.input;
}

template <class S>
AnyMatrix EnerFitting<S>::descriptor_columns(const Exec& exec, const Matrix<S>& input, Workspace& ws) const {
  if (dim_descriptor_ == n_in()) return input;
  const Matrix<S> d = ws.matrix<S>(input.extent(0), static_cast<std::size_t>(dim_descriptor_));
  copy_matrix<S, S>(exec, input, d);
  return d;
}

template <class S>
AnyMatrix EnerFitting<S>::backward_params(const Exec& exec, const Tile& tile, const AnyMatrix& d_dot,
                                          const Matrix<double>& value_bar, int row0, Fitting::State& base,
                                          Workspace& ws) const {
  auto& state = static_cast<State&>(base);
  const auto& net = this->net(state.type);
  const int n = tile.size(), dim = dim_descriptor_;
  StackState<S> part = slice(state.rows, row0, row0 + n);
  const Matrix<S> input_dot = part.input_dot, seed = ws.matrix<S>(static_cast<std::size_t>(n), 1);
  const Matrix<S> dot = as<S>(exec, d_dot, ws);
  if (input_dot.data() != dot.data()) {
    for_each_element(
        exec, "dpcore::fitting_input_dot", n, n_in(), KOKKOS_LAMBDA(const int i, const int j) {
          input_dot(i, j) = j < dim ? dot(i, j < dim ? j : 0) : S(0);
        });
  }
  const Vector<double> kept = state.energy_bar;
  for_each(
      exec, "dpcore::energy_bar", n, KOKKOS_LAMBDA(const int i) {
        seed(i, 0) = static_cast<S>(value_bar(i, 0));
        kept(row0 + i) = value_bar(i, 0);
      });
  net.tangent(exec, &input_dot, part, ws);
  const Matrix<S> d_input = ws.matrix<S>(static_cast<std::size_t>(n), static_cast<std::size_t>(n_in()));
  net.backward_params(exec, seed, part, &d_input, ws);
  return descriptor_columns(exec, d_input, ws);
}

template <class S>
int EnerFitting<S>::n_gradient_jobs(const std::vector<Fitting::State*>& states) const {
  return dpcore::n_gradient_jobs(nets_.front(), static_cast<int>(states.size()), types_.shared());
}

template <class S>
Fitting::GradientWork EnerFitting<S>::gradient_work(int job,
                                                    const std::vector<Fitting::State*>& states) const {
  const JobStates all = job_states(nets_.front(), job, static_cast<int>(states.size()), types_.shared());
  const auto state = [&](int k) { return static_cast<const State*>(states[static_cast<std::size_t>(k)]); };
  GradientWork work = {gradient_job(net(state(all.first)->type), all.job).range, 0};
  for (int k = all.first; k < all.last; ++k) work.n_rows += state(k)->rows.n;
  return work;
}

template <class S>
void EnerFitting<S>::run_gradient_job(const Exec& exec, int job, const std::vector<Fitting::State*>& states,
                                      int slot) const {
  const JobStates all = job_states(nets_.front(), job, static_cast<int>(states.size()), types_.shared());
  for (int k = all.first; k < all.last; ++k) {
    const auto& state = static_cast<const State&>(*states[static_cast<std::size_t>(k)]);
    const auto& net = this->net(state.type);
    const GradientJob j = gradient_job(net, all.job);
    net.accumulate_gradients(exec, state.rows, j.layer, j.piece, slot, k == all.first);
    if (state.vacuum.n > 0) net.accumulate_gradients(exec, state.vacuum, j.layer, j.piece, slot, false);
    if (k + 1 == all.last) net.unfold_gradients(exec, j.piece, slot);
  }
}

// The vacuum rows enter as -E(x0): the adjoint of their energies is -sum energy_bar (one row for all) or
// -energy_bar.
template <class S>
void EnerFitting<S>::finish(const Exec& exec, Fitting::State& base, Workspace& ws) const {
  auto& state = static_cast<State&>(base);
  const auto& net = this->net(state.type);
  const int n = state.vacuum.n, n_rows = state.rows.n;
  if (n > 0) {
    const Matrix<S> seed = ws.matrix<S>(static_cast<std::size_t>(n), 1);
    const Vector<double> energy_bar = state.energy_bar;
    for_each(
        exec, "dpcore::vacuum_seed", n, KOKKOS_LAMBDA(const int i) {
          double sum = 0.0;
          for (int r = n == 1 ? 0 : i; r < (n == 1 ? n_rows : i + 1); ++r) sum += energy_bar(r);
          seed(i, 0) = static_cast<S>(-sum);
        });
    net.backward_values(exec, seed, state.vacuum, nullptr, ws);
  }
  if (!types_.shared()) return;
  types_.backward(exec, net, state.rows, false, state, ws);
  if (n > 0) types_.backward(exec, net, state.vacuum, true, state, ws);
}

template class EnerFitting<double>;
template class EnerFitting<float>;

}  // namespace dpcore
