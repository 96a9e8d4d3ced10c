// SPDX-License-Identifier: LGPL-3.0-or-later
// se_a_tpe: se_e2_a whose embedding knows types by channels: one net for all, and a last layer that the pair
// of types makes of shared weights (radial/type_channels.hpp). For a pair of types G is a function of Rn_j0
// alone, so that passes, tables and rotation matrix are those of se_e2_a. Derivations:
// docs/theory/se_a_tpe.md.
#pragma once

#include "descriptor/se_e2_a.hpp"

namespace dpcore {

template <class S>
class SeATpe final : public SeE2A<S> {
 public:
  SeATpe(const nlohmann::json& config, int ntypes);

  void refresh_derived() override { channels_.refresh(); }
  void finish_step(const std::vector<Workspace*>& scratch) override;

 private:
  TypeChannels<S> channels_;
};

}  // namespace dpcore
