// SPDX-License-Identifier: LGPL-3.0-or-later
#include "fitting/net.hpp"

#include <algorithm>

namespace dpcore {

namespace {

/// Rows of a weight matrix per gradient job.
constexpr int kJobRows = kExecOnHost ? 200 : 1 << 20;

int n_jobs(const FoldedPiece& piece) { return piece.n > 0 ? 1 : (piece.n_rows + kJobRows - 1) / kJobRows; }

}  // namespace

std::vector<LayerSpec> fitting_layers(const ConfigReader& in, int n_in, int n_out) {
  const auto neuron = in.get<std::vector<int>>("neuron");
  in.require(!neuron.empty(), "neuron", "expected at least one layer");
  for (const int n : neuron) in.require(n > 0, "neuron", "expected positive layer sizes");
  const Activation activation = activation_from_name(in.get<std::string>("activation_function"));
  const bool resnet_dt = in.get_or<bool>("resnet_dt", true);
  std::vector<LayerSpec> layers;
  for (std::size_t k = 0; k < neuron.size(); ++k) {
    LayerSpec layer;
    layer.n_in = n_in;
    layer.n_out = neuron[k];
    layer.activation = activation;
    layer.skip = k > 0 && neuron[k] == n_in ? Skip::Add : Skip::None;
    layer.time_step = resnet_dt && layer.skip == Skip::Add;
    layers.push_back(layer);
    n_in = neuron[k];
  }
  LayerSpec last;
  last.n_in = n_in;
  last.n_out = n_out;
  layers.push_back(last);
  return layers;
}

template <class S>
StackState<S> slice(const StackState<S>& all, int begin, int end) {
  StackState<S> part;
  part.n = end - begin;
  const auto cut = [&](const Matrix<S>& m) { return m.data() == nullptr ? m : rows(m, begin, end); };
  part.input = cut(all.input);
  part.input_dot = cut(all.input_dot);
  for (const auto& l : all.layers) {
    LayerState<S> s;
    s.x = cut(l.x);
    s.phi = cut(l.phi);
    s.d1 = cut(l.d1);
    s.d2 = cut(l.d2);
    s.x_dot = cut(l.x_dot);
    s.z_dot = cut(l.z_dot);
    s.x_dot_bar = cut(l.x_dot_bar);
    s.z_dot_bar = cut(l.z_dot_bar);
    s.z_bar = cut(l.z_bar);
    part.layers.push_back(s);
  }
  return part;
}

namespace {

template <class S>
int jobs_of_one(const DenseStack<S>& net) {
  int n = 0;
  for (int k = 0; k < static_cast<int>(net.layers().size()); ++k) {
    for (const FoldedPiece& piece : net.pieces(k)) n += n_jobs(piece);
  }
  return n;
}

}  // namespace

template <class S>
int n_gradient_jobs(const DenseStack<S>& net, int n_states, bool shared) {
  return jobs_of_one(net) * (shared ? std::min(1, n_states) : n_states);
}

template <class S>
JobStates job_states(const DenseStack<S>& net, int job, int n_states, bool shared) {
  const int first = shared ? 0 : job / jobs_of_one(net);
  return {job % jobs_of_one(net), first, shared ? n_states : first + 1};
}

template <class S>
GradientJob gradient_job(const DenseStack<S>& net, int job) {
  int k = 0;
  std::vector<FoldedPiece> pieces = net.pieces(0);
  std::size_t i = 0;
  for (; job >= n_jobs(pieces[i]);) {
    job -= n_jobs(pieces[i]);
    if (++i < pieces.size()) continue;
    pieces = net.pieces(++k);
    i = 0;
  }
  const LayerSpec& layer = net.layers()[static_cast<std::size_t>(k)];
  FoldedPiece piece = pieces[i];
  if (piece.n == 0) {
    const int first = job * kJobRows;
    piece.n_rows = piece.n_columns = std::min(piece.n_rows - first, kJobRows);
    piece.row += first;
    piece.column += first;
  }
  const auto at = [&](int row) {
    return layer.matrix + static_cast<std::size_t>(row) * static_cast<std::size_t>(layer.n_out);
  };
  // bias and time step stand behind the matrix, and go with its last row
  const int row1 = piece.row + piece.n_rows;
  const std::size_t last = layer.time_step ? layer.idt : layer.bias;
  const std::size_t end = row1 < layer.n_in ? at(row1) : last + static_cast<std::size_t>(layer.n_out);
  return {k, piece, {at(piece.row), end}};
}

template <class S>
void TypeColumns<S>::set(const std::vector<double>& table) {
  if (table_.extent(0) != table.size()) table_ = DeviceArray<S>("dpcore::TypeColumns", table.size());
  const auto host = Kokkos::create_mirror_view(table_);
  for (std::size_t k = 0; k < table.size(); ++k) host(k) = static_cast<S>(table[k]);
  Kokkos::deep_copy(table_, host);
}

template <class S>
void TypeColumns<S>::write(const Exec& exec, int type, const Matrix<S>& input) const {
  const DeviceArray<S> table = table_;
  const int width = width_, at = at_;
  for_each_element(
      exec, "dpcore::type_columns", static_cast<int>(input.extent(0)), width,
      KOKKOS_LAMBDA(const int i, const int k) { input(i, at + k) = table(type * width + k); });
}

template <class S>
void TypeColumns<S>::backward(const Exec& exec, const DenseStack<S>& net, const StackState<S>& rows, bool add,
                              Fitting::State& state, Workspace& ws) const {
  const Workspace::Scope scope(ws);
  const auto n = static_cast<std::size_t>(width_);
  const Vector<S> bar = ws.vector<S>(n);
  net.backward_constants(exec, rows, at_, bar);
  const auto host = Kokkos::create_mirror_view(bar);
  mirror_copy(exec, host, bar);
  if (!add) state.type_bar.assign(n, 0.0);
  for (std::size_t k = 0; k < n; ++k) state.type_bar[k] += static_cast<double>(host(k));
}

#define DPCORE_INSTANTIATE(S)                                             \
  template StackState<S> slice<S>(const StackState<S>&, int, int);        \
  template int n_gradient_jobs<S>(const DenseStack<S>&, int, bool);       \
  template JobStates job_states<S>(const DenseStack<S>&, int, int, bool); \
  template GradientJob gradient_job<S>(const DenseStack<S>&, int);        \
  template class TypeColumns<S>;
DPCORE_INSTANTIATE(double)
DPCORE_INSTANTIATE(float)
#undef DPCORE_INSTANTIATE

}  // namespace dpcore
