// SPDX-License-Identifier: LGPL-3.0-or-later
// A vector register of the host's CPU, for the few loops that a compiler does not vectorise well by itself.
// Arithmetic between vectors, and between a scalar and a vector, is that of the elements (GCC's and Clang's
// vector types).
#pragma once

#include <cstddef>
#include <cstring>
#include <utility>

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
  typedef S Half __attribute__((vector_size(kVectorBytes / 2)));
  Half half[2];
  std::memcpy(half, &v, sizeof(v));
  half[0] += half[1];
  S sum = half[0][0];
  for (int k = 1; k < kLanes<S> / 2; ++k) sum += half[0][k];
  return sum;
}

#if defined(__CUDACC__)
// nvcc cannot hand a pack to __builtin_shufflevector, and on a GPU nobody calls this.
template <class S>
inline Vec<S> sums_of(const Vec<S>* v) {
  Vec<S> sums;
  for (int k = 0; k < kLanes<S>; ++k) sums[k] = sum_of<S>(v[k]);
  return sums;
}
template <class S>
inline void transpose(Vec<S>* v) {
  for (int k = 0; k < kLanes<S>; ++k) {
    for (int l = 0; l < k; ++l) {
      const S x = v[k][l];
      v[k][l] = v[l][k];
      v[l][k] = x;
    }
  }
}
#else
namespace lanes {

/// Of n/2 groups of lanes in a, and n/2 in b, the first (part 0) or second halves.
/// (Vec<S> is not deduced: that would drop its alignment.)
template <class S, int n, int part, std::size_t... I>
inline Vec<S> halves(const Vec<S>& a, const Vec<S>& b, std::index_sequence<I...>) {
  constexpr int L = sizeof...(I), w = L / n;  // lanes of half a group
  return __builtin_shufflevector(
      a, b,
      (static_cast<int>(I) / (L / 2) * L + static_cast<int>(I) % (L / 2) / w * 2 * w +
       static_cast<int>(I) % w + part * w)...);
}

/// Group k of L / n lanes adds up to what v[k] adds up to.
template <int n, class S>
inline Vec<S> sums(const Vec<S>* v) {
  if constexpr (n == 1) {
    return v[0];
  } else {
    using Lane = std::make_index_sequence<static_cast<std::size_t>(kLanes<S>)>;
    const Vec<S> a = sums<n / 2, S>(v), b = sums<n / 2, S>(v + n / 2);
    return halves<S, n, 0>(a, b, Lane()) + halves<S, n, 1>(a, b, Lane());
  }
}

}  // namespace lanes

/// Lane k: the sum of the lanes of v[k], for as many vectors as one has lanes.
template <class S>
inline Vec<S> sums_of(const Vec<S>* v) {
  return lanes::sums<kLanes<S>, S>(v);
}

namespace lanes {

/// Exchange the upper half of each 2w lanes of a with the lower half of those of b.
template <class S, int w, std::size_t... I>
inline void exchange(Vec<S>& a, Vec<S>& b, std::index_sequence<I...>) {
  constexpr int L = sizeof...(I);
  const Vec<S> lower = __builtin_shufflevector(
      a, b, (static_cast<int>(I) / w % 2 == 0 ? static_cast<int>(I) : L + static_cast<int>(I) - w)...);
  b = __builtin_shufflevector(
      a, b, (static_cast<int>(I) / w % 2 == 0 ? static_cast<int>(I) + w : L + static_cast<int>(I))...);
  a = lower;
}

template <int w, class S>
inline void transpose_blocks(Vec<S>* v) {
  if constexpr (w > 0) {
    for (int k = 0; k < kLanes<S>; ++k) {
      if (k / w % 2 == 0) {
        exchange<S, w>(v[k], v[k + w], std::make_index_sequence<static_cast<std::size_t>(kLanes<S>)>());
      }
    }
    transpose_blocks<w / 2, S>(v);
  }
}

}  // namespace lanes

/// Lane k of v[l] and lane l of v[k] change places, for as many vectors as one has lanes.
template <class S>
inline void transpose(Vec<S>* v) {
  lanes::transpose_blocks<kLanes<S> / 2, S>(v);
}
#endif

}  // namespace dpcore
