// SPDX-License-Identifier: LGPL-3.0-or-later
#include "nn/activation.hpp"

#include "dpcore/errors.h"

namespace dpcore {

Activation activation_from_name(const std::string& name) {
  if (name == "tanh") return Activation::Tanh;
  if (name == "gelu" || name == "gelu_tf") return Activation::Gelu;
  if (name == "relu") return Activation::Relu;
  if (name == "relu6") return Activation::Relu6;
  if (name == "softplus") return Activation::Softplus;
  if (name == "sigmoid") return Activation::Sigmoid;
  if (name == "none" || name == "linear") return Activation::Linear;
  throw Error("activation_function: unknown name '" + name +
              "'; known are tanh, gelu, relu, relu6, softplus, sigmoid, linear");
}

}  // namespace dpcore
