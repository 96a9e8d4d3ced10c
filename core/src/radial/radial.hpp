// SPDX-License-Identifier: LGPL-3.0-or-later
// Radial functions G_m(s), m = 0..n_out-1, of one scalar: what the two-body descriptors need of an embedding
// net.
//
// The input being one scalar, the derivative dG/ds travels forward with the value, and the tangent of G for a
// change s_dot is G' s_dot. The parameter pass takes the adjoints of both G and G'.
#pragma once

#include "base/workspace.hpp"

namespace dpcore {

/// most = max(most, x) of errors: a NaN is larger than all numbers, and stays.
inline void raise(double x, double& most) {
  if (!(x <= most) && most == most) most = x;
}

template <class S>
class Radial {
 public:
  virtual ~Radial() = default;
  virtual int n_out() const = 0;

  /// g, g_prime [n, n_out] at s [n]
  virtual void forward(const Exec&, const Vector<S>& s, const Matrix<S>& g, const Matrix<S>& g_prime,
                       Workspace&) const = 0;

  /// Add d/dtheta of <g_bar, G(s)> + <g_prime_bar, G'(s)> to gradient slot `slot`.
  virtual void backward_params(const Exec&, const Vector<S>& s, const Matrix<S>& g_bar,
                               const Matrix<S>& g_prime_bar, int slot, Workspace&) const = 0;
};

}  // namespace dpcore
