// SPDX-License-Identifier: LGPL-3.0-or-later
// The moment of se_e2_a and its backward pass by way of the powers of a PieceTable: what table_moment.hpp
// does, with the sum over a centre's pairs in one piece before that over columns.
//
//     B_cp = scale sum_j R_jc u_j^p                     T[c][m]  += sum_p B_cp a_pm
//     P_cp = scale sum_m T_bar[c][m] a_pm               dE/dR_jc  = sum_p u_j^p P_cp, and for c = 0 in
//     addition
//                                                                   1/w sum_p p u_j^(p-1) sum_c R_jc P_cp
// One or two pairs of a centre in a piece take Horner's scheme column by column, which is less work.
// Pairs are sorted by piece and centre: the rows of a piece, 13 kB for 100 columns, are worked with while
// they are in the first-level cache. For the host.
#pragma once

#include "env/pairs.hpp"
#include "radial/piece_table.hpp"

namespace dpcore {

/// Pairs of one centre in one piece: [begin, end) of PieceGroups::pair.
struct PieceGroup {
  int piece, row, begin, end;
};

/// The pairs of one neighbour type, sorted by piece and centre.
template <class S>
struct PieceGroups {
  const int* pair = nullptr;  // index of a pair in TilePairs
  const S* u = nullptr;       // its place in the piece, beside `pair`
  const PieceGroup* group = nullptr;
  int n = 0;                     // groups
  const int* outside = nullptr;  // pairs that the table does not hold, in their order
  int n_outside = 0;
};

/// The groups of the pairs with inputs s [n_pairs].
template <class S>
void group_pairs(const PieceView<S>&, const TilePairs&, int neighbor_type, const Vector<S>& s,
                 PieceGroups<S>&, Workspace&);

/// The pairs outside as pairs of one type by themselves, for the net and the kernels of moment.hpp.
template <class S>
struct OutsidePairs {
  const int* pair = nullptr;  // [n] which they are
  TilePairs pairs;            // offset and row
  Vector<S> s;                // [n] the net's inputs
  Matrix<S> value;            // [n, 4] rows of the environment matrix
  Matrix<S> g, g_prime;       // [n, n_out] room for what the net gives
};
/// `pair` [n] are they, in their order.
template <class S>
OutsidePairs<S> outside_pairs(const int* pair, int n, const TilePairs&, const Vector<S>& s,
                              const Matrix<S>& value, int n_out, Workspace&);

/// moment [n_rows, 4, n_out] +=; r [n_pairs, 4]
template <class S>
void add_piece_moment(const PieceView<S>&, const PieceGroups<S>&, const Matrix<S>& r, S scale,
                      const Tensor3<S>& moment);

/// d_r [n_pairs, 4] of these pairs from moment_bar [n_rows, 4, n_out]. In single precision where the table
/// has a block of that.
template <class S>
void piece_moment_backward_inputs(const PieceView<S>&, const PieceGroups<S>&, const Tensor3<S>& moment_bar,
                                  const Matrix<S>& r, S scale, const Matrix<S>& d_r, Workspace&);

}  // namespace dpcore
