// SPDX-License-Identifier: LGPL-3.0-or-later
// The embedding net as radial functions: R -> R^n_out, evaluated in chunks of rows that stay in cache.
#pragma once

#include <string>
#include <vector>

#include "nn/dense_stack.hpp"
#include "radial/radial.hpp"

namespace dpcore {

struct EmbeddingSpec {
  std::vector<int> neuron;
  Activation activation = Activation::Tanh;
  bool resnet_dt = false;
  bool trainable = true;
  bool online_table = true;  // training may interpolate between nodes (radial_table.hpp)
};

/// Layers of an embedding net: a layer as wide as its input adds it, one twice as wide adds [x, x]; the time
/// step exists only where such a skip does (docs/theory/se_e2_a.md).
std::vector<LayerSpec> embedding_layers(int n_in, const EmbeddingSpec&);

template <class S>
class RadialNet final : public Radial<S> {
 public:
  RadialNet(ParameterStore<S>& store, const std::string& prefix, const EmbeddingSpec& spec)
      : stack_(store, prefix, embedding_layers(1, spec),
               std::vector<bool>(spec.neuron.size(), spec.trainable)) {}

  int n_out() const override { return stack_.n_out(); }
  void forward(const Exec&, const Vector<S>& s, const Matrix<S>& g, const Matrix<S>& g_prime,
               Workspace&) const override;
  void backward_params(const Exec&, const Vector<S>& s, const Matrix<S>& g_bar, const Matrix<S>& g_prime_bar,
                       int slot, Workspace&) const override;

  /// Values, first and second derivatives [n, n_out].
  void second_order(const Exec&, const Vector<S>& s, const Matrix<S>& g, const Matrix<S>& g_prime,
                    const Matrix<S>& g_second, Workspace&) const;

  /// The values alone, and the gradients of <g_bar, G(s)>.
  void values(const Exec&, const Vector<S>& s, const Matrix<S>& g, Workspace&) const;
  void backward_values(const Exec&, const Vector<S>& s, const Matrix<S>& g_bar, int slot, Workspace&) const;

 private:
  DenseStack<S> stack_;
};

}  // namespace dpcore
