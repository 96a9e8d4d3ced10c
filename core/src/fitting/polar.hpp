// SPDX-License-Identifier: LGPL-3.0-or-later
// The polarizability of a centre (Sommers et al., Phys. Chem. Chem. Phys. 22, 10592 (2020)):
//
//     alpha[a][b] = scale_t sum_mk Q[m][a] A[m][k] Q[k][b] + c_t delta_ab,   y = net_t(D)
//     A = diag(y) with fit_diag, else A = Y + Y^T, Y = y as [n_radial, n_radial]
// c_t (constant_matrix) is a statistic of the training data. Components row-major, unit of the labels.
#pragma once

#include "fitting/tensor.hpp"

namespace dpcore {

template <class S>
class PolarFitting final : public TensorFitting<S> {
 public:
  PolarFitting(const nlohmann::json& config, const FittingSizes&);
  int n_out() const override { return 9; }
  void contract(const Exec&, int type, const Matrix<S>& y, const Matrix<S>& q,
                const Matrix<double>& value) const override;
  void contract_backward(const Exec&, int type, const Matrix<S>& y, const Matrix<S>& q,
                         const Matrix<S>& value_bar, const Matrix<S>& y_bar, const Matrix<S>& q_bar,
                         Workspace&) const override;

 private:
  static bool fit_diag(const nlohmann::json& config);

  bool diagonal_;
  std::vector<double> scale_;  // [ntypes]
};

}  // namespace dpcore
