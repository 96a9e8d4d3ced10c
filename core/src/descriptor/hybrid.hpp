// SPDX-License-Identifier: LGPL-3.0-or-later
// hybrid: several descriptors side by side, D = [D_0, D_1, ...], each with neighbours, parameters and
// statistics of its own.
#pragma once

#include "descriptor/descriptor.hpp"

namespace dpcore {

class Hybrid final : public Descriptor {
 public:
  Hybrid(const nlohmann::json& config, int ntypes, int n_types);

  int dim_out() const override;
  std::vector<SymmetricBlock> symmetric() const override;
  double rcut() const override;
  int dim_aparam() const override;
  std::vector<Part> parts() override;
  void set_types(const std::vector<double>& table) override;
  void refresh_derived() override;
  void add_type_gradients(std::vector<double>& te_bar) const override;
  std::unique_ptr<Descriptor::State> make_state() const override;

  AnyMatrix forward(const Exec&, const DeviceStructure&, const Tile&, Descriptor::State&,
                    Workspace&) const override;
  void backward_inputs(const Exec&, const Tile&, const AnyMatrix& d_descriptor, Descriptor::State&,
                       Workspace&) const override;
  AnyMatrix tangent(const Exec&, const Tile&, Descriptor::State&, Workspace&) const override;
  void backward_params(const Exec&, const Tile&, const AnyMatrix& d_bar, const AnyMatrix& d_dot_bar,
                       Descriptor::State&, int slot, Workspace&) const override;

  void begin_step(const DeviceStructure&, const TilePlan&, const std::vector<Workspace*>& scratch) override;
  void finish_step(const std::vector<Workspace*>& scratch) override;
  void end_step() noexcept override;
  void finish_loading() override;
  void prepare_inference() const override;
  void forget_inference() override;
  std::vector<TableInfo> tables() const override;
  void initialize() override;

 private:
  struct State;
  std::vector<std::unique_ptr<Descriptor>> list_;
};

}  // namespace dpcore
