// SPDX-License-Identifier: LGPL-3.0-or-later
// A vector register of the host's CPU, for the few loops that a compiler does not vectorise well by itself.
// Arithmetic between vectors, and between a scalar and a vector, is that of the elements (GCC's and Clang's
// vector types).
#pragma once

#include <cstddef>

namespace dpcore {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

template <class S>
struct Lanes;
template <>
struct Lanes<double> {
  typedef double type __attribute__((vector_size(kVectorBytes), aligned(8), may_alias));
};
template <>
struct Lanes<float> {
  typedef float type __attribute__((vector_size(kVectorBytes), aligned(4), may_alias));
};

template <class S>
using Vec = typename Lanes<S>::type;
template <class S>
constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(S));

template <class S>
inline Vec<S> load(const S* p) {
  return *reinterpret_cast<const Vec<S>*>(p);
}

template <class S>
inline S sum_of(const Vec<S>& v) {
  S sum = v[0];
  for (int k = 1; k < kLanes<S>; ++k) sum += v[k];
  return sum;
}

}  // namespace dpcore
