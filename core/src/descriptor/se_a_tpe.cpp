// SPDX-License-Identifier: LGPL-3.0-or-later
#include "descriptor/se_a_tpe.hpp"

namespace dpcore {

namespace {

NeighborAtoms neighbors(const TilePairs& pairs, int type, int first, int last) {
  return {type, Vector<const int>(pairs.atom.data() + first, static_cast<std::size_t>(last - first)),
          pairs.aparam};
}

}  // namespace

template <class S>
SeATpe<S>::SeATpe(const nlohmann::json& config, int ntypes)
    : SeE2A<S>(config, ntypes, 0, NetsFor::Channels), channels_(this->store(), *this->spec_.channels) {
  if (dim_aparam() > 0) atoms_.emplace(this->store(), channels_, this->spec_.embedding);
}

template <class S>
void SeATpe<S>::evaluate_radial(const Exec& exec, int a, int b, int first, int last, const Vector<S>& s,
                                const Matrix<S>& g, const Matrix<S>& g_prime, Descriptor::State& state,
                                Workspace& ws) const {
  if (!atoms_) return TwoBody<S>::evaluate_radial(exec, a, b, first, last, s, g, g_prime, state, ws);
  atoms_->forward(exec, neighbors(state.pairs, b, first, last), s, g, g_prime, ws);
}

template <class S>
void SeATpe<S>::radial_gradients(const Exec& exec, const TilePairs& pairs, int a, int b, int first, int last,
                                 const Vector<S>& s, const Matrix<S>& g_bar, const Matrix<S>& g_prime_bar,
                                 int slot, Workspace& ws) const {
  if (!atoms_) {
    TwoBody<S>::radial_gradients(exec, pairs, a, b, first, last, s, g_bar, g_prime_bar, slot, ws);
  } else {
    atoms_->backward_params(exec, neighbors(pairs, b, first, last), s, g_bar, g_prime_bar, slot, ws);
  }
}

template <class S>
void SeATpe<S>::finish_step(const std::vector<Workspace*>& scratch) {
  TwoBody<S>::finish_step(scratch);
  if (this->has_gradients()) channels_.backward();
}

template class SeATpe<double>;
template class SeATpe<float>;

}  // namespace dpcore
