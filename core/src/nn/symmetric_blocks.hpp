// SPDX-License-Identifier: LGPL-3.0-or-later
// Rows of numbers in which some stand for a symmetric matrix. Folded rows hold its lower triangle alone, and
// a dense layer on them needs one row of weights for two equal numbers: their sum.
#pragma once

#include <vector>

#include "base/views.hpp"

namespace dpcore {

/// The numbers [first, first + n n) of a row are a symmetric matrix, row-major.
struct SymmetricBlock {
  int first = 0, n = 0;
};

/// A stretch of rows: `n_rows` numbers from `row` on, which are `n_columns` of the folded row from `column`
/// on. With n = 0 they are the same numbers, else a symmetric n x n matrix and its elements (m, l <= m) by
/// rows.
struct FoldedPiece {
  int row = 0, n_rows = 0, column = 0, n_columns = 0, n = 0;
  int folded = 0;  // elements of triangles before this one
  /// Column of element (m, l) of the matrix
  KOKKOS_FORCEINLINE_FUNCTION int column_of(const int m, const int l) const {
    return column + (l <= m ? m * (m + 1) / 2 + l : l * (l + 1) / 2 + m);
  }
};

/// The pieces of rows of `width` numbers, in order; `blocks` are in order too and do not overlap.
inline std::vector<FoldedPiece> folded_pieces(int width, const std::vector<SymmetricBlock>& blocks) {
  std::vector<FoldedPiece> out;
  FoldedPiece next;
  const auto add = [&](int n_rows, int n_columns, int n) {
    next.n_rows = n_rows;
    next.n_columns = n_columns;
    next.n = n;
    if (n_rows > 0) out.push_back(next);
    next.row += n_rows;
    next.column += n_columns;
    if (n > 0) next.folded += n_columns;
  };
  for (const SymmetricBlock& b : blocks) {
    add(b.first - next.row, b.first - next.row, 0);
    add(b.n * b.n, b.n * (b.n + 1) / 2, b.n);
  }
  add(width - next.row, width - next.row, 0);
  return out;
}

/// Width of the folded rows.
inline int folded_width(int width, const std::vector<SymmetricBlock>& blocks) {
  for (const SymmetricBlock& b : blocks) width -= b.n * (b.n - 1) / 2;
  return width;
}

/// rows(i, k) = the number k of row i
template <class From, class To>
void unfold(const Exec& exec, const std::vector<FoldedPiece>& pieces, const Matrix<From>& folded,
            const Matrix<To>& rows) {
  for (const FoldedPiece& p : pieces) {
    for_each_element(
        exec, "dpcore::unfold", static_cast<int>(rows.extent(0)), p.n_rows,
        KOKKOS_LAMBDA(const int i, const int k) {
          rows(i, p.row + k) =
              static_cast<To>(folded(i, p.n == 0 ? p.column + k : p.column_of(k / p.n, k % p.n)));
        });
  }
}

}  // namespace dpcore
