// SPDX-License-Identifier: LGPL-3.0-or-later
// The activation functions of core/src/nn as a library for ctypes: in loops as the compiler vectorises them.
#include <cstddef>

#include "nn/activation.hpp"

namespace a = dpcore::activations;

namespace {

template <class Act, class S>
void fill(std::size_t n, const S* z, S* y, S* d1, S* d2) {
#pragma omp simd
  for (std::size_t i = 0; i < n; ++i) Act::eval(z[i], y[i], d1[i], d2[i]);
}

}  // namespace

#define EXPORT(name, Act)                                                                             \
  extern "C" void name##_float64(std::size_t n, const double* z, double* y, double* d1, double* d2) { \
    fill<a::Act>(n, z, y, d1, d2);                                                                    \
  }                                                                                                   \
  extern "C" void name##_float32(std::size_t n, const float* z, float* y, float* d1, float* d2) {     \
    fill<a::Act>(n, z, y, d1, d2);                                                                    \
  }

EXPORT(linear, Linear)
EXPORT(tanh, Tanh)
EXPORT(gelu, Gelu)
EXPORT(relu, Relu)
EXPORT(relu6, Relu6)
EXPORT(softplus, Softplus)
EXPORT(sigmoid, Sigmoid)
