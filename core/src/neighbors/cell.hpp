// SPDX-License-Identifier: LGPL-3.0-or-later
// The simulation cell.
//
//   position     r = s . h        s = r . hinv       (r, s row vectors; s fractional)
//
// Rows of h are the cell vectors a, b, c in A. Any cell that encloses a volume is allowed: triclinic, very
// skewed, left-handed, and with periodic images along some directions only.
#pragma once

namespace dpcore {

struct Cell {
  double h[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};     ///< [3, 3] row-major, A; rows are cell vectors
  double hinv[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};  ///< [3, 3] inverse of h, 1/A
  double volume = 0;                             ///< |det h|, A^3; 0 where there is no cell
  bool periodic = false;                         ///< false: no direction has images
  bool pbc[3] = {false, false, false};           ///< images along a, b, c

  /// No cell: s is r, nothing is periodic.
  static Cell none() { return {}; }

  /// A cell from nine numbers ax ay az bx by bz cx cy cz in A. A row of zeros is allowed along a direction
  /// without images; a unit vector normal to the other rows takes its place.
  /// Throws Error where a number is not finite or the rows do not enclose a volume.
  static Cell from_rows(const double* box9, bool px = true, bool py = true, bool pz = true);

  /// Distance in A between the two faces that direction d (0, 1, 2) crosses.
  double face_distance(int d) const;

  /// Fractional coordinates s[3] of r[3].
  void to_fractional(const double* r, double* s) const {
    for (int d = 0; d < 3; ++d) s[d] = r[0] * hinv[d] + r[1] * hinv[3 + d] + r[2] * hinv[6 + d];
  }
};

}  // namespace dpcore
