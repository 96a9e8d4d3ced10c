// SPDX-License-Identifier: LGPL-3.0-or-later
// Radial functions as a fixed table of quintic polynomials: the embedding net of a compressed model.
//
// On the interval [x_j, x_j + h] G_m(s) = sum_p c_jpm t^p, t = s - x_j, p = 0..5, has value, first and second
// derivative of the net at both ends (quintic Hermite): the table is twice continuously differentiable, its
// error is at most h^6 max|G^(6)| / 46080, and G' is exactly its derivative, so that forces belong to the
// tabulated energy. Two levels of steps: `step` on [lower, upper], ten times as much on [upper, last]
// (docs/compress.md).
//
// Two forms, both with rows of `stride` numbers, n_out rounded up to 64 bytes, so that the loop over m runs
// over neighbours in memory. For a pair six rows on end are read once, and give G and G':
//   nodes         [n + 1, 3, stride] value, first and second derivative at each node, and
//                 G = sum_k w_k(t) row_k with the weights of Hermite's interpolation: half of the memory. In
//                 double on a CPU. G' has the difference of two values over h, and their rounding over h.
//   coefficients  [n, 6, stride], c_jpm. In float, for the rounding; on a GPU; of tables that came as such.
// They are made in double; t is formed in double.
//
// Outside of [lower, last] the net itself is evaluated, or the table goes on as a straight line
// (Outside::Linear, what DeePMD-kit 3 does). The ends being nodes, the first is twice and the second once
// continuously differentiable.
//
// A table that DeePMD-kit made comes as it is (StoredTable), without a net; those of se_e3 have coarse steps
// below `lower` too.
#pragma once

#include "radial/radial_net.hpp"
#include "radial/table_grid.hpp"

namespace dpcore {

/// What kernels need of a table; passed by value.
template <class S>
struct TableView {
  const S* data = nullptr;  // [n + 1, 3, stride] nodes or [n, 6, stride] coefficients
  bool nodes = false;
  int stride = 0;
  double lower = 0, upper = 0, last = 0, inverse_fine = 0, inverse_coarse = 0, fine = 0, coarse = 0;
  int n_fine = 0, n = 0;
  double first = 0;
  int n_below = 0, last_fine = 0;  // last_fine: of the rows for s < upper, counted from `lower`

  /// Whether the table holds s: false for NaN. Below `first` is room for the rounding of s at the cut-off.
  KOKKOS_FORCEINLINE_FUNCTION bool holds(const double s) const {
    return s >= first - 1e-6 * fine && s <= last;
  }

  /// The interval of an s that the table holds, and s minus its node.
  KOKKOS_FORCEINLINE_FUNCTION int interval(const double s, S& t) const {
    int j;
    double node;
    if (n_below > 0 && s < lower) {
      j = static_cast<int>((s - first) * inverse_coarse);
      j = j < n ? j : n - 1;
      node = first + j * coarse;
    } else if (s < upper) {
      j = static_cast<int>((s - lower) * inverse_fine);
      j = j < last_fine ? j : last_fine;
      node = lower + j * fine;
      j += n_below;
    } else {
      const int before = n_below + n_fine;
      j = static_cast<int>((s - upper) * inverse_coarse);
      j = j < n - before ? j : n - before - 1;
      node = j < 0 ? lower + (n_fine - 1) * fine
                   : upper + j * coarse;  // without coarse steps: the end of the last fine one
      j += before;
    }
    t = static_cast<S>(s - node);
    return j;
  }

  /// The six rows of interval j.
  KOKKOS_FORCEINLINE_FUNCTION const S* rows(const int j) const {
    return data + static_cast<std::ptrdiff_t>(j) * (nodes ? 3 : 6) * stride;
  }
  /// Its length; of tables with nodes, which have no steps below `lower`.
  KOKKOS_FORCEINLINE_FUNCTION double step(const int j) const { return j < n_fine ? fine : coarse; }

