// SPDX-License-Identifier: LGPL-3.0-or-later
// exp, expm1, tanh and log1p that compilers can vectorise: no branches, no calls, no tables.
//
// exp and expm1 reduce x = k ln2 + r, |r| <= ln2/2 (Cody and Waite, ln2 in two parts), and use the Taylor
// polynomial of expm1(r); tanh(x) = t/(t+2) with t = expm1(2x) keeps full relative accuracy near zero.
// Errors are below 3 units of the last place: docs/theory/activations.md.
#pragma once

#include <cstdint>

#include <Kokkos_Core.hpp>

namespace dpcore::math {

template <class S>
struct Constants;

template <>
struct Constants<double> {
  using Int = std::int64_t;
  static constexpr double log2e = 1.4426950408889634074;
  static constexpr double ln2_hi = 6.93147180369123816490e-01;
  static constexpr double ln2_lo = 1.90821492927058770002e-10;
  static constexpr double shift = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer
  static constexpr double largest = 708.0;
  static constexpr Int bias = 1023;
  static constexpr int mantissa = 52;
};

template <>
struct Constants<float> {
  using Int = std::int32_t;
  static constexpr float log2e = 1.44269504F;
  static constexpr float ln2_hi = 6.93145752e-01F;
  static constexpr float ln2_lo = 1.42860677e-06F;
  static constexpr float shift = 12582912.0F;
  static constexpr float largest = 87.0F;
  static constexpr Int bias = 127;
  static constexpr int mantissa = 23;
};

/// expm1(r) for |r| <= ln2/2
KOKKOS_FORCEINLINE_FUNCTION double expm1_reduced(const double r) {
  double p = 1.0 / 6227020800.0;
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  return r + (r * r) * p;
}
KOKKOS_FORCEINLINE_FUNCTION float expm1_reduced(const float r) {
  float p = 1.0F / 5040.0F;
  p = p * r + 1.0F / 720.0F;
  p = p * r + 1.0F / 120.0F;
  p = p * r + 1.0F / 24.0F;
  p = p * r + 1.0F / 6.0F;
  p = p * r + 0.5F;
  return r + (r * r) * p;
}

/// x = k ln2 + r: returns expm1(r) and 2^k. x is clamped to where 2^k is a normal number.
template <class S>
KOKKOS_FORCEINLINE_FUNCTION S expm1_parts(S x, S& power) {
  using C = Constants<S>;
  using Int = typename C::Int;
  x = x > C::largest ? C::largest : x;
  x = x < -C::largest ? -C::largest : x;
  const S shifted = x * C::log2e + C::shift;
  const S k = shifted - C::shift;
  const S r = (x - k * C::ln2_hi) - k * C::ln2_lo;
  const Int bits = (static_cast<Int>(k) + C::bias) << C::mantissa;
  power = __builtin_bit_cast(S, bits);
  return expm1_reduced(r);
}

template <class S>
KOKKOS_FORCEINLINE_FUNCTION S expm1(const S x) {
  S power;
  const S p = expm1_parts(x, power);
  return power * p + (power - S(1));
}

template <class S>
KOKKOS_FORCEINLINE_FUNCTION S exp(const S x) {
  S power;
  const S p = expm1_parts(x, power);
  return power * p + power;
}

template <class S>
KOKKOS_FORCEINLINE_FUNCTION S tanh(const S x) {
  // beyond |x| = 20 tanh is 1 in double; the clamp keeps expm1 finite
  const S bounded = x > S(20) ? S(20) : (x < S(-20) ? S(-20) : x);
  const S magnitude = bounded < S(0) ? -bounded : bounded;
  const S t = expm1(S(2) * magnitude);
  const S y = t / (t + S(2));
  return bounded < S(0) ? -y : y;
}

/// log(1 + y) for 0 <= y <= 1, as 2 artanh(y / (2 + y))
KOKKOS_FORCEINLINE_FUNCTION double log1p_unit(const double y) {
  const double z = y / (2.0 + y), w = z * z;
  double p = 1.0 / 33.0;
  p = p * w + 1.0 / 31.0;
  p = p * w + 1.0 / 29.0;
  p = p * w + 1.0 / 27.0;
  p = p * w + 1.0 / 25.0;
  p = p * w + 1.0 / 23.0;
  p = p * w + 1.0 / 21.0;
  p = p * w + 1.0 / 19.0;
  p = p * w + 1.0 / 17.0;
  p = p * w + 1.0 / 15.0;
  p = p * w + 1.0 / 13.0;
  p = p * w + 1.0 / 11.0;
  p = p * w + 1.0 / 9.0;
  p = p * w + 1.0 / 7.0;
  p = p * w + 1.0 / 5.0;
  p = p * w + 1.0 / 3.0;
  return 2.0 * (z + z * w * p);
}
KOKKOS_FORCEINLINE_FUNCTION float log1p_unit(const float y) {
  const float z = y / (2.0F + y), w = z * z;
  float p = 1.0F / 15.0F;
  p = p * w + 1.0F / 13.0F;
  p = p * w + 1.0F / 11.0F;
  p = p * w + 1.0F / 9.0F;
  p = p * w + 1.0F / 7.0F;
  p = p * w + 1.0F / 5.0F;
  p = p * w + 1.0F / 3.0F;
  return 2.0F * (z + z * w * p);
}

}  // namespace dpcore::math
