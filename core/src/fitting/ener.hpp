// SPDX-License-Identifier: LGPL-3.0-or-later
// The energy fitting: one net per centre type on [D, fparam, aparam], or one for all on [D, te[type], fparam,
// aparam].
//
//     x_0 = phi(in W_0 + b_0);  x_k = x_{k-1} + phi(x_{k-1} W_k + b_k) idt_k where the widths agree, else
//     without skip E_i = x W_f + b_f + bias_atom_e[t],   fparam and aparam normalised as (p - avg) istd
// For types with a vacuum energy in atom_ener the net's value at D = 0 is subtracted, so that an isolated
// atom has exactly bias_atom_e. With one net for all it is for every type as soon as one has a vacuum energy,
// as in the reference.
#pragma once

#include <map>

#include "fitting/net.hpp"

namespace dpcore {

template <class S>
class EnerFitting final : public Fitting {
 public:
  EnerFitting(const nlohmann::json& config, const FittingSizes&);

  int dim_descriptor() const override { return dim_descriptor_; }
  int dim_fparam() const override { return dim_fparam_; }
  int dim_aparam() const override { return dim_aparam_; }
  bool is_float() const override { return sizeof(S) == 4; }
  ParameterBlock& parameters() override { return store_; }

  void set_types(const std::vector<double>& table) override { types_.set(table); }
  void refresh_derived() override {
    for (auto& net : nets_) net.refresh();
  }
  std::unique_ptr<Fitting::State> make_state() const override { return std::make_unique<State>(); }
  void prepare(int type, int n, bool training, Fitting::State&, Workspace&) const override;
  void begin(const Exec&, const DeviceStructure&, const Tile& whole_type, const FittingParams&,
             Fitting::State&, Workspace&) const override;
  void forward(const Exec&, const DeviceStructure&, const Tile&, const AnyMatrix& descriptor,
               const FittingParams&, int row0, Fitting::State&, const Matrix<double>& value,
               Workspace&) const override;
  AnyMatrix descriptor_rows(const Fitting::State&, bool dot) const override;
  AnyMatrix backward_inputs(const Exec&, const Tile&, int component, int row0, Fitting::State&,
                            Workspace&) const override;
  AnyMatrix backward_params(const Exec&, const Tile&, const AnyMatrix& d_dot, const Matrix<double>& value_bar,
                            int row0, Fitting::State&, Workspace&) const override;
  void finish(const Exec&, Fitting::State&, Workspace&) const override;
  int n_gradient_jobs(const std::vector<Fitting::State*>&) const override;
  void run_gradient_job(const Exec&, int job, const std::vector<Fitting::State*>&, int slot) const override;
  Fitting::GradientWork gradient_work(int job, const std::vector<Fitting::State*>&) const override;

  void initialize() override;
  std::map<std::string, std::vector<double>>& constants() override { return constants_; }

  void write_params(const Exec&, const DeviceStructure&, const Tile&, const FittingParams&,
                    const Matrix<S>& input) const;

 private:
  struct State final : Fitting::State {
    bool training = false;
    StackState<S> rows;          // all rows of the state
    StackState<S> vacuum;        // no rows, one, or as many as `rows`
    Matrix<S> input, input_dot;  // [n, n_in]
    Matrix<S> spent;             // [n, n_in] the descriptor, for its adjoint, or empty
    Matrix<S> x_bar;             // [n, 1] seed of the plain backward pass, kept for training
    Vector<double> energy_bar;   // [n]
  };

  int n_in() const { return dim_descriptor_ + types_.width() + dim_fparam_ + dim_aparam_; }
  const DenseStack<S>& net(int type) const {
    return nets_[types_.shared() ? 0 : static_cast<std::size_t>(type)];
  }
  double constant(const char* name, int i) const { return constants_.at(name)[static_cast<std::size_t>(i)]; }
  /// The first dim_descriptor columns.
  AnyMatrix descriptor_columns(const Exec&, const Matrix<S>& input, Workspace&) const;

  int ntypes_, dim_descriptor_, dim_fparam_, dim_aparam_;  // of D its columns
  TypeColumns<S> types_;
  nlohmann::json config_;
  std::vector<bool> has_vacuum_;  // [ntypes]
  ParameterStore<S> store_;
  std::vector<DenseStack<S>> nets_;  // [ntypes], or one for all types
  std::map<std::string, std::vector<double>> constants_;
};

}  // namespace dpcore
