// SPDX-License-Identifier: LGPL-3.0-or-later
// The radial component of the environment matrix alone, for descriptors made of distances:
//
//     Rn_j = (s - davg)/dstd,  s = w(r)/r
// with davg, dstd of the centre's type. Geometry is double; Rn is handed on in the network's precision S.
#pragma once

#include "env/pairs.hpp"
#include "env/switch.hpp"

namespace dpcore {

struct RadialNorm {
  double avg = 0.0, inverse_std = 1.0;
};

template <class S>
struct RadialEnv {
  Vector<S> value;      // [n_pairs] Rn
  Vector<S> value_dot;  // [n_pairs] tangent
  Matrix<double> part;  // [n_pairs, 2]: 1/r, s'
};

template <class S>
void radial_env_forward(const Exec&, const TilePairs&, const Cutoff&, const RadialNorm&, RadialEnv<S>&,
                        Workspace&);

/// value_dot from pairs.r_dot
template <class S>
void radial_env_tangent(const Exec&, const TilePairs&, const RadialNorm&, RadialEnv<S>&, Workspace&);

/// pairs.d_r [n_pairs, 3] = dE/dr from d_value [n_pairs] = dE/dRn
template <class S>
void radial_env_backward(const Exec&, const TilePairs&, const RadialNorm&, const RadialEnv<S>&,
                         const Vector<S>& d_value);

}  // namespace dpcore
