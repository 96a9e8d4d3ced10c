// SPDX-License-Identifier: LGPL-3.0-or-later
// The moment of se_e2_a and its backward pass straight from a quintic table: G and G' of a pair live in
// registers, are never stored, and are formed again in the backward pass. For pairs whose s the table holds:
// others (row -1) add nothing, and their dE/dR is left alone. On a GPU the table has to hold all.
//
//     T[i][c][m]  += scale sum_j R_jc G_m(s_j)
//     dE/dR_jc     = scale sum_m T_bar[c][m] G_m        and for c = 0 in addition
//                    scale sum_m (sum_c T_bar[c][m] R_jc) G'_m,   R_j0 being s_j
// A table may be of lower precision C than S, that of environment matrix and moment: G, G' and sums over m,
// or over few pairs, are then in C, longer sums in S.
#pragma once

#include "env/pairs.hpp"
#include "radial/quintic_table.hpp"

namespace dpcore {

/// Where the pairs of one neighbour type are in their table.
template <class C>
struct TablePlaces {
  Vector<int> row;  // [n_pairs] interval, -1: outside
  Vector<C> t;      // [n_pairs] s minus the node
};

/// The places of pairs [first, last) with inputs s [n_pairs]; returns how many are outside.
template <class S, class C>
int find_places(const Exec&, const TableView<C>&, const Vector<S>& s, int first, int last,
                const TablePlaces<C>&, Workspace&);

/// moment [n_rows, 4, n_out] += of the pairs with type `neighbor_type`; r [n_pairs, 4]
template <class S, class C>
void add_table_moment(const Exec&, const TilePairs&, int neighbor_type, const TableView<C>&,
                      const TablePlaces<C>&, const Matrix<S>& r, S scale, const Tensor3<S>& moment,
                      Workspace&);

/// d_r [n_pairs, 4] of the pairs with type `neighbor_type` from moment_bar [n_rows, 4, n_out]
template <class S, class C>
void table_moment_backward_inputs(const Exec&, const TilePairs&, int neighbor_type, const TableView<C>&,
                                  const TablePlaces<C>&, const Tensor3<S>& moment_bar, const Matrix<S>& r,
                                  S scale, const Matrix<S>& d_r, Workspace&);

}  // namespace dpcore
