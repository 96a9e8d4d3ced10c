// SPDX-License-Identifier: LGPL-3.0-or-later
// se_e2_a (DeepPot-SE, two-body embedding with angles; Zhang et al., NeurIPS 2018).
//
//     G_j = N_ab(Rn_j0),  T = (1/nnei) sum_j Rn_j (x) G_j,  D = T^T T_<        nnei = sum(sel)
// and, where asked for, the rotation matrix Q[m][a] = T[1 + a][m] as further columns of D.
// The reference fills all sum(sel) slots, empty ones with Rn = (-davg/dstd): these `sel_b - n_b` equal rows
// are added as one product, so that numbers agree while only real neighbours are stored. Excluded pairs of
// types contribute nothing. Derivations: docs/theory/se_e2_a.md.
#pragma once

#include "descriptor/node_moment.hpp"
#include "descriptor/piece_moment.hpp"
#include "descriptor/table_moment.hpp"
#include "descriptor/two_body.hpp"
#include "env/env_matrix.hpp"

namespace dpcore {

template <class S>
class SeE2A : public TwoBody<S> {
 public:
  SeE2A(const nlohmann::json& config, int ntypes, int n_types, NetsFor = NetsFor::Neighbors);

  int dim_out() const override { return dim_axes() + (rotation_ ? 3 * n_radial() : 0); }
  std::vector<SymmetricBlock> symmetric() const override {
    if (axis_neuron_ < 2) return {};
    return {{0, axis_neuron_}};
  }
  int append_rotation() override {
    rotation_ = true;
    return n_radial();
  }
  std::unique_ptr<Descriptor::State> make_state() const override { return std::make_unique<State>(); }

  AnyMatrix forward(const Exec&, const DeviceStructure&, const Tile&, Descriptor::State&,
                    Workspace&) const override;
  void backward_inputs(const Exec&, const Tile&, const AnyMatrix& d_descriptor, Descriptor::State&,
                       Workspace&) const override;
  AnyMatrix tangent(const Exec&, const Tile&, Descriptor::State&, Workspace&) const override;
  void backward_params(const Exec&, const Tile&, const AnyMatrix& d_bar, const AnyMatrix& d_dot_bar,
                       Descriptor::State&, int slot, Workspace&) const override;

  // Functions with kernels are public: nvcc asks for it.
  /// D and, if asked for, Q of the moment, or their tangents
  void contract(const Exec&, const Tensor3<S>& a, const Tensor3<S>& b, bool tangent,
                const Matrix<S>& out) const;
  /// moment_bar (=) the adjoint of the moment in <D_bar, D>
  void contract_backward(const Exec&, const Matrix<S>& d_bar, const Tensor3<S>& moment,
                         const Tensor3<S>& moment_bar) const;

 protected:
  using TwoBody<S>::spec_;
  using TwoBody<S>::cutoff_;

 private:
  /// How the pairs of a neighbour type come by G: from the net or a table and stored, from a quintic table as
  /// it is needed, or not at all but by way of the powers of a piece table or the nodes of a training step's.
  enum class Way : char { Stored, Quintic, Pieces, Nodes };
  struct State final : Descriptor::State {
    EnvMatrix<S> env;
    Matrix<S> g, g_prime;                        // [n_pairs, n_radial], of types with Way::Stored
    TablePlaces<S> places;                       // of types with Way::Quintic
    TablePlaces<float> single_places;            // of those with a table in single precision
    std::vector<PieceGroups<S>> groups;          // [ntypes] of types with Way::Pieces
    std::vector<OutsidePairs<S>> outside_pairs;  // [ntypes] of types with a table and pairs outside of it
    std::vector<Way> way;                        // [ntypes]
    Tensor3<S> moment, moment_dot;               // [n_rows, 4, n_radial]
  };

  int n_radial() const { return spec_.embedding.neuron.back(); }
  int dim_axes() const { return n_radial() * axis_neuron_; }
  int axis_columns() const { return folded_width(dim_axes(), symmetric()); }
  NodePairs<S> node_pairs(const State& state, int b) const {
    return {state.pairs, b, state.env.radial, state.env.value, state.env.value_dot};
  }
  S scale() const { return static_cast<S>(inverse_nnei_); }
  /// Add the moment of the pairs [first, last) of neighbour type b by a fused kernel, and of those that the
  /// table does not hold by what is outside of it; false where there is no table, or on a GPU such a pair.
  bool add_fused_moment(const Exec&, int a, int b, int first, int last, State&, Workspace&) const;
  /// The same with a piece table, on a CPU.
  bool add_moment_by_pieces(int a, int b, int first, int last, State&, Workspace&) const;
  /// The pairs outside of the table of neighbour type b by themselves, which the state keeps.
  OutsidePairs<S>& add_outside(int b, const int* pair, int n, State&, Workspace&) const;
  void backward_outside(int b, const State&, const Tensor3<S>& moment_bar, const Matrix<S>& d_value,
                        Workspace&) const;
  bool takes_pieces() const override { return kExecOnHost; }
  /// Rn of an empty slot of a centre of this type; false if it is zero and contributes nothing.
  bool padding(int type, S value[4]) const;

  int axis_neuron_;
  double inverse_nnei_;
  bool rotation_ = false;
};

}  // namespace dpcore
