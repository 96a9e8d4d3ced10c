// SPDX-License-Identifier: LGPL-3.0-or-later
// loc_frame: the coordinates of the neighbours in a frame of two of them (Zhang et al., PRL 120, 143001,
// 2018).
//
//     x = r_1/|r_1|,  y = (r_2 - (r_2.x) x)/|...|,  z = x cross y     r_1, r_2: vectors to the axis
//     neighbours first sel_a neighbours of each type:  ( 1/r, z.r/r^2, x.r/r^2, y.r/r^2 ),  next sel_r:  (
//     1/r )
// each number normalised with its own mean and spread, empty slots as zeros. No switch and no nets: the
// energy jumps where neighbours change places or leave the cut-off. Always double. Derivations:
// docs/theory/loc_frame.md.
//
// Which neighbours are the axes: two rules (class, type, index) for each type of centre. Class 0 means the
// sel_a nearest of the type, class 1 those behind them; a type below 0 means the `index`-th nearest of the
// first three of each type but one. Without rules: the first two slots. Where r_1 and r_2 point against each
// other, within 1e-4 of the cosine, the next index takes the place of the second axis.
#pragma once

#include "descriptor/descriptor.hpp"
#include "nn/parameter_store.hpp"

namespace dpcore {

class LocFrame final : public SingleDescriptor {
 public:
  LocFrame(const nlohmann::json& config, int ntypes);

  int dim_out() const override { return 4 * n_a() + n_r(); }
  double rcut() const override { return rcut_; }
  ParameterBlock& parameters() override { return store_; }
  EnvSpec env_spec() const override;
  std::unique_ptr<Moments> make_moments(int ntypes) const override;
  void set_statistics(const std::vector<double>& davg, const std::vector<double>& dstd) override;
  const std::vector<double>& davg() const override { return davg_; }
  const std::vector<double>& dstd() const override { return dstd_; }
  void initialize() override {}

  std::unique_ptr<Descriptor::State> make_state() const override { return std::make_unique<State>(); }
  /// Throws OverlappingAtoms where a centre has no frame.
  AnyMatrix forward(const Exec&, const DeviceStructure&, const Tile&, Descriptor::State&,
                    Workspace&) const override;
  void backward_inputs(const Exec&, const Tile&, const AnyMatrix& d_descriptor, Descriptor::State&,
                       Workspace&) const override;
  AnyMatrix tangent(const Exec&, const Tile&, Descriptor::State&, Workspace&) const override;
  void backward_params(const Exec&, const Tile&, const AnyMatrix&, const AnyMatrix&, Descriptor::State&, int,
                       Workspace&) const override {}

 private:
  struct State final : Descriptor::State {
    Vector<int> column;  // [n_pairs] first column of D
    Matrix<int> axis;    // [n_rows, 2] the pairs r_1, r_2
  };

  int n_a() const { return start_a_.back(); }
  int n_r() const { return start_r_.back() - start_r_.front(); }
  void make_frames(const Exec&, const DeviceStructure&, const Tile&, State&, const Matrix<int>& slot,
                   Workspace&) const;

  nlohmann::json config_;
  int ntypes_;
  double rcut_;
  std::vector<int> sel_, sel_a_;
  std::vector<int> start_a_, start_r_;  // [ntypes + 1] first slot of each type; those of sel_r are last
  std::vector<int> rule_;               // [ntypes, 2, 3]
  DeviceArray<int> sizes_;              // [3, ntypes + 1]: start_a, start_r, sel_a
  std::vector<double> davg_, dstd_;
  DeviceArray<double> avg_, inverse_std_;  // [ntypes * dim_out]
  ParameterStore<double> store_;           // empty
};

}  // namespace dpcore
