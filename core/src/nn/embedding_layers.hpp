// SPDX-License-Identifier: LGPL-3.0-or-later
// The form of embedding nets.
#pragma once

#include "nn/dense_stack.hpp"

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

}  // namespace dpcore
