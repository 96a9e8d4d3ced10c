// SPDX-License-Identifier: LGPL-3.0-or-later
// The loss on energies, forces, virials, atomic energies and weighted forces, and what training needs of it:
// its derivatives with respect to the model's outputs. See docs/training.md.
//
//     L = p_e <dE^2>/N + p_f <dF^2> + p_v <dV^2>/N + p_ae <dE_i^2> + p_pf <w_i dF_i^2>
//     p(t) = find (limit + (start - limit) lr(t)/lr(0)),   evaluated in float32 in the reference's order
// N atoms per frame, averages over frames, atoms and components. relative_f = eps divides dF_i by |F_i label|
// + eps.
#pragma once

#include "loss/loss.hpp"

namespace dpcore {

class EnergyLoss final : public Loss {
 public:
  /// `config`: the normalised loss section
  explicit EnergyLoss(const nlohmann::json& config);

  bool needs_derivatives() const override { return true; }
  /// rmse, rmse_e, rmse_ae, rmse_f, rmse_v, rmse_pf
  std::map<std::string, double> compute(const Outputs&, const Labels&, float lr, float start_lr,
                                        LossGradient* gradient) const override;

 private:
  struct Prefactor {
    double start = 0, limit = 0;
    bool active() const { return start != 0 || limit != 0; }
    double at(float lr, float start_lr, double find) const;
  };
  Prefactor e_, f_, v_, ae_, pf_;
  double relative_f_ = -1;  // negative: off
};

}  // namespace dpcore
