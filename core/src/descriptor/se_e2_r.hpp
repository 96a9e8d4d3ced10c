// SPDX-License-Identifier: LGPL-3.0-or-later
// se_e2_r: a two-body embedding of the distances alone.
//
//     D = 1/(5 nnei) sum_j N_ab(Rn_j)        Rn_j = (s(r_j) - davg)/dstd,  nnei = sum(sel)
// The reference fills all sum(sel) slots, empty ones with Rn = -davg/dstd: these `sel_b - n_b` equal terms
// are added as one product. Of an excluded pair of types a net of its own does not exist and nothing is
// added; with type_one_side the net does, and the reference gives it Rn = 0 in all sel_b slots. Derivations:
// docs/theory/se_e2_r.md.
#pragma once

#include "descriptor/two_body.hpp"

namespace dpcore {

template <class S>
class SeE2R final : public TwoBody<S> {
 public:
  SeE2R(const nlohmann::json& config, int ntypes);

  int dim_out() const override { return spec_.embedding.neuron.back(); }
  std::unique_ptr<Descriptor::State> make_state() const override { return std::make_unique<State>(); }

  AnyMatrix forward(const Exec&, const DeviceStructure&, const Tile&, Descriptor::State&,
                    Workspace&) const override;
  void backward_inputs(const Exec&, const Tile&, const AnyMatrix& d_descriptor, Descriptor::State&,
                       Workspace&) const override;
  AnyMatrix tangent(const Exec&, const Tile&, Descriptor::State&, Workspace&) const override;
  void backward_params(const Exec&, const Tile&, const AnyMatrix& d_bar, const AnyMatrix& d_dot_bar,
                       Descriptor::State&, int slot, Workspace&) const override;

 private:
  struct State final : Descriptor::State {
    RadialEnv<S> env;
    Matrix<S> g, g_prime;  // [n_pairs, n_radial]
  };

  using TwoBody<S>::spec_;
  using TwoBody<S>::cutoff_;

  /// Call f(b, Rn) for every neighbour type with a net: the Rn of its slots without a pair.
  template <class F>
  void for_empty_slots(int type, const F& f) const;

  S scale_;
};

}  // namespace dpcore
