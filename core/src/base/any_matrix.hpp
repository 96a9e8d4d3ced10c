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

/// [n, m] in single or double precision.
inline AnyMatrix any_matrix(bool is_float, std::size_t n, std::size_t m, Workspace& ws) {
  return is_float ? AnyMatrix(ws.matrix<float>(n, m)) : AnyMatrix(ws.matrix<double>(n, m));
}

/// Rows [begin, end); empty of an empty one.
inline AnyMatrix rows(const AnyMatrix& m, int begin, int end) {
  if (m.empty()) return {};
  return m.is_float() ? AnyMatrix(rows(m.f32, begin, end)) : AnyMatrix(rows(m.f64, begin, end));
}

template <class From, class To>
void copy_matrix(const Exec& exec, const Matrix<From>& from, const Matrix<To>& to) {
  for_each_element(
      exec, "dpcore::copy_matrix", static_cast<int>(to.extent(0)), static_cast<int>(to.extent(1)),
      KOKKOS_LAMBDA(const int i, const int j) { to(i, j) = static_cast<To>(from(i, j)); });
}

/// to = from, in its precision; nothing to do where they are the same.
inline void put(const Exec& exec, const AnyMatrix& from, const AnyMatrix& to) {
  if (from.f64.data() == to.f64.data() && from.f32.data() == to.f32.data()) return;
  const auto copy = [&](const auto& target) {
    from.is_float() ? copy_matrix(exec, from.f32, target) : copy_matrix(exec, from.f64, target);
  };
  to.is_float() ? copy(to.f32) : copy(to.f64);
}

/// `offered` where it is an [n, m] of precision S, else room in `ws`.
template <class S>
Matrix<S> room_for(const AnyMatrix& offered, int n, int m, Workspace& ws) {
  Matrix<S> mine;
  if constexpr (sizeof(S) == 8) {
    mine = offered.f64;
  } else {
    mine = offered.f32;
  }
  const auto rows = static_cast<std::size_t>(n), columns = static_cast<std::size_t>(m);
  const bool fits = mine.data() != nullptr && mine.extent(0) == rows && mine.extent(1) == columns;
  return fits ? mine : ws.matrix<S>(rows, columns);
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
