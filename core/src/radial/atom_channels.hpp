// SPDX-License-Identifier: LGPL-3.0-or-later
// The embedding of se_a_tpe where the channels of a neighbour depend on its atomic parameters:
//
//     G_m = 1/C sum_c q_c A_mc(s),   q = the net of the types of [t, aparam]/ntypes
// A is the embedding net with the amplifying layer, a net of one number with M C outputs; q does not depend
// on positions, so that G' = 1/C sum_c q_c A'_mc. Adjoints of A, A' and q:
//     A_bar_mc = q_c/C G_bar_m,   A'_bar_mc = q_c/C G'_bar_m,
//     q_bar_c = 1/C sum_m (G_bar_m A_mc + G'_bar_m A'_mc)
// G is no function of one number: there are no tables, and a pair costs C times the last layer. Derivation:
// docs/theory/se_a_tpe.md.
#pragma once

#include "radial/radial_net.hpp"
#include "radial/type_channels.hpp"

namespace dpcore {

/// Neighbours of one type.
struct NeighborAtoms {
  int type;
  Vector<const int> atom;       // [n]
  Vector<const double> aparam;  // [atoms, n_aparam] of all atoms
};

template <class S>
class AtomChannels {
 public:
  /// Has no parameters of its own: those are the net of `channels`, which outlives it, the amplifying layer,
  /// and the embedding net, under net/.
  AtomChannels(ParameterStore<S>& store, const TypeChannels<S>& channels, const EmbeddingSpec& spec)
      : channels_(&channels), amplified_(store, "net/", spec, {}, channels.amplify()) {}

  /// g, g_prime [n, M] at s [n]
  void forward(const Exec&, const NeighborAtoms&, const Vector<S>& s, const Matrix<S>& g,
               const Matrix<S>& g_prime, Workspace&) const;

  /// Add d/dtheta of <g_bar, G(s)> + <g_prime_bar, G'(s)> to gradient slot `slot`.
  void backward_params(const Exec&, const NeighborAtoms&, const Vector<S>& s, const Matrix<S>& g_bar,
                       const Matrix<S>& g_prime_bar, int slot, Workspace&) const;

 private:
  /// q [n, C] of the atoms [begin, end); also in `state`.
  Matrix<S> channels(const Exec&, const NeighborAtoms&, int begin, int end, bool training, StackState<S>&,
                     Workspace&) const;

  const TypeChannels<S>* channels_;
  RadialNet<S> amplified_;
};

}  // namespace dpcore
