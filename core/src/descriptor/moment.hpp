// SPDX-License-Identifier: LGPL-3.0-or-later
// The two contractions of two-body descriptors of the DeepPot-SE kind (Zhang et al., NeurIPS 2018, eq. 8):
//
//     moment      T_i[c][m] = scale sum_j R_j[c] G_j[m]            over the pairs j of centre i, c = 0..3
//     descriptor  D_i[m][l] = sum_c T_i[c][m] T_i[c][l]            m < n_radial, l < n_axis
// D's first n_axis rows are a symmetric matrix, which stands folded in rows of numbers
// (nn/symmetric_blocks.hpp). Both are bilinear: tangents and adjoints are the same loops with other
// arguments.
#pragma once

#include "env/env_matrix.hpp"

namespace dpcore {

/// T[n, 4, m] = or += scale * sum over the pairs [first, last) of one neighbour type of R (x) G; G's rows
/// start at the segment's first pair.
template <class S>
void add_moment(const Exec&, const TilePairs&, int neighbor_type, const Matrix<S>& r, const Matrix<S>& g,
                S scale, const Tensor3<S>& moment);

/// d_r[c] (=) scale sum_m T_bar[c][m] G[m], plus in component 0 scale sum_m (sum_c T_bar[c][m] R[c]) G'[m]
template <class S>
void moment_backward_inputs(const Exec&, const TilePairs&, int neighbor_type, const Tensor3<S>& moment_bar,
                            const Matrix<S>& r, const Matrix<S>& g, const Matrix<S>& g_prime, S scale,
                            const Matrix<S>& d_r);

/// Adjoints of G and G' of the pairs [first, last) for <T_bar, T> + <T_dot_bar, T_dot>, where
/// T_dot = scale sum (R_dot G + R G' s_dot), s_dot = R_dot[0]; rows of g_bar and g_prime_bar start at `first`
template <class S>
void moment_backward_params(const Exec&, const TilePairs&, int first, int last, const Tensor3<S>& moment_bar,
                            const Tensor3<S>& moment_dot_bar, const Matrix<S>& r, const Matrix<S>& r_dot,
                            S scale, const Matrix<S>& g_bar, const Matrix<S>& g_prime_bar);

/// D[n, folded m * n_axis] (=) sum_c (A[c][m] B[c][l] + B'...): with b = a the descriptor, else the
/// symmetrised product A^T B_< + B^T A_<, which is the tangent of D when b is the tangent of a.
template <class S>
void contract_axes(const Exec&, const Tensor3<S>& a, const Tensor3<S>& b, bool symmetrise, int n_axis,
                   const Matrix<S>& descriptor);

/// T_bar[n, 4, m] (= or +=) adjoint of T in <D_bar, T^T T_<>: sum_l D_bar[m][l] T[c][l] + [m < n_axis] sum_k
/// D_bar[k][m] T[c][k], where D_bar above the diagonal is zero, as its columns are the sums of both
template <class S>
void contract_axes_backward(const Exec&, const Matrix<S>& d_bar, const Tensor3<S>& moment, int n_axis,
                            bool add, const Tensor3<S>& moment_bar);

}  // namespace dpcore
