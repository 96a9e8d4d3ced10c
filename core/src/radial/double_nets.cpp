// SPDX-License-Identifier: LGPL-3.0-or-later
#include "radial/double_nets.hpp"

namespace dpcore {

namespace {

/// f(part of `a`, the same part of `b`), the derived ones last
template <class F>
void for_parts(const ParameterBlock& a, const ParameterBlock& b, const F& f) {
  for (std::size_t i = 0; i < a.parameters().size(); ++i) f(a.parameters()[i], b.parameters()[i]);
  for (std::size_t i = 0; i < a.derived().size(); ++i) f(a.derived()[i], b.derived()[i]);
}

}  // namespace

void DoubleNets::refresh(const ParameterStore<float>& from,
                         const std::function<Nets(ParameterStore<double>&)>& make) {
  if (nets_.empty()) {
    nets_ = make(store_);
    store_.allocate();
    store_.prepare_training(from.slots());
  }
  std::vector<double> v;
  for_parts(from, store_, [&](const ParameterInfo& p, const ParameterInfo& q) {
    v.resize(p.size);
    from.get(p, v.data());
    store_.set(q, v.data());
  });
  for (int slot = 0; slot < store_.slots(); ++slot) store_.zero_gradients(slot);
}

void DoubleNets::add_gradients(const ParameterStore<float>& to) const {
  for_parts(store_, to, [&](const ParameterInfo& p, const ParameterInfo& q) {
    float* target = to.gradient(0, q.offset);
    for (int slot = 0; slot < store_.slots(); ++slot) {
      const double* from = store_.gradient(slot, p.offset);
      for_each_element(
          Exec(), "dpcore::add_gradients", 1, static_cast<int>(p.size),
          KOKKOS_LAMBDA(const int, const int k) { target[k] += static_cast<float>(from[k]); });
    }
  });
}

}  // namespace dpcore
