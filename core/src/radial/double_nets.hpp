// SPDX-License-Identifier: LGPL-3.0-or-later
// Double copies of float32 embedding nets with gradients of their own, for the nodes of their tables.
#pragma once

#include <memory>
#include <vector>

#include "radial/radial_net.hpp"

namespace dpcore {

class DoubleNets {
 public:
  /// Copy the parameters of a store of embedding nets "net_.../layer_k/..." (made on the first call, in the
  /// order of the names' appearance; a net of which the store has no parameters is no part of it) and clear
  /// the gradients.
  void refresh(const ParameterStore<float>& from, const EmbeddingSpec&);
  /// The k-th net of the store.
  const RadialNet<double>& net(std::size_t k) const { return *nets_[k]; }
  /// Add the gradients of all slots to slot 0 of the float32 store.
  void add_gradients(const ParameterStore<float>& to) const;

 private:
  ParameterStore<double> store_;
  std::vector<std::unique_ptr<RadialNet<double>>> nets_;
};

}  // namespace dpcore
