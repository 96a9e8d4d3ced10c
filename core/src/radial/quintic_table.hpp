// SPDX-License-Identifier: LGPL-3.0-or-later
// Radial functions as a fixed table of quintic polynomials: the embedding net of a compressed model.
//
// On the interval [x_j, x_j + h] G_m(s) = sum_p c_jpm t^p, t = s - x_j, p = 0..5, has value, first and second
// derivative of the net at both ends (quintic Hermite): the table is twice continuously differentiable, its
// error is at most h^6 max|G^(6)| / 46080, and G' is exactly its derivative, so that forces belong to the
// tabulated energy. Two levels of steps: `step` on [lower, upper], ten times as much on [upper, last]
// (docs/compress.md).
//
// The coefficients are made in double and kept in S, a row [6, stride] for each interval with stride = n_out
// rounded up to 64 bytes: 6 * stride * sizeof(S) bytes, read once for G and G' of a pair; the loop over m
// runs over neighbours in memory. t is formed in double.
//
// Outside of [lower, last] the net itself is evaluated, or the table goes on as a straight line
// (Outside::Linear, what DeePMD-kit 3 does). The ends being nodes, the first is twice and the second once
// continuously differentiable.
//
// A table that DeePMD-kit made comes as it is (StoredTable), without a net; those of se_e3 have coarse steps
// below `lower` too.
#pragma once

#include <string>

#include "base/json_config.hpp"
#include "radial/radial_net.hpp"
#include "radial/stored_table.hpp"

namespace dpcore {

enum class Outside { Net, Linear };

/// The section "compress" of a descriptor.
struct TableSpec {
  double min_nbor_dist = 0;  // A, the shortest distance of the training data: the end of the fine steps
  double step = 0.01;        // of the net's input
  double extrapolate = 5;    // the coarse steps reach to this times the upper end of the fine ones
  Outside outside = Outside::Net;
  bool stored = false;  // there are no nets: the model file has the tables, and only `outside` counts, Linear
  static TableSpec from_json(const nlohmann::json& section, const std::string& path);
};

struct TableGrid {
  double lower = 0, upper = 0, last = 0;  // fine from lower to upper, coarse from upper to last
  double fine = 0, coarse = 0;            // the steps that divide them evenly, not larger than asked for
  int n_fine = 0, n_coarse = 0;           // intervals
  double first = 0;                       // where the table begins: `lower`,
  int n_below = 0;                        // or so many coarse intervals below it
  int n() const { return n_below + n_fine + n_coarse; }
  /// For inputs from `smallest` to `largest`, rounded outwards to integers as the reference does.
  static TableGrid make(const TableSpec&, double smallest, double largest);
  /// Of a stored table with n_out columns; throws Error where its numbers do not fit together.
  static TableGrid of(const StoredTable&, int n_out);
};

/// What kernels need of a table; passed by value.
template <class S>
struct TableView {
  const S* coefficient = nullptr;  // [n, 6, stride]
  int stride = 0;
  double lower = 0, upper = 0, last = 0, inverse_fine = 0, inverse_coarse = 0, fine = 0, coarse = 0;
  int n_fine = 0, n = 0;
  double first = 0;
  int n_below = 0, last_fine = 0;  // last_fine: of the rows for s < upper, counted from `lower`

  /// Whether the table holds s: false for NaN. Below `first` is room for the rounding of s at the cut-off.
  KOKKOS_FORCEINLINE_FUNCTION bool holds(const double s) const {
    return s >= first - 1e-6 * fine && s <= last;
  }

  /// The row of coefficients for an s that the table holds, and s minus its node.
  KOKKOS_FORCEINLINE_FUNCTION const S* row(const double s, S& t) const {
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
    return coefficient + static_cast<std::ptrdiff_t>(j) * 6 * stride;
  }

  /// G_m on interval j at t, and its derivative.
  KOKKOS_FORCEINLINE_FUNCTION S value(const int j, const S t, const int m, S& slope) const {
    const S* a = coefficient + static_cast<std::ptrdiff_t>(j) * 6 * stride + m;
    S g = a[5 * stride], h = S(0);
    for (int p = 4; p >= 0; --p) {
      h = g + t * h;
      g = a[p * stride] + t * g;
    }
    slope = h;
    return g;
  }
};

template <class S>
class QuinticTable final : public Radial<S> {
 public:
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
  std::size_t bytes() const { return coefficient_.extent(0) * sizeof(S); }
  static std::size_t bytes_of(const TableGrid& grid, int n_out) {
    return static_cast<std::size_t>(grid.n()) * 6 * static_cast<std::size_t>(stride_of(n_out)) * sizeof(S);
  }

  /// Columns of a row: whole cache lines.
  static int stride_of(int n_out) {
    constexpr int line = 64 / static_cast<int>(sizeof(S));
    return (n_out + line - 1) / line * line;
  }

 private:
  /// Room for the coefficients, and the view.
  void allocate(int last_fine);

  const RadialNet<S>* net_ = nullptr;
  int n_out_;
  TableGrid grid_;
  Outside outside_;
  DeviceArray<S> coefficient_;
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
