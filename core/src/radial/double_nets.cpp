// SPDX-License-Identifier: LGPL-3.0-or-later
#include "radial/double_nets.hpp"

#include <string>

namespace dpcore {

void DoubleNets::refresh(const ParameterStore<float>& from, const EmbeddingSpec& spec) {
  if (nets_.empty()) {
    std::string last;
    for (const auto& p : from.parameters()) {
      const std::string prefix = p.name.substr(0, p.name.find('/') + 1);
      if (prefix != last) nets_.push_back(std::make_unique<RadialNet<double>>(store_, prefix, spec));
      last = prefix;
    }
    store_.allocate();
    store_.prepare_training(from.slots());
  }
  std::vector<double> v;
  for (std::size_t i = 0; i < store_.parameters().size(); ++i) {
    v.resize(store_.parameters()[i].size);
    from.get(from.parameters()[i], v.data());
    store_.set(store_.parameters()[i], v.data());
  }
  for (int slot = 0; slot < store_.slots(); ++slot) store_.zero_gradients(slot);
}

void DoubleNets::add_gradients(const ParameterStore<float>& to) const {
  for (std::size_t i = 0; i < store_.parameters().size(); ++i) {
    const ParameterInfo &p = store_.parameters()[i], &q = to.parameters()[i];
    float* target = to.gradient(0, q.offset);
    for (int slot = 0; slot < store_.slots(); ++slot) {
      const double* from = store_.gradient(slot, p.offset);
      for_each_element(
          Exec(), "dpcore::add_gradients", 1, static_cast<int>(p.size),
          KOKKOS_LAMBDA(const int, const int k) { target[k] += static_cast<float>(from[k]); });
    }
  }
}

}  // namespace dpcore
