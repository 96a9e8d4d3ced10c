// SPDX-License-Identifier: LGPL-3.0-or-later
// What the fittings of tensors have in common: a net per selected centre type on D, or one for all on
// [D, te[type]], whose outputs y are contracted with the rotation matrix Q [n_radial, 3] of the centre to a
// tensor that turns with the surroundings.
//
// Q is the last 3 n_radial columns of what the descriptor gives, the net sees the columns before. A fitting
// says how y and Q make the tensor, and the adjoints of both; everything else is here. Training has no
// derivatives of tensors in its loss: there are no tangents.
#pragma once

#include <map>

#include "fitting/net.hpp"

namespace dpcore {

template <class S>
class TensorFitting : public Fitting {
 public:
  int dim_descriptor() const override { return dim_net_ + 3 * n_radial_; }
  int dim_fparam() const override { return 0; }
  int dim_aparam() const override { return 0; }
  bool is_float() const override { return sizeof(S) == 4; }
  ParameterBlock& parameters() override { return store_; }
  bool selects(int type) const override { return nets_[static_cast<std::size_t>(type)] != nullptr; }
  void set_types(const std::vector<double>& table) override { types_.set(table); }
  void refresh_derived() override {
    const DenseStack<S>* last = nullptr;  // with type embedding all types have one net
    for (const auto& net : nets_) {
      if (net && net.get() != last) net->refresh();
      if (net) last = net.get();
    }
  }

  std::unique_ptr<Fitting::State> make_state() const override { return std::make_unique<State>(); }
  void prepare(int type, int n, bool training, Fitting::State&, Workspace&) const override;
  void begin(const Exec&, const DeviceStructure&, const Tile&, const FittingParams&, Fitting::State&,
             Workspace&) const override {}
  void forward(const Exec&, const DeviceStructure&, const Tile&, const AnyMatrix& descriptor,
               const FittingParams&, int row0, Fitting::State&, const Matrix<double>& value,
               Workspace&) const override;
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

  // Functions with kernels are public: nvcc asks for it.
  /// value [n, n_out] of centres of one type from y [n, n_y] and q [n, 3 n_radial]
  virtual void contract(const Exec&, int type, const Matrix<S>& y, const Matrix<S>& q,
                        const Matrix<double>& value) const = 0;
  /// y_bar, q_bar (=) adjoints for <value_bar, value>
  virtual void contract_backward(const Exec&, int type, const Matrix<S>& y, const Matrix<S>& q,
                                 const Matrix<S>& value_bar, const Matrix<S>& y_bar, const Matrix<S>& q_bar,
                                 Workspace&) const = 0;
  /// [d_input, q_bar] as one matrix, without the columns of the type
  AnyMatrix join(const Exec&, const Matrix<S>& d_input, const Matrix<S>& q_bar, Workspace&) const;

 protected:
  /// n_y: the outputs of a net.
  TensorFitting(const nlohmann::json& config, const FittingSizes&, int n_y);
  int n_radial() const { return n_radial_; }

  std::map<std::string, std::vector<double>> constants_;

 private:
  struct State final : Fitting::State {
    bool training = false;
    StackState<S> rows;
    Matrix<S> input;  // [n, n_in]
    Matrix<S> q;      // [n, 3 n_radial]
  };

  const DenseStack<S>& net(const State& state) const { return *nets_[static_cast<std::size_t>(state.type)]; }
  int n_in() const { return dim_net_ + types_.width(); }

  int dim_net_, n_radial_;  // dim_net: columns of D before those of Q
  TypeColumns<S> types_;
  nlohmann::json config_;
  ParameterStore<S> store_;
  std::vector<std::shared_ptr<DenseStack<S>>> nets_;  // [ntypes], null where not selected
};

}  // namespace dpcore
