// SPDX-License-Identifier: LGPL-3.0-or-later
// se_a_tpe: se_e2_a whose embedding knows types by channels: one net for all, and a last layer that the pair
// of types makes of shared weights (radial/type_channels.hpp). For a pair of types G is a function of Rn_j0
// alone, so that passes, tables and rotation matrix are those of se_e2_a. With numb_aparam the channels of a
// neighbour depend on its atomic parameters as well (radial/atom_channels.hpp), without tables; an empty slot
// has parameters of 0, so that it keeps the layer of its type. Derivations: docs/theory/se_a_tpe.md.
#pragma once

#include "descriptor/se_e2_a.hpp"
#include "radial/atom_channels.hpp"

namespace dpcore {

template <class S>
class SeATpe final : public SeE2A<S> {
 public:
  SeATpe(const nlohmann::json& config, int ntypes);

  int dim_aparam() const override { return channels_.spec().n_aparam; }
  void refresh_derived() override { channels_.refresh(); }
  void finish_step(const std::vector<Workspace*>& scratch) override;

 private:
  void evaluate_radial(const Exec&, int a, int b, int first, int last, const Vector<S>& s, const Matrix<S>& g,
                       const Matrix<S>& g_prime, Descriptor::State&, Workspace&) const override;
  void radial_gradients(const Exec&, const TilePairs&, int a, int b, int first, int last, const Vector<S>& s,
                        const Matrix<S>& g_bar, const Matrix<S>& g_prime_bar, int slot,
                        Workspace&) const override;

  TypeChannels<S> channels_;
  std::optional<AtomChannels<S>> atoms_;  // with numb_aparam
};

}  // namespace dpcore
