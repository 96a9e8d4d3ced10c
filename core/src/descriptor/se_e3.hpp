// SPDX-License-Identifier: LGPL-3.0-or-later
// se_e3: an embedding of the angles between two neighbours.
//
//     theta_jk = q_j . q_k                              q_j = (Rn_j1, Rn_j2, Rn_j3)
//     D = sum_{a <= b} 1/(sel_a sel_b) sum_{j of a} sum_{k of b} theta_jk N_ab(theta_jk)
// over ordered pairs of neighbours, j = k included where a = b; the nets belong to pairs of neighbour types
// and do not know the centre's. Both orders of two neighbours of one type give the same term: one is computed
// and counts twice. An empty slot has q = 0 and adds nothing: davg of x, y, z has to be 0. Derivations:
// docs/theory/se_e3.md.
//
// The numbers theta of a tile are many (half the square of the number of neighbours for each centre): they
// are made, with N and N', in chunks that stay in a core's cache, in each pass anew. A line is the terms of
// one neighbour j, which stand together.
#pragma once

#include "descriptor/two_body.hpp"

namespace dpcore {

template <class S>
class SeE3 final : public TwoBody<S> {
 public:
  SeE3(const nlohmann::json& config, int ntypes);

  int dim_out() const override { return spec_.embedding.neuron.back(); }
  std::unique_ptr<Descriptor::State> make_state() const override { return std::make_unique<State>(); }
  /// Throws Error where the mean of x, y or z is not 0.
  void set_statistics(const std::vector<double>& davg, const std::vector<double>& dstd) override;

  AnyMatrix forward(const Exec&, const DeviceStructure&, const Tile&, Descriptor::State&,
                    Workspace&) const override;
  void backward_inputs(const Exec&, const Tile&, const AnyMatrix& d_descriptor, Descriptor::State&,
                       Workspace&) const override;
  AnyMatrix tangent(const Exec&, const Tile&, Descriptor::State&, Workspace&) const override;
  void backward_params(const Exec&, const Tile&, const AnyMatrix& d_bar, const AnyMatrix& d_dot_bar,
                       Descriptor::State&, int slot, Workspace&) const override;

 protected:
  using typename TwoBody<S>::TableUse;
  std::vector<TableUse> table_uses(const PairRanges&, const TilePlan&) const override;
  std::vector<std::optional<TableGrid>> table_grids(const TableSpec&) const override;

 private:
  struct State final : Descriptor::State {
    EnvMatrix<S> env;
    std::vector<int> offset;  // pairs.offset on the host
    int longest = 0;          // most neighbours of one type of one centre
  };
  struct Chunk;

  using TwoBody<S>::spec_;
  using TwoBody<S>::cutoff_;

  /// f(chunk) for all terms of a tile, in chunks.
  template <class F>
  void for_chunks(const Exec&, const State&, Workspace&, const F& f) const;
  /// Pairs so near that the tables do not reach their own term, for the message of a compressed model.
  void count_outside(const Exec&, State&) const;
  /// |q| of a pair at distance r of a centre of type a
  double largest_q(int a, double r) const;
};

}  // namespace dpcore
