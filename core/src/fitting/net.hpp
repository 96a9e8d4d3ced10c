// SPDX-License-Identifier: LGPL-3.0-or-later
// What the fitting nets have in common: the form of the net, rows of its state, and its weight gradients in
// jobs.
//
//     x_0 = phi(in W_0 + b_0);  x_k = x_{k-1} + phi(x_{k-1} W_k + b_k) idt_k where the widths agree, else
//     without skip out = x W_f + b_f
// In a model with type embedding one net serves all types: the numbers of the centre's type are columns of
// its input.
#pragma once

#include "base/json_config.hpp"
#include "fitting/fitting.hpp"
#include "nn/dense_stack.hpp"

namespace dpcore {

/// Layers as the config's neuron, activation_function and resnet_dt say, and the linear output layer.
std::vector<LayerSpec> fitting_layers(const ConfigReader& fitting_config, int n_in, int n_out);

/// Rows [begin, end) of a state.
template <class S>
StackState<S> slice(const StackState<S>& all, int begin, int end);

/// The weight gradients of a net, split by rows of its matrices into jobs that may run in parallel.
struct GradientJob {
  int layer;
  FoldedPiece piece;
  ParameterRange range;  // of the parameters whose gradients it makes
};
template <class S>
GradientJob gradient_job(const DenseStack<S>& net, int job);

/// The same for n_states types with nets like this one each, or with this one net if `shared`: a job is job
/// `job` of the net of the states [first, last).
template <class S>
int n_gradient_jobs(const DenseStack<S>& net, int n_states, bool shared);
struct JobStates {
  int job, first, last;
};
template <class S>
JobStates job_states(const DenseStack<S>& net, int job, int n_states, bool shared);

/// The numbers of the centre's type as columns [at, at + width) of the input of a net.
template <class S>
class TypeColumns {
 public:
  TypeColumns(const FittingSizes& sizes, int at) : width_(sizes.n_types), at_(at) {}
  int width() const { return width_; }
  bool shared() const { return width_ > 0; }
  void set(const std::vector<double>& table);
  void write(const Exec&, int type, const Matrix<S>& input) const;
  /// The adjoint of te[type] from rows that backward_params or backward_values went through; += if `add`.
  void backward(const Exec&, const DenseStack<S>& net, const StackState<S>& rows, bool add,
                Fitting::State& state, Workspace&) const;

 private:
  int width_, at_;
  DeviceArray<S> table_;  // [ntypes, width]
};

}  // namespace dpcore
