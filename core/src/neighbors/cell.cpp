// SPDX-License-Identifier: LGPL-3.0-or-later
#include "neighbors/cell.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>

#include "dpcore/errors.h"

namespace dpcore {
namespace {

/// |det| below this part of |a||b||c| is a flat cell: the largest rounding error is about 1e-15 of it.
constexpr double kFlat = 1e-10;

void cross(const double* a, const double* b, double* out) {
  out[0] = a[1] * b[2] - a[2] * b[1];
  out[1] = a[2] * b[0] - a[0] * b[2];
  out[2] = a[0] * b[1] - a[1] * b[0];
}

double dot(const double* a, const double* b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

double norm(const double* a) { return std::sqrt(dot(a, a)); }

[[noreturn]] void refuse(const double* box, const std::string& reason) {
  std::ostringstream text;
  text.precision(10);
  text << "box: " << reason << "; the rows are";
  for (int d = 0; d < 3; ++d) {
    text << (d ? ", (" : " (") << box[3 * d] << ", " << box[3 * d + 1] << ", " << box[3 * d + 2] << ")";
  }
  text << ". Expected three cell vectors in A that enclose a volume; give no box where the system is not"
          " periodic.";
  throw Error(text.str());
}

bool is_zero(const double* a) { return a[0] == 0 && a[1] == 0 && a[2] == 0; }

/// Replace rows of zeros along directions without images by unit vectors normal to the other rows.
void complete(double* h, const bool* pbc) {
  for (int d = 0; d < 3; ++d) {
    if (pbc[d] || !is_zero(h + 3 * d)) continue;
    const double* a = h + 3 * ((d + 1) % 3);
    const double* b = h + 3 * ((d + 2) % 3);
    double normal[3];
    if (is_zero(a) || is_zero(b)) {
      // One other row at most: the Cartesian axis that is farthest from it, made normal to it.
      const double* other = is_zero(a) ? b : a;
      double axis[3] = {0, 0, 0};
      int least = d;
      for (int k = 0; k < 3; ++k) {
        if (std::abs(other[k]) < std::abs(other[least])) least = k;
      }
      axis[least] = 1;
      const double square = dot(other, other);
      const double along = square > 0 ? dot(axis, other) / square : 0;
      for (int k = 0; k < 3; ++k) normal[k] = axis[k] - along * other[k];
    } else {
      cross(a, b, normal);
    }
    const double length = norm(normal);
    if (!(length > 0)) return;  // parallel rows: the caller sees a flat cell
    for (int k = 0; k < 3; ++k) h[3 * d + k] = normal[k] / length;
  }
}

}  // namespace

Cell Cell::from_rows(const double* box9, bool px, bool py, bool pz) {
  Cell cell;
  cell.pbc[0] = px;
  cell.pbc[1] = py;
  cell.pbc[2] = pz;
  cell.periodic = px || py || pz;
  for (int k = 0; k < 9; ++k) {
    if (!std::isfinite(box9[k])) refuse(box9, "not all numbers are finite");
    cell.h[k] = box9[k];
  }
  complete(cell.h, cell.pbc);

  const double* a = cell.h;
  const double* b = cell.h + 3;
  const double* c = cell.h + 6;
  const double lengths = norm(a) * norm(b) * norm(c);
  double normals[9];  // b x c, c x a, a x b
  cross(b, c, normals);
  cross(c, a, normals + 3);
  cross(a, b, normals + 6);
  const double det = dot(a, normals);
  if (!(std::abs(det) > kFlat * lengths) || !std::isfinite(lengths) || !std::isnormal(det)) {
    refuse(box9, "the cell encloses no volume");
  }
  for (int d = 0; d < 3; ++d) {
    for (int k = 0; k < 3; ++k) cell.hinv[3 * k + d] = normals[3 * d + k] / det;
  }
  cell.volume = std::abs(det);
  return cell;
}

double Cell::face_distance(int d) const {
  // s_d grows by 1 over this distance along the gradient of s_d, which is column d of hinv.
  return 1 / std::sqrt(hinv[d] * hinv[d] + hinv[3 + d] * hinv[3 + d] + hinv[6 + d] * hinv[6 + d]);
}

}  // namespace dpcore
