// SPDX-License-Identifier: LGPL-3.0-or-later
// A matrix of either precision, where descriptor and fitting meet.
#pragma once

#include "base/workspace.hpp"

namespace dpcore {

/// A matrix of float or double: one member is set, or none (empty).
struct AnyMatrix {
  Matrix<double> f64;
  Matrix<float> f32;
  AnyMatrix() = default;
  AnyMatrix(const Matrix<double>& m) : f64(m) {}  // NOLINT: the conversion is the purpose
  AnyMatrix(const Matrix<float>& m) : f32(m) {}   // NOLINT
  bool is_float() const { return f32.data() != nullptr; }
  bool empty() const { return f32.data() == nullptr && f64.data() == nullptr; }
};

template <class From, class To>
void copy_matrix(const Exec& exec, const Matrix<From>& from, const Matrix<To>& to) {
  for_each_element(
      exec, "dpcore::copy_matrix", static_cast<int>(to.extent(0)), static_cast<int>(to.extent(1)),
      KOKKOS_LAMBDA(const int i, const int j) { to(i, j) = static_cast<To>(from(i, j)); });
}

/// The matrix in precision S: itself, or a converted copy in `ws`.
template <class S>
Matrix<S> as(const Exec& exec, const AnyMatrix& m, Workspace& ws) {
  const auto convert = [&](const auto& from) {
    const Matrix<S> to = ws.matrix<S>(from.extent(0), from.extent(1));
    copy_matrix(exec, from, to);
    return to;
  };
  if constexpr (sizeof(S) == 8) {
    return m.is_float() ? convert(m.f32) : m.f64;
  } else {
    return m.is_float() ? m.f32 : convert(m.f64);
  }
}

}  // namespace dpcore
