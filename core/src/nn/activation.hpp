// SPDX-License-Identifier: LGPL-3.0-or-later
// Activation functions with first and second derivative, by the names of the input file.
//
// eval(z, y, d1, d2): y = phi(z), d1 = phi'(z), d2 = phi''(z). The kinks of relu and relu6 have derivative 0.
#pragma once

#include <string>

#include "nn/math.hpp"

namespace dpcore {

enum class Activation { Linear, Tanh, Gelu, Relu, Relu6, Softplus, Sigmoid };

/// Throws Error with the list of known names. "none" and "linear" are the identity.
Activation activation_from_name(const std::string& name);

/// Without kinks, so that interpolation between nodes converges fast.
inline bool is_smooth(Activation a) { return a != Activation::Relu && a != Activation::Relu6; }

namespace activations {

struct Linear {
  template <class S>
  static KOKKOS_FORCEINLINE_FUNCTION void eval(const S z, S& y, S& d1, S& d2) {
    y = z;
    d1 = S(1);
    d2 = S(0);
  }
};

struct Tanh {
  template <class S>
  static KOKKOS_FORCEINLINE_FUNCTION void eval(const S z, S& y, S& d1, S& d2) {
    y = math::tanh(z);
    d1 = S(1) - y * y;
    d2 = S(-2) * y * d1;
  }
};

/// 0.5 z (1 + tanh(u)), u = c (z + 0.044715 z^3), c = sqrt(2/pi): the tanh form, as the reference has it.
/// 1 - |tanh| = 2/(e + 1) and 1 - tanh^2 = 4e/(e + 1)^2, e = exp(2|u|): differences would lose their digits.
struct Gelu {
  template <class S>
  static KOKKOS_FORCEINLINE_FUNCTION void eval(const S z, S& y, S& d1, S& d2) {
    constexpr S c = S(0.79788456080286535588), a = S(0.044715), end = S(12);  // beyond it is 0 or z
    const S x = z > end ? end : (z < -end ? -end : z);
    const S slope = S(1) + S(3) * a * x * x, u = c * x * (S(1) + a * x * x);
    const S e1 = math::expm1(S(2) * (u < S(0) ? -u : u)) + S(1);
    const S low = S(2) / (e1 + S(1));
    const S t = u < S(0) ? low - S(1) : S(1) - low, above = z < S(0) ? low : S(2) - low;  // above = 1 + t
    const S square = e1 * low * low, q = c * square * slope;
    y = z < -end ? S(0) : S(0.5) * z * above;
    d1 = S(0.5) * (x * q + above);
    d2 = q + S(0.5) * x * c * square * (S(6) * a * x - S(2) * t * c * slope * slope);
  }
};

struct Relu {
  template <class S>
  static KOKKOS_FORCEINLINE_FUNCTION void eval(const S z, S& y, S& d1, S& d2) {
    y = z > S(0) ? z : S(0);
    d1 = z > S(0) ? S(1) : S(0);
    d2 = S(0);
  }
};

struct Relu6 {
  template <class S>
  static KOKKOS_FORCEINLINE_FUNCTION void eval(const S z, S& y, S& d1, S& d2) {
    const S low = z > S(0) ? z : S(0);
    y = low < S(6) ? low : S(6);
    d1 = (z > S(0) && z < S(6)) ? S(1) : S(0);
    d2 = S(0);
  }
};

struct Sigmoid {
  template <class S>
  static KOKKOS_FORCEINLINE_FUNCTION void eval(const S z, S& y, S& d1, S& d2) {
    const S e = math::exp(z < S(0) ? z : -z);  // exp(-|z|)
    const S small = e / (S(1) + e);            // sigmoid(-|z|)
    y = z < S(0) ? small : S(1) - small;
    d1 = y * (S(1) - y);
    d2 = d1 * (S(1) - S(2) * y);
  }
};

/// log(1 + exp(z))
struct Softplus {
  template <class S>
  static KOKKOS_FORCEINLINE_FUNCTION void eval(const S z, S& y, S& d1, S& d2) {
    const S e = math::exp(z < S(0) ? z : -z);
    const S small = e / (S(1) + e);
    y = (z > S(0) ? z : S(0)) + math::log1p_unit(e);
    d1 = z < S(0) ? small : S(1) - small;
    d2 = d1 * (S(1) - d1);
  }
};

}  // namespace activations
}  // namespace dpcore
