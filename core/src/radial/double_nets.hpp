// SPDX-License-Identifier: LGPL-3.0-or-later
// Double copies of float32 embedding nets with gradients of their own, for the nodes of their tables.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "radial/radial_net.hpp"

namespace dpcore {

class DoubleNets {
 public:
  using Nets = std::vector<std::unique_ptr<RadialNet<double>>>;
  /// Copy the parameters of a store of embedding nets and clear the gradients. `make`, called the first time,
  /// registers the nets as they were registered in `from`.
  void refresh(const ParameterStore<float>& from, const std::function<Nets(ParameterStore<double>&)>& make);
  /// The k-th of the nets.
  const RadialNet<double>& net(std::size_t k) const { return *nets_[k]; }
  /// Add the gradients of all slots to slot 0 of the float32 store.
  void add_gradients(const ParameterStore<float>& to) const;

 private:
  ParameterStore<double> store_;
  Nets nets_;
};

}  // namespace dpcore
