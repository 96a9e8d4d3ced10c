// SPDX-License-Identifier: LGPL-3.0-or-later
// The dipole of a centre (Zhang et al., Phys. Rev. B 102, 041121 (2020)):
//
//     mu[a] = sum_m y[m] Q[m][a],   y = net_t(D), m < n_radial, a = x, y, z; unit of the labels
#pragma once

#include "fitting/tensor.hpp"

namespace dpcore {

template <class S>
class DipoleFitting final : public TensorFitting<S> {
 public:
  DipoleFitting(const nlohmann::json& config, const FittingSizes& sizes)
      : TensorFitting<S>(config, sizes, sizes.n_radial) {}
  int n_out() const override { return 3; }
  void contract(const Exec&, int type, const Matrix<S>& y, const Matrix<S>& q,
                const Matrix<double>& value) const override;
  void contract_backward(const Exec&, int type, const Matrix<S>& y, const Matrix<S>& q,
                         const Matrix<S>& value_bar, const Matrix<S>& y_bar, const Matrix<S>& q_bar,
                         Workspace&) const override;
};

}  // namespace dpcore
