// SPDX-License-Identifier: LGPL-3.0-or-later
// Interface of all descriptors: D [n_rows, dim_out] of a tile of centres as a function of the vectors to
// their neighbours.
//
// The four passes of a tile share a State, which one worker reuses from tile to tile:
//     forward           state.pairs, D
//     backward_inputs   pairs.d_r = dE/dr from d_D = dE/dD
//     tangent           D_dot from pairs.r_dot
//     backward_params   gradients of <D_bar, D> + <D_dot_bar, D_dot>; after forward and tangent on the same
//     State. With
//                       an empty D_dot_bar those of <D_bar, D>, after forward alone; only where
//                       append_rotation gave a matrix
// Precision: D and its adjoints are in the descriptor's own precision; `AnyMatrix` carries them across the
// seam. Numbers of D that are equal by symmetry stand once in these matrices, whose rows are folded
// (nn/symmetric_blocks.hpp); the adjoint of such a column is the sum of theirs.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/any_matrix.hpp"
#include "dpcore/table_info.h"
#include "env/statistics.hpp"
#include "nn/initialize.hpp"
#include "nn/symmetric_blocks.hpp"
#include "radial/stored_table.hpp"

namespace dpcore {

/// Pairs for which the tables of a compressed model do not reach, and the shortest of them.
struct OutsideTable {
  std::int64_t pairs = 0;
  double nearest = 0;  // A
  void add(std::int64_t n, double distance) {
    if (n == 0) return;
    nearest = pairs == 0 ? distance : std::min(nearest, distance);
    pairs += n;
  }
};

class SingleDescriptor;

class Descriptor {
 public:
  struct State {
    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    virtual ~State() = default;
    TilePairs pairs;
    bool for_training = false;  // tangent and backward_params will follow: keep what they need
    SelOverflow overflow;       // accumulates over tiles
    OutsideTable outside;       // accumulates over tiles
    AnyMatrix out;              // rows where forward and tangent may put D, D_dot; empty: of the workspace
    std::vector<State*> parts{
        this};  // the states with pairs: of hybrid those of its list, else the state itself
  };
  struct Part {
    std::string prefix;  // of its tensors in the model file: "" or "part_0/" ...
    SingleDescriptor* descriptor;
  };

  virtual ~Descriptor() = default;
  virtual int dim_out() const = 0;
  /// The symmetric matrices in D.
  virtual std::vector<SymmetricBlock> symmetric() const { return {}; }
  /// Columns of D in the passes.
  int n_columns() const { return folded_width(dim_out(), symmetric()); }
  virtual double rcut() const = 0;  // A, the largest of the parts
  /// Numbers of each atom, ghosts included, that it takes as Structure::aparam.
  virtual int dim_aparam() const { return 0; }
  /// The descriptors with parameters and statistics: of hybrid those of its list, else the descriptor itself.
  virtual std::vector<Part> parts() = 0;

  /// Make the rotation matrix Q [n_radial, 3], row-major, the last columns of D in all passes; dim_out()
  /// counts them from then on. Returns n_radial, or 0 where the descriptor has no such matrix. Call once,
  /// before anything else.
  virtual int append_rotation() { return 0; }

  /// The table te [ntypes, n_types] of a model with type embedding, whenever it has changed; before
  /// finish_loading.
  virtual void set_types(const std::vector<double>& table) { (void)table; }
  /// The parameters have changed: make what is derived from them in their stores; before finish_loading.
  virtual void refresh_derived() {}
  /// Add the adjoint of te; after finish_step.
  virtual void add_type_gradients(std::vector<double>& te_bar) const { (void)te_bar; }

  virtual std::unique_ptr<State> make_state() const = 0;

  virtual AnyMatrix forward(const Exec&, const DeviceStructure&, const Tile&, State&, Workspace&) const = 0;
  virtual void backward_inputs(const Exec&, const Tile&, const AnyMatrix& d_descriptor, State&,
                               Workspace&) const = 0;
  virtual AnyMatrix tangent(const Exec&, const Tile&, State&, Workspace&) const = 0;
  virtual void backward_params(const Exec&, const Tile&, const AnyMatrix& d_bar, const AnyMatrix& d_dot_bar,
                               State&, int slot, Workspace&) const = 0;

  /// Around the tiles of a training step: what all tiles share, such as tables of the embedding nets.
  /// finish_step completes the gradients; end_step drops what begin_step made, also where the step failed.
  /// Call none from inside run_workers; scratch[w] is worker w's.
  virtual void begin_step(const DeviceStructure&, const TilePlan&, const std::vector<Workspace*>& scratch) {
    (void)scratch;
  }
  virtual void finish_step(const std::vector<Workspace*>& scratch) { (void)scratch; }
  virtual void end_step() noexcept {}

  /// Called when statistics and networks are set: make what follows from them, the tables of a compressed
  /// model. Not from inside run_workers.
  virtual void finish_loading() {}
  /// Before evaluations that no training step interrupts: make what serves them alone, once. Safe for
  /// concurrent calls; not from inside run_workers.
  virtual void prepare_inference() const {}
  /// The networks will change: drop what prepare_inference made.
  virtual void forget_inference() {}
  /// The tables of a compressed model; empty for others.
  virtual std::vector<TableInfo> tables() const { return {}; }

  /// Draw the network from config's seed (fresh entropy when it is null): W ~ N(0, 1/(n_in + n_out)), b ~
  /// N(0, 1), idt ~ N(1, 0.001^2).
  virtual void initialize() = 0;
};

/// What davg and dstd of a descriptor are taken of.
struct EnvSpec {
  std::vector<int> sel;
  double rcut = 0, rcut_smth = 0;  // A
  int n_components = 4;            // 4 of the environment matrix, 1: the radial one, or more
  bool davg_zero = false;          // set_davg_zero
};

/// A descriptor with one neighbour list, parameters and statistics: any but hybrid.
class SingleDescriptor : public Descriptor {
 public:
  std::vector<Part> parts() override { return {{"", this}}; }
  virtual ParameterBlock& parameters() = 0;
  virtual EnvSpec env_spec() const = 0;
  /// What davg and dstd are taken from, empty; by default the environment matrix of env_spec().
  virtual std::unique_ptr<Moments> make_moments(int ntypes) const {
    const EnvSpec spec = env_spec();
    return std::make_unique<EnvMoments>(ntypes, spec.sel, spec.rcut, spec.rcut_smth);
  }
  /// davg, dstd [ntypes, env_spec().n_components]
  virtual void set_statistics(const std::vector<double>& davg, const std::vector<double>& dstd) = 0;
  virtual const std::vector<double>& davg() const = 0;
  virtual const std::vector<double>& dstd() const = 0;

  /// The nets for which the model file has tables instead, in models that DeePMD-kit compressed; else empty.
  virtual std::vector<std::string> stored_tables() const { return {}; }
  /// Their number of columns.
  virtual int table_width() const { return 0; }
  /// Before finish_loading. Throws Error where it is no table.
  virtual void set_table(const std::string& net, const StoredTable&) { (void)net; }
  virtual StoredTable table(const std::string& net) const {
    (void)net;
    return {};
  }
};

/// `config` is the normalised model/descriptor section, n_types the width of the table of types (0: the model
/// has no type embedding). Throws Error naming the key that is missing or wrong.
std::unique_ptr<Descriptor> make_descriptor(const nlohmann::json& config, int ntypes, int n_types = 0);

}  // namespace dpcore
