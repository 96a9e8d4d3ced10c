// SPDX-License-Identifier: LGPL-3.0-or-later
// The reciprocal part of the Ewald sum of point charges in a periodic cell, as a plain sum over waves:
//
//     S(m) = sum_i q_i e^(2 pi i m . s_i),   k = m_1 b_1 + m_2 b_2 + m_3 b_3  (b_d reciprocal vectors, no 2
//     pi) E    = C/(2 pi V) sum_{m != 0} e^(-pi^2 k^2/beta^2)/k^2 |S(m)|^2
// with s_i the fractional coordinates and C = e^2/(4 pi eps0). m_d runs from -K_d/2 to K_d/2, K_d the number
// of steps of h along the cell vector, rounded up to an even number. No self term, no neutralising term, no
// real part, as the modifier dipole_charge of the reference wants it. Charges may sum to anything.
//
// One half of the waves is computed, S(-m) being the conjugate. Phases are products of those along the three
// cell vectors, so that a wave costs 2 multiplications and additions for each site, and forces 4: about
// 3 n M in all for M waves, quadratic in the size of the system. Sums have a fixed order, whatever the number
// of threads. Derivation: docs/theory/dipole-charge.md.
#pragma once

#include <string>
#include <vector>

#include "base/views.hpp"

namespace dpcore {

struct EwaldResult {
  double energy = 0;          // eV
  std::vector<double> force;  // [n, 3] eV/A
  double virial[9] = {};      // eV, -dE/d(strain)
};

class Ewald {
 public:
  /// h in A, beta in 1/A, both rounded to single precision as in the reference. Throws Error naming the one
  /// that is not above 0.
  Ewald(double h, double beta);

  /// n sites: position [n, 3] A, anywhere; charge [n] e; cell [9] rows are vectors, A. Throws Error for a
  /// cell without volume or with too many waves. Not from inside run_workers; workspace is kept between
  /// calls.
  void compute(const std::vector<double>& position, const std::vector<double>& charge, const double* cell,
               bool derivatives, EwaldResult&);

 private:
  double h_, beta_;
  DeviceArray<double> site_, phase_, wave_, row_sum_, force_;
};

}  // namespace dpcore
