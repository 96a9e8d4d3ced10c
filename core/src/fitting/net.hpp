// SPDX-License-Identifier: LGPL-3.0-or-later
// What the fitting nets have in common: the form of the net, rows of its state, and its weight gradients in
// jobs.
//
//     x_0 = phi(in W_0 + b_0);  x_k = x_{k-1} + phi(x_{k-1} W_k + b_k) idt_k where the widths agree, else
//     without skip out = x W_f + b_f
#pragma once

#include "base/json_config.hpp"
#include "nn/dense_stack.hpp"

namespace dpcore {

/// Layers as the config's neuron, activation_function and resnet_dt say, and the linear output layer.
std::vector<LayerSpec> fitting_layers(const ConfigReader& fitting_config, int n_in, int n_out);

/// Rows [begin, end) of a state.
template <class S>
StackState<S> slice(const StackState<S>& all, int begin, int end);

/// The weight gradients of a net, split by rows of its matrices into jobs that may run in parallel.
template <class S>
int n_gradient_jobs(const DenseStack<S>& net);
struct GradientJob {
  int layer, row0, row1;
  ParameterRange range;  // of the parameters whose gradients it makes
};
template <class S>
GradientJob gradient_job(const DenseStack<S>& net, int job);

}  // namespace dpcore
