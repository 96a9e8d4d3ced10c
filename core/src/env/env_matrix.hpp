// SPDX-License-Identifier: LGPL-3.0-or-later
// The normalised environment matrix of the pairs of a tile (Zhang et al., NeurIPS 2018):
//
//     R_j = ( s, s x/r, s y/r, s z/r ),  s = w(r)/r;   Rn_jc = (R_jc - davg_c)/dstd_c
// with davg, dstd of the centre's type. Geometry is double; Rn is handed on in the network's precision S.
#pragma once

#include "env/pairs.hpp"
#include "env/switch.hpp"

namespace dpcore {

struct EnvNorm {
  Kokkos::Array<double, 4> avg, inverse_std;
};

template <class S>
struct EnvMatrix {
  Matrix<S> value;             // [n_pairs, 4] Rn
  Vector<S> radial;            // [n_pairs] Rn_0, contiguous for the embedding nets
  Matrix<S> value_dot;         // [n_pairs, 4] tangent
  Matrix<double> radial_part;  // [n_pairs, 4]: 1/r, s', s/r, (s/r)'
};

template <class S>
void env_forward(const Exec&, const TilePairs&, const Cutoff&, const EnvNorm&, EnvMatrix<S>&, Workspace&);

/// value_dot from pairs.r_dot
template <class S>
void env_tangent(const Exec&, const TilePairs&, const EnvNorm&, EnvMatrix<S>&, Workspace&);

/// pairs.d_r [n_pairs, 3] = dE/dr from d_value [n_pairs, 4] = dE/dRn
template <class S>
void env_backward(const Exec&, const TilePairs&, const EnvNorm&, const EnvMatrix<S>&,
                  const Matrix<S>& d_value);

}  // namespace dpcore
