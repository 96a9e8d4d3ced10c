// SPDX-License-Identifier: LGPL-3.0-or-later
// The frame of loc_frame: which neighbours are its axes, its three vectors and their derivatives.
#pragma once

#include "base/views.hpp"

namespace dpcore {

/// One of two axes: class 0 or 1, type of neighbour or below 0 a type to leave out, place.
struct AxisRule {
  int kind, type, index;
  /// Of a type below 0; a type that does not exist leaves none out.
  KOKKOS_FORCEINLINE_FUNCTION int left_out() const { return kind == 0 ? -1 - type : -type; }
};

struct Vec3 {
  double x, y, z;
  KOKKOS_FORCEINLINE_FUNCTION Vec3 operator+(const Vec3& o) const { return {x + o.x, y + o.y, z + o.z}; }
  KOKKOS_FORCEINLINE_FUNCTION Vec3 operator-(const Vec3& o) const { return {x - o.x, y - o.y, z - o.z}; }
  KOKKOS_FORCEINLINE_FUNCTION Vec3 operator*(const double f) const { return {f * x, f * y, f * z}; }
};
KOKKOS_FORCEINLINE_FUNCTION double dot(const Vec3& a, const Vec3& b) {
  return a.x * b.x + a.y * b.y + a.z * b.z;
}
KOKKOS_FORCEINLINE_FUNCTION Vec3 cross(const Vec3& a, const Vec3& b) {
  return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
KOKKOS_FORCEINLINE_FUNCTION Vec3 row_of(const Matrix<double>& m, const int i, const int first = 0) {
  return {m(i, first), m(i, first + 1), m(i, first + 2)};
}

/// The frame of r_1 and r_2 with what its derivatives need.
struct Frame {
  Vec3 x, y, z, r2;
  double inverse1, inverse_v, along;  // 1/|r_1|, 1/|v|, r_2.x with v = r_2 - along x

  KOKKOS_FORCEINLINE_FUNCTION static Frame make(const Vec3& r1, const Vec3& r2) {
    Frame f;
    f.r2 = r2;
    f.inverse1 = 1.0 / Kokkos::sqrt(dot(r1, r1));
    f.x = r1 * f.inverse1;
    f.along = dot(r2, f.x);
    const Vec3 v = r2 - f.x * f.along;
    f.inverse_v = 1.0 / Kokkos::sqrt(dot(v, v));
    f.y = v * f.inverse_v;
    f.z = cross(f.x, f.y);
    return f;
  }

  /// Tangents of x, y, z
  KOKKOS_FORCEINLINE_FUNCTION void tangent(const Vec3& r1_dot, const Vec3& r2_dot, Vec3& x_dot, Vec3& y_dot,
                                           Vec3& z_dot) const {
    x_dot = (r1_dot - x * dot(x, r1_dot)) * inverse1;
    const Vec3 v_dot = r2_dot - x * (dot(r2_dot, x) + dot(r2, x_dot)) - x_dot * along;
    y_dot = (v_dot - y * dot(y, v_dot)) * inverse_v;
    z_dot = cross(x_dot, y) + cross(x, y_dot);
  }

  /// The transpose: adjoints of r_1 and r_2 from those of x, y, z
  KOKKOS_FORCEINLINE_FUNCTION void backward(Vec3 x_bar, Vec3 y_bar, const Vec3& z_bar, Vec3& r1_bar,
                                            Vec3& r2_bar) const {
    x_bar = x_bar + cross(y, z_bar);
    y_bar = y_bar + cross(z_bar, x);
    const Vec3 v_bar = (y_bar - y * dot(y, y_bar)) * inverse_v;
    const double xv = dot(x, v_bar);
    r2_bar = v_bar - x * xv;
    x_bar = x_bar - v_bar * along - r2 * xv;
    r1_bar = (x_bar - x * dot(x, x_bar)) * inverse1;
  }
};

/// The pair that a rule names, -1 where there is none. slot [n_rows, n_slots]; start [ntypes + 1]: first
/// slots of the rule's class. Of equal distances the earlier slot comes first.
KOKKOS_INLINE_FUNCTION int find_axis(const AxisRule& rule, const int i, const int ntypes, const int* start,
                                     const Matrix<int>& slot, const Matrix<double>& r) {
  if (rule.type >= 0) {
    const int s = start[rule.type] + rule.index;
    return s < start[ntypes] ? slot(i, s) : -1;
  }
  const int left_out = rule.left_out();
  double last = -1.0;
  int last_slot = -1;
  for (int k = 0; k <= rule.index; ++k) {  // the next farther one
    double least = 0.0;
    int found = -1;
    for (int b = 0; b < ntypes; ++b) {
      if (b == left_out) continue;
      for (int s = start[b]; s < start[b + 1] && s < start[b] + 3; ++s) {
        if (slot(i, s) < 0) continue;
        const Vec3 v = row_of(r, slot(i, s));
        const double r2 = dot(v, v);
        if (r2 < last || (r2 == last && s <= last_slot) || (found >= 0 && r2 >= least)) continue;
        least = r2;
        found = s;
      }
    }
    if (found < 0) return -1;
    last = least;
    last_slot = found;
  }
  return slot(i, last_slot);
}

}  // namespace dpcore
