// SPDX-License-Identifier: LGPL-3.0-or-later
// The last layer of the embedding nets of se_a_tpe: linear, with weights that are means over channels, to
// which the types give their parts.
//
//     G_m = 1/K sum_c q_c A_mc,   A_mc = sum_k x_k W_kmc + b_mc            x [M]: what the net gives for s
// q are numbers of the pair of types: the C channels of the neighbour's type, K = C, or the products of those
// of the centre's and the neighbour's, K = C^2, c = (centre's, neighbour's). The channels of type t are the
// output of a net for the number t/ntypes. For a pair of types G is the layer x M + v with
//     M_km = 1/K sum_c W_kmc q_c,   v_m = 1/K sum_c b_mc q_c
// M and v are derived parts of the store; their gradients, which the nets leave there, are those of W, b and
// the net of the types by the chain rule. With atomic parameters, further inputs of that net, this is the
// layer of an atom whose parameters are 0, as of an empty slot; for others see atom_channels.hpp. Derivation:
// docs/theory/se_a_tpe.md.
#pragma once

#include <nlohmann/json.hpp>

#include "base/workspace.hpp"
#include "nn/embedding_layers.hpp"

namespace dpcore {

struct ChannelSpec {
  int ntypes = 0, width = 0;  // width: M outputs of the net before, and of the layer
  int n_channels = 0;         // C, of a type
  int n_layers = 0;           // hidden layers of the net of the types
  int n_aparam = 0;           // atomic parameters of the neighbour; only with one side
  bool one_side = false;
  Activation activation = Activation::Tanh;
  bool trainable = true;

  /// `config` is the normalised model/descriptor section. Throws Error naming the key that is wrong.
  static ChannelSpec from_json(const nlohmann::json& config, int ntypes, const EmbeddingSpec&, bool one_side);
  int n_pairs() const { return one_side ? ntypes : ntypes * ntypes; }
  int n_products() const { return one_side ? n_channels : n_channels * n_channels; }  // K
};

template <class S>
class TypeChannels {
 public:
  /// Registers amplify/layer_0/{matrix,bias}, W [M, M K] and b [M K] with k, m, c from the slowest index to
  /// the fastest, the net of the types as types/layer_l/{matrix,bias}, and the derived parts.
  TypeChannels(ParameterStore<S>& store, const ChannelSpec&);

  /// The layer of a pair of types: of neighbour type `pair`, or of centre and neighbour a * ntypes + b.
  LayerSpec layer(std::size_t pair) const;
  /// The layer of all A at once, [M, M K] with m K + c as one index.
  LayerSpec amplify() const;
  /// The net of the types, of [t, aparam]/ntypes.
  const DenseStack<S>& net() const { return net_; }
  const ChannelSpec& spec() const { return spec_; }
  /// M and v (=) of all pairs, after each change of the parameters.
  void refresh();
  /// Gradients of the parameters (+=, slot 0) from those of M and v of all slots, which are summed into slot
  /// 0.
  void backward();

 private:
  /// q/K [n_pairs, K], and the channels in `state`.
  Matrix<S> evaluate(const Exec&, StackState<S>& state, bool training);

  ParameterStore<S>* store_;
  ChannelSpec spec_;
  DenseStack<S> net_;
  std::size_t weight_, offset_;  // W, b
  std::size_t matrix_, bias_;    // M [n_pairs, M, M], v [n_pairs, M]
  Workspace ws_;
};

}  // namespace dpcore
