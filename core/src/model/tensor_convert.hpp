// SPDX-License-Identifier: LGPL-3.0-or-later
// Tensors of the model file as doubles, whatever their precision on disk.
#pragma once

#include <vector>

#include "dpcore/model_file.h"

namespace dpcore {

/// Throws Error unless the tensor holds F64 or F32.
inline std::vector<double> to_doubles(const Tensor& tensor, const std::string& name) {
  if (tensor.dtype != DType::F32) return tensor.values<double>(name);
  const auto v = tensor.values<float>(name);
  return std::vector<double>(v.begin(), v.end());
}

inline Tensor from_doubles(const std::vector<double>& v, const std::vector<std::int64_t>& shape,
                           DType dtype) {
  if (dtype != DType::F32) return Tensor::from(v.data(), shape);
  const std::vector<float> f(v.begin(), v.end());
  return Tensor::from(f.data(), shape);
}

}  // namespace dpcore
