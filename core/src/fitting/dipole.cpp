// SPDX-License-Identifier: LGPL-3.0-or-later
#include "fitting/dipole.hpp"

namespace dpcore {

template <class S>
void DipoleFitting<S>::contract(const Exec& exec, int, const Matrix<S>& y, const Matrix<S>& q,
                                const Matrix<double>& value) const {
  const int n_radial = this->n_radial();
  for_each_element(
      exec, "dpcore::dipole", static_cast<int>(value.extent(0)), 3, KOKKOS_LAMBDA(const int i, const int a) {
        S sum = S(0);
        for (int m = 0; m < n_radial; ++m) sum += y(i, m) * q(i, 3 * m + a);
        value(i, a) = static_cast<double>(sum);
      });
}

template <class S>
void DipoleFitting<S>::contract_backward(const Exec& exec, int, const Matrix<S>& y, const Matrix<S>& q,
                                         const Matrix<S>& value_bar, const Matrix<S>& y_bar,
                                         const Matrix<S>& q_bar, Workspace&) const {
  for_each_element(
      exec, "dpcore::dipole_backward", static_cast<int>(y.extent(0)), this->n_radial(),
      KOKKOS_LAMBDA(const int i, const int m) {
        S sum = S(0);
        for (int a = 0; a < 3; ++a) {
          sum += value_bar(i, a) * q(i, 3 * m + a);
          q_bar(i, 3 * m + a) = value_bar(i, a) * y(i, m);
        }
        y_bar(i, m) = sum;
      });
}

template class DipoleFitting<double>;
template class DipoleFitting<float>;

}  // namespace dpcore
