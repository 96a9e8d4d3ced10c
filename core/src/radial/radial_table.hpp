// SPDX-License-Identifier: LGPL-3.0-or-later
// Radial functions interpolated between nodes at which the embedding net was evaluated: the net's cost no
// longer grows with the number of pairs. Used in training, where the nodes are evaluated anew in every step.
//
// Nodes, weights and sums are double whatever S is: the derivative of an interpolation amplifies the rounding
// of its nodes by 1/h.
//
// Between nodes a distance h apart G(s) = sum_k w_k(t) f_{j+k}, k = -3..4, t in [0, 1): the central
// polynomial of degree 7 through eight node values, and G'(s) = sum_k w_k'(t) f_{j+k} / h its derivative, so
// that energy and force stay exactly consistent. Interpolation is linear in the node values: the parameter
// pass adds adjoints to the nodes, and one backward pass of the net over the nodes turns them into gradients.
// The error is about 43 (h / rho)^8, rho the distance of the net's nearest complex pole
// (docs/theory/radial-table.md); `error` measures it.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "radial/radial_net.hpp"

namespace dpcore {

/// The nodes as kernels of the host take them (descriptor/node_moment.hpp).
struct NodeTable {
  static constexpr int kPoints = 8, kBelow = 3;  // nodes -3..4 around the interval [0, 1)
  static constexpr int kBlock = 8;               // nodes side by side in `block`
  const double* value;                           // [n_nodes, stride], zeros behind n_out
  const double* block;                           // [n_nodes / kBlock, n_out, kBlock], the same numbers
  int n_nodes, n_out, stride;
  double lower, inverse_step;
  int n_intervals;
};

template <class S>
class RadialTable final : public Radial<S> {
 public:
  explicit RadialTable(const RadialNet<double>& net) : net_(&net) {}

  /// Distances of nodes to try, in units of the normalised s: each is the one before over sqrt(2).
  static constexpr std::array<double, 9> kSteps = {0.04,  0.028, 0.02,   0.014, 0.01,
                                                   0.007, 0.005, 0.0035, 0.0025};
  static constexpr double kTolerance = 1e-9;  ///< above this a table must not be used
  /// Nodes for s in [lower, upper]; a double, since a range may be too long for any table.
  static double n_nodes(double lower, double upper, double step) {
    return std::floor((upper - lower) / step) + 10;
  }

  /// How many of kSteps finer a table should be that had this error: half the step divides the error of the
  /// slope by 128. Differences of coarse nodes do not tell how much is needed at most: the finest gets a
  /// chance.
  static int finer(double error) {
    constexpr int most = static_cast<int>(kSteps.size()) - 1;
    if (!(error < 1e6)) return most + 1;
    return std::clamp(static_cast<int>(std::ceil(std::log2(error / kTolerance) / 3.5)), 1, most);
  }

  /// Room for s in [lower, upper]. Not from inside run_workers: Kokkos waits for all loops when it frees
  /// memory.
  /// whole: no s will be outside of it; otherwise forward and backward_params take the net itself for those
  /// that are.
  void reserve(double lower, double upper, double step, int n_workers, bool whole = true);
  /// Evaluate the net at the nodes of one of n_workers parts of the reserved range, and clear the adjoints of
  /// worker `part`.
  void refresh(const Exec&, int part, Workspace&);
  /// The largest error of G and G' relative to their largest values: as the eighth differences of the nodes
  /// tell it everywhere, and measured against the net at some places between nodes.
  double error(const Exec&, Workspace&) const;

  int n_out() const override { return net_->n_out(); }
  void forward(const Exec&, const Vector<S>& s, const Matrix<S>& g, const Matrix<S>& g_prime,
               Workspace&) const override;
  /// Adds to the node adjoints of worker `slot`.
  void backward_params(const Exec&, const Vector<S>& s, const Matrix<S>& g_bar, const Matrix<S>& g_prime_bar,
                       int slot, Workspace&) const override;
  /// The same for T other than S. Public for nvcc: device lambdas may not stand in private members.
  template <class T>
  void interpolate(const Exec&, const Vector<T>& s, const Matrix<T>& g, const Matrix<T>& g_prime) const;
  NodeTable nodes() const;
  double* adjoint(int slot) const {
    return adjoint_.data() + static_cast<std::ptrdiff_t>(slot) * n_nodes_ * stride_;
  }
  /// The adjoints of the nodes of one of n_workers parts, summed over the workers, into the net's gradients
  /// of slot `part`.
  void flush_gradients(const Exec&, int part, Workspace&) const;

  /// The same at probes half-way between nodes, with the net. (Public: nvcc takes no kernel in private
  /// functions.)
  double probed_error(const Exec&, Workspace&) const;

  // Types and functions of kernels are public: nvcc asks for it.
  struct Grid {
    double lower = 0, inverse_step = 1;
    int n_intervals = 0;

    /// Whether s is between the nodes, with room for rounding at the ends; false for NaN.
    KOKKOS_FORCEINLINE_FUNCTION bool holds(const double s) const {
      const double u = (s - lower) * inverse_step;
      return u >= -1e-6 && u <= n_intervals + 1e-6;
    }
  };
  /// The s [n] that the table does not hold.
  struct Strays {
    Vector<int> where;  // their places
    Vector<double> s;
    int n = 0;
  };
  Strays find_strays(const Exec&, const Vector<S>& s, Workspace&) const;

 private:
  /// First node of a part.
  int part_begin(int part) const {
    return static_cast<int>(static_cast<std::int64_t>(n_blocks()) * part / n_workers_) * NodeTable::kBlock;
  }
  int n_blocks() const { return (n_nodes_ + NodeTable::kBlock - 1) / NodeTable::kBlock; }

  const RadialNet<double>* net_;
  Grid grid_;
  int n_nodes_ = 0, n_workers_ = 0, stride_ = 0;
  bool whole_ = true;
  DeviceArray<double> position_;  // [n_nodes] s
  DeviceArray<double> value_;     // [n_nodes, stride]
  DeviceArray<double> block_;     // NodeTable::block, on the host
  DeviceArray<double> adjoint_;   // [n_workers, n_nodes, stride]
};

}  // namespace dpcore
