// SPDX-License-Identifier: LGPL-3.0-or-later
#include "nn/activate.hpp"

namespace dpcore {

namespace {

template <class Act, class S>
void apply(const Exec& exec, std::size_t n, S* y, S* d1, S* d2) {
  if (d2 != nullptr) {
    for_each_element(
        exec, "dpcore::activate", 1, static_cast<int>(n), KOKKOS_LAMBDA(const int, const int i) {
          S value, first, second;
          Act::eval(y[i], value, first, second);
          y[i] = value;
          d1[i] = first;
          d2[i] = second;
        });
  } else {
    for_each_element(
        exec, "dpcore::activate", 1, static_cast<int>(n), KOKKOS_LAMBDA(const int, const int i) {
          S value, first, second;
          Act::eval(y[i], value, first, second);
          y[i] = value;
          d1[i] = first;
        });
  }
}

}  // namespace

template <class S>
void activate(const Exec& exec, Activation activation, std::size_t n, S* y, S* d1, S* d2) {
  namespace a = activations;
  switch (activation) {
    case Activation::Linear:
      return apply<a::Linear>(exec, n, y, d1, d2);
    case Activation::Tanh:
      return apply<a::Tanh>(exec, n, y, d1, d2);
    case Activation::Gelu:
      return apply<a::Gelu>(exec, n, y, d1, d2);
    case Activation::Relu:
      return apply<a::Relu>(exec, n, y, d1, d2);
    case Activation::Relu6:
      return apply<a::Relu6>(exec, n, y, d1, d2);
    case Activation::Softplus:
      return apply<a::Softplus>(exec, n, y, d1, d2);
    case Activation::Sigmoid:
      return apply<a::Sigmoid>(exec, n, y, d1, d2);
  }
}

template void activate<double>(const Exec&, Activation, std::size_t, double*, double*, double*);
template void activate<float>(const Exec&, Activation, std::size_t, float*, float*, float*);

}  // namespace dpcore