  /// G_m on interval j at t, and its derivative; of coefficients.
  KOKKOS_FORCEINLINE_FUNCTION S value(const int j, const S t, const int m, S& slope) const {
    const S* a = rows(j) + m;
    S g = a[5 * stride], h = S(0);
    for (int p = 4; p >= 0; --p) {
      h = g + t * h;
      g = a[p * stride] + t * g;
    }
    slope = h;
    return g;
  }
};

/// What value v, first and second derivative d and c at t = 0 and t = h weigh in a polynomial or its slope.
template <class S>
struct HermiteWeights {
  S v0, d0, c0, v1, d1, c1;
};

/// In G(t); h > 0.
template <class S>
KOKKOS_FORCEINLINE_FUNCTION HermiteWeights<S> hermite_weights(const S h, const S t) {
  const S u = t / h, u2 = u * u, u3 = u2 * u, half = S(0.5) * t * t;
  HermiteWeights<S> w;
  w.v1 = u3 * (S(10) + u * (S(6) * u - S(15)));
  w.v0 = S(1) - w.v1;
  w.d0 = t * (S(1) + u2 * (u * (S(8) - S(3) * u) - S(6)));
  w.d1 = h * u3 * (u * (S(7) - S(3) * u) - S(4));
  w.c0 = half * (S(1) + u * (u * (S(3) - u) - S(3)));
  w.c1 = half * u * (S(1) + u * (u - S(2)));
  return w;
}

/// In G'(t). v1 is the weight of the difference of the values, v0 = 0.
template <class S>
KOKKOS_FORCEINLINE_FUNCTION HermiteWeights<S> hermite_slope_weights(const S h, const S t) {
  const S u = t / h, u2 = u * u, half = S(0.5) * t;
  HermiteWeights<S> w;
  w.v0 = S(0);
  w.v1 = S(30) / h * u2 * (S(1) + u * (u - S(2)));
  w.d0 = S(1) + u2 * (u * (S(32) - S(15) * u) - S(18));
  w.d1 = u2 * (u * (S(28) - S(15) * u) - S(12));
  w.c0 = half * (S(2) + u * (u * (S(12) - S(5) * u) - S(9)));
  w.c1 = half * u * (S(3) + u * (S(5) * u - S(8)));
  return w;
}

template <class S>
class QuinticTable final : public Radial<S> {
 public:
  /// The form of tables made of a net.
  static constexpr bool kNodes = kExecOnHost && sizeof(S) == 8;

  /// `nodes` is evaluated at the nodes, `net`, the same net in S, outside; `net` has to outlive the table.
  QuinticTable(const RadialNet<double>& nodes, const RadialNet<S>& net, const TableGrid&, Outside,
               Workspace&);
  /// Without a net: the table goes on as a straight line.
  QuinticTable(const StoredTable&, int n_out);

  int n_out() const override { return n_out_; }
  void forward(const Exec& exec, const Vector<S>& s, const Matrix<S>& g, const Matrix<S>& g_prime,
               Workspace& ws) const override {
    evaluate(exec, s, g, g_prime, ws);
  }
  /// forward; returns how many s were outside.
  int evaluate(const Exec&, const Vector<S>& s, const Matrix<S>& g, const Matrix<S>& g_prime,
               Workspace&) const;
  /// Throws Error: a fixed table has no parameters.
  void backward_params(const Exec&, const Vector<S>&, const Matrix<S>&, const Matrix<S>&, int,
                       Workspace&) const override;

  /// Largest errors of G and G' at some places between nodes, relative to the largest value there. The places
  /// are where the error of G' is largest: at (1 - 1/sqrt 5)/2 of an interval. (Half-way it vanishes.)
  double error(Workspace&) const;

  /// The table as a model file has it.
  StoredTable stored() const;

  const TableGrid& grid() const { return grid_; }
  const TableView<S>& view() const { return view_; }
  std::size_t bytes() const { return data_.extent(0) * sizeof(S); }
  static std::size_t bytes_of(const TableGrid& grid, int n_out) {
    return rows_of(grid, kNodes) * static_cast<std::size_t>(stride_of(n_out)) * sizeof(S);
  }

  /// Columns of a row: whole cache lines.
  static int stride_of(int n_out) {
    constexpr int line = 64 / static_cast<int>(sizeof(S));
    return (n_out + line - 1) / line * line;
  }

 private:
  static std::size_t rows_of(const TableGrid& grid, bool nodes) {
    const auto n = static_cast<std::size_t>(grid.n());
    return nodes ? 3 * (n + 1) : 6 * n;
  }
  /// Room for the rows, and the view.
  void allocate(int last_fine, bool nodes);

  const RadialNet<S>* net_ = nullptr;
  int n_out_;
  TableGrid grid_;
  Outside outside_;
  DeviceArray<S> data_;
  TableView<S> view_;
};

/// The coefficients of a table in single precision, with 16 columns in a 64-byte line.
class SingleTable {
 public:
  explicit SingleTable(const QuinticTable<double>&);
  const TableView<float>& view() const { return view_; }

 private:
  DeviceArray<float> coefficient_;
  TableView<float> view_;
};

}  // namespace dpcore
