// SPDX-License-Identifier: LGPL-3.0-or-later
#include "descriptor/se_a_tpe.hpp"

namespace dpcore {

template <class S>
SeATpe<S>::SeATpe(const nlohmann::json& config, int ntypes)
    : SeE2A<S>(config, ntypes, 0, NetsFor::Channels), channels_(this->store(), *this->spec_.channels) {}

template <class S>
void SeATpe<S>::finish_step(const std::vector<Workspace*>& scratch) {
  TwoBody<S>::finish_step(scratch);
  if (this->has_gradients()) channels_.backward();
}

template class SeATpe<double>;
template class SeATpe<float>;

}  // namespace dpcore
