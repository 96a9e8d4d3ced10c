// SPDX-License-Identifier: LGPL-3.0-or-later
#include "nn/embedding_layers.hpp"

namespace dpcore {

std::vector<LayerSpec> embedding_layers(int n_in, const EmbeddingSpec& spec) {
  std::vector<LayerSpec> layers;
  for (const int n : spec.neuron) {
    LayerSpec layer;
    layer.n_in = n_in;
    layer.n_out = n;
    layer.activation = spec.activation;
    layer.skip = n == n_in ? Skip::Add : (n == 2 * n_in ? Skip::Twice : Skip::None);
    layer.time_step = spec.resnet_dt && layer.skip != Skip::None;
    layers.push_back(layer);
    n_in = n;
  }
  return layers;
}

}  // namespace dpcore
