// SPDX-License-Identifier: LGPL-3.0-or-later
// The loss on dipoles and polarizabilities, of atoms and of frames:
//
//     L = pref_atomic <(tau_i - label_i)^2> + pref <(sum_i tau_i - label)^2> / N_sel
// averages over frames, selected atoms and components; N_sel selected atoms per frame. Constant prefactors.
#pragma once

#include "loss/loss.hpp"

namespace dpcore {

class TensorLoss final : public Loss {
 public:
  explicit TensorLoss(const nlohmann::json& config);
  bool needs_derivatives() const override { return false; }
  /// rmse, rmse_lc (of atoms), rmse_gl (of frames, divided by N_sel)
  std::map<std::string, double> compute(const Outputs&, const Labels&, float lr, float start_lr,
                                        LossGradient* gradient) const override;

 private:
  double pref_, pref_atomic_;
};

}  // namespace dpcore
