// SPDX-License-Identifier: LGPL-3.0-or-later
// The moment of se_e2_a, its tangent and their backward passes by way of the nodes of a RadialTable: G and G'
// of a pair are never formed.
//
// With G(s_j) = sum_k w_k(s_j) f_k over the nodes k, the sum over the pairs of a centre comes before the
// columns:
//     B_ck  = sum_j R_jc w_k(s_j)                            T[c][m]     += scale sum_k B_ck f_km
//     C_ck  = sum_j R_dot_jc w_k + R_jc s_dot_j w_k'         T_dot[c][m] += scale sum_k C_ck f_km
//     P_ck  = scale sum_m T_bar[c][m] f_km                   dE/dR_jc     = sum_k w_k P_ck, and for c = 0 in
//     addition
//                                                                           sum_k w_k' sum_c R_jc P_ck
//     f_bar_km += scale sum_c ( T_bar[c][m] B_ck + T_dot_bar[c][m] C_ck )
// A pair works on 8 nodes and 4 components instead of on n_out columns, and pairs share nodes. Sums are
// double whatever S is, as the nodes are. For the host, where a centre's sums are one thread's; the vector
// registers run over nodes or over columns.
#pragma once

#include "env/pairs.hpp"
#include "radial/radial_table.hpp"

namespace dpcore {

/// The pairs of one neighbour type of a tile.
template <class S>
struct NodePairs {
  const TilePairs& pairs;
  int neighbor_type;
  Vector<S> s;      // [n_pairs] the net's input
  Matrix<S> r;      // [n_pairs, 4]
  Matrix<S> r_dot;  // [n_pairs, 4]; only for the passes that have tangents
};

/// moment [n_rows, 4, n_out] +=
template <class S>
void add_node_moment(const NodeTable&, const NodePairs<S>&, S scale, const Tensor3<S>& moment, Workspace&);

/// d_r [n_pairs, 4] of these pairs =
template <class S>
void node_moment_backward_inputs(const NodeTable&, const NodePairs<S>&, S scale, const Tensor3<S>& moment_bar,
                                 const Matrix<S>& d_r, Workspace&);

/// moment_dot [n_rows, 4, n_out] +=
template <class S>
void add_node_moment_tangent(const NodeTable&, const NodePairs<S>&, S scale, const Tensor3<S>& moment_dot,
                             Workspace&);

/// adjoint of the nodes (one worker's) +=
template <class S>
void node_moment_backward_params(const NodeTable&, const NodePairs<S>&, S scale, const Tensor3<S>& moment_bar,
                                 const Tensor3<S>& moment_dot_bar, double* adjoint, Workspace&);

}  // namespace dpcore
