// SPDX-License-Identifier: LGPL-3.0-or-later
#include "fitting/polar.hpp"

#include <cmath>

#include "base/json_config.hpp"

namespace dpcore {

template <class S>
bool PolarFitting<S>::fit_diag(const nlohmann::json& config) {
  return ConfigReader(config, "model/fitting_net").get_or<bool>("fit_diag", true);
}

template <class S>
PolarFitting<S>::PolarFitting(const nlohmann::json& config, const FittingSizes& sizes)
    : TensorFitting<S>(config, sizes, fit_diag(config) ? sizes.n_radial : sizes.n_radial * sizes.n_radial),
      diagonal_(fit_diag(config)) {
  const ConfigReader in(config, "model/fitting_net");
  const int ntypes = sizes.ntypes;
  const auto n = static_cast<std::size_t>(ntypes);
  scale_ = in.get_or<std::vector<double>>("scale", std::vector<double>(n, 1.0));
  in.require(
      scale_.size() == n, "scale",
      "expected one number per type (" + std::to_string(n) + "), got " + std::to_string(scale_.size()));
  for (const double s : scale_) in.require(std::isfinite(s), "scale", "expected finite numbers");
  this->constants_["constant_matrix"].assign(n, 0.0);
}

template <class S>
void PolarFitting<S>::contract(const Exec& exec, int type, const Matrix<S>& y, const Matrix<S>& q,
                               const Matrix<double>& value) const {
  const int n_radial = this->n_radial();
  const bool diagonal = diagonal_;
  const S scale = static_cast<S>(scale_[static_cast<std::size_t>(type)]);
  const double shift = this->constants_.at("constant_matrix")[static_cast<std::size_t>(type)];
  for_each(
      exec, "dpcore::polar", static_cast<int>(value.extent(0)), KOKKOS_LAMBDA(const int i) {
        S sum[9] = {};
        for (int m = 0; m < n_radial; ++m) {
          S aq[3] = {};  // (A Q)[m]
          if (diagonal) {
            for (int b = 0; b < 3; ++b) aq[b] = y(i, m) * q(i, 3 * m + b);
          } else {
            for (int k = 0; k < n_radial; ++k) {
              const S a = y(i, m * n_radial + k) + y(i, k * n_radial + m);
              for (int b = 0; b < 3; ++b) aq[b] += a * q(i, 3 * k + b);
            }
          }
          for (int a = 0; a < 3; ++a) {
            for (int b = 0; b < 3; ++b) sum[3 * a + b] += q(i, 3 * m + a) * aq[b];
          }
        }
        for (int c = 0; c < 9; ++c)
          value(i, c) = static_cast<double>(scale * sum[c]) + (c % 4 == 0 ? shift : 0.0);
      });
}

// With P[m][a] = scale sum_b (v[a][b] + v[b][a]) Q[m][b], v = value_bar:
//     diagonal    y_bar[m] = sum_a Q[m][a] P[m][a] / 2,      Q_bar[m] = y[m] P[m]
//     else        Y_bar[m][k] = sum_a Q[m][a] P[k][a],       Q_bar[m] = sum_k A[m][k] P[k]
template <class S>
void PolarFitting<S>::contract_backward(const Exec& exec, int type, const Matrix<S>& y, const Matrix<S>& q,
                                        const Matrix<S>& value_bar, const Matrix<S>& y_bar,
                                        const Matrix<S>& q_bar, Workspace& ws) const {
  const int n = static_cast<int>(y.extent(0)), n_radial = this->n_radial();
  const S scale = static_cast<S>(scale_[static_cast<std::size_t>(type)]);
  const Matrix<S> p = ws.matrix<S>(q.extent(0), q.extent(1));
  for_each_element(
      exec, "dpcore::polar_seed", n, 3 * n_radial, KOKKOS_LAMBDA(const int i, const int j) {
        const int m = j / 3, a = j % 3;
        S sum = S(0);
        for (int b = 0; b < 3; ++b)
          sum += (value_bar(i, 3 * a + b) + value_bar(i, 3 * b + a)) * q(i, 3 * m + b);
        p(i, j) = scale * sum;
      });
  if (diagonal_) {
    for_each_element(
        exec, "dpcore::polar_backward", n, n_radial, KOKKOS_LAMBDA(const int i, const int m) {
          S sum = S(0);
          for (int a = 0; a < 3; ++a) {
            sum += q(i, 3 * m + a) * p(i, 3 * m + a);
            q_bar(i, 3 * m + a) = y(i, m) * p(i, 3 * m + a);
          }
          y_bar(i, m) = S(0.5) * sum;
        });
    return;
  }
  for_each_element(
      exec, "dpcore::polar_backward", n, n_radial, KOKKOS_LAMBDA(const int i, const int m) {
        S sum[3] = {};
        for (int k = 0; k < n_radial; ++k) {
          const S a = y(i, m * n_radial + k) + y(i, k * n_radial + m);
          S along = S(0);
          for (int b = 0; b < 3; ++b) {
            sum[b] += a * p(i, 3 * k + b);
            along += q(i, 3 * m + b) * p(i, 3 * k + b);
          }
          y_bar(i, m * n_radial + k) = along;
        }
        for (int b = 0; b < 3; ++b) q_bar(i, 3 * m + b) = sum[b];
      });
}

template class PolarFitting<double>;
template class PolarFitting<float>;

}  // namespace dpcore
