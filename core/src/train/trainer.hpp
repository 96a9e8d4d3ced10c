// SPDX-License-Identifier: LGPL-3.0-or-later
// One training step with hand-written derivatives.
//
// With x_dot = -dL/dF as a displacement of the atoms and eps_dot = -dL/dV as a strain, the gradient of the
// loss is that of
//     Phi = sum_i ( (dL/dE + dL/dE_i) E_i + E_dot_i ),
// E_dot the directional derivative: force and virial terms need no second derivatives beyond one tangent pass
// (docs/theory/training.md; Pearlmutter 1994). Steps:
//     1. tiles: forward and plain backward; energies, forces, virials; the fitting's layers are kept
//     2. loss and its derivatives with respect to the outputs
//     3. tiles: tangents, adjoints of Phi; the embedding nets' gradients per worker. The descriptor's state
//     of 1
//        is kept as far as memory is set aside for that; for other tiles its forward pass runs again. Tiles
//        whose states are kept meet in groups, as the fitting's matrix products like more rows than a tile
//        has
//     4. weight gradients of the fitting nets, split over workers by rows of the weight matrices
//     5. Adam; on what a worker made in 4 at once, while it is in cache
// A loss without derivatives (tensors) leaves out the backward pass of 1 and the tangents of 3.
#pragma once

#include "loss/loss.hpp"
#include "model/evaluate.hpp"

namespace dpcore {

class TrainStep {
 public:
  /// One at a time for a model; throws Error.
  TrainStep(Potential&, const nlohmann::json& loss_config);
  ~TrainStep();
  TrainStep(const TrainStep&) = delete;
  TrainStep& operator=(const TrainStep&) = delete;

  /// Gradients of the loss and Adam with learning rate lr; returns the loss terms before the step. Throws
  /// Error where the loss is not finite, with the weights as they were.
  std::map<std::string, double> step(const Structure& structure, const FittingParams& params,
                                     const Labels& labels, float lr, float start_lr) {
    return run(structure, params, labels, lr, start_lr, true);
  }
  /// Gradients of the loss into the stores alone.
  std::map<std::string, double> gradients(const Structure& structure, const FittingParams& params,
                                          const Labels& labels, float lr, float start_lr) {
    return run(structure, params, labels, lr, start_lr, false);
  }
  /// Loss terms only.
  std::map<std::string, double> losses(const Structure&, const FittingParams&, const Labels&, float lr,
                                       float start_lr);

  const Evaluation& evaluation() const { return evaluation_; }
  /// beta powers of Adam (float32 in the reference) and the number of steps taken
  float beta1_power = 0.9F, beta2_power = 0.999F;
  long steps = 0;

 private:
  std::map<std::string, double> run(const Structure&, const FittingParams&, const Labels&, float lr,
                                    float start_lr, bool update);
  /// Tiles of one type that the fitting takes as one.
  struct Group {
    Tile all;
    std::vector<int> tiles;
    bool kept = false;  // the states of their descriptors
    AnyMatrix d_bar;    // dE/dD
    /// Those of a tile
    AnyMatrix rows_of(const AnyMatrix& m, const Tile& t) const {
      return rows(m, t.begin - all.begin, t.end - all.begin);
    }
  };
  /// What a worker does.
  struct Share {
    std::vector<int> tiles;
    std::vector<Group> groups;
  };
  void share_tiles(const TilePlan&);
  Group next_group(int worker, const TilePlan&, std::size_t k);
  AnyMatrix descriptor_rows(const Group&, bool dot, Workspace&) const;
  Descriptor::State& state_of(const Group& g, int tile, const Worker& w) {
    std::unique_ptr<Descriptor::State>& mine = tiles_[static_cast<std::size_t>(tile)];
    if (g.kept && !mine) mine = potential_.descriptor().make_state();
    return g.kept ? *mine : *w.descriptor;
  }
  /// Steps 1 and 3 of one worker.
  void forward(int worker, const TilePlan&, const FittingParams&);
  void backward(int worker, const TilePlan&, const Group&);
  void backward(const Structure&, const TilePlan&, const LossGradient&);
  /// Weight gradients of the fitting nets; with alpha > 0 and Adam of step size alpha.
  void fitting_gradients(const TilePlan&, double alpha);
  /// Adam on a whole store, every worker on its share.
  void update(ParameterBlock&, double alpha);
  Outputs outputs() const {
    return {evaluation_.energy, evaluation_.force, evaluation_.virial, evaluation_.atom_energy};
  }

  Potential& potential_;
  std::unique_ptr<Loss> loss_;
  WorkerTeam team_;
  Evaluation evaluation_;
  std::vector<std::unique_ptr<Fitting::State>> fitting_;   // one per type
  std::vector<Fitting::State*> present_;                   // of the types that have atoms in this step
  std::vector<std::unique_ptr<Descriptor::State>> tiles_;  // kept ones
  std::vector<Workspace> kept_;                            // of the workers, for these
  std::vector<Share> shares_;                              // of the workers
  DeviceArray<double> x_dot_, strain_dot_, energy_bar_;
};

}  // namespace dpcore
