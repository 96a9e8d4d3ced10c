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
// (docs/theory/radial-table.md); `check` measures it, piece by piece of the range, and h is chosen for each
// piece (node_grid.hpp).
#pragma once

#include <cstdint>
#include <vector>

#include "radial/node_grid.hpp"
#include "radial/radial_net.hpp"

namespace dpcore {

/// The nodes as kernels of the host take them (descriptor/node_moment.hpp).
struct NodeTable {
  static constexpr int kPoints = NodeRun::kPoints, kBelow = NodeRun::kBelow;
  static constexpr int kBlock = 8;  // nodes side by side in `block`
  const double* value;              // [n_nodes, stride], zeros behind n_out
  const double* block;              // [n_nodes / kBlock, n_out, kBlock], the same numbers
  int n_nodes, n_out, stride;
  NodeRuns runs;
};

template <class S>
class RadialTable final : public Radial<S> {
 public:
  explicit RadialTable(const RadialNet<double>& net) : net_(&net) {}

  /// Above this error a table must not be used: what double nets of other sums would not notice, and what
  /// float32 nets do not.
  static constexpr double kTolerance = sizeof(S) == 8 ? 1e-9 : 1e-7;
  /// Of the first trial: nodes 0.056 apart, for float32 0.112.
  static constexpr int kFirstLevel = sizeof(S) == 8 ? 3 : 1;
  /// NodeGrid::least_nodes of the first trial.
  static double least_nodes(double lower, double upper) {
    return NodeGrid::least_nodes(lower, upper, kFirstLevel);
  }

  /// Nodes of a first trial for s in [lower, upper].
  /// whole: no s will be outside of it; otherwise forward and backward_params take the net itself for those
  /// that are.
  void begin(double lower, double upper, bool whole = true);
  int n_nodes() const { return grid_.n_nodes(); }
  /// Room for the nodes. Not from inside run_workers: Kokkos waits for all loops when it frees memory.
  void reserve(int n_workers);
  /// Evaluate the net at the nodes of one of n_workers parts of the reserved range, and clear the adjoints of
  /// worker `part`.
  void refresh(const Exec&, int part, Workspace&);
  enum class Check {
    Good,
    Finer,  // now there are more nodes: reserve and refresh again
    Never,  // the net is too steep, or its values are no numbers
  };
  /// Hold the error of G and G' in each piece, relative to their largest values in all, against kTolerance:
  /// as the eighth differences of the nodes tell it everywhere, and measured against the net between nodes.
  Check check(const Exec&, Workspace&);

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

  // Types and functions of kernels are public: nvcc asks for it.
  /// Errors of the pieces as differences tell them; empty where values are no numbers.
  std::vector<double> estimated_errors(const Exec&, Workspace&) const;
  /// Raise `error` to what it is half-way between nodes at some places of each piece.
  void probe_errors(const Exec&, std::vector<double>& error, Workspace&) const;
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
  NodeGrid grid_;
  NodeRuns runs_;
  int n_nodes_ = 0, n_workers_ = 0, stride_ = 0;
  bool whole_ = true;
  DeviceArray<NodeRun> run_;
  DeviceArray<int> at_;           // NodeRuns::at
  DeviceArray<double> position_;  // [n_nodes] s
  DeviceArray<double> value_;     // [n_nodes, stride]
  DeviceArray<double> block_;     // NodeTable::block, on the host
  DeviceArray<double> adjoint_;   // [n_workers, n_nodes, stride]
};

}  // namespace dpcore
