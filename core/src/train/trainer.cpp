// SPDX-License-Identifier: LGPL-3.0-or-later
#include "train/trainer.hpp"

#include <algorithm>
#include <cmath>

#include "base/runtime.hpp"
#include "dpcore/errors.h"
#include "train/tangent.hpp"

namespace dpcore {

namespace {

constexpr int kLargestTile = kExecOnHost ? 32 : 1 << 14;
constexpr int kSmallestTile = 16;
constexpr std::size_t kKeptBytes = std::size_t(1) << 26;  // for descriptors' states, of all workers
constexpr std::size_t kRestPiece = 1 << 14;  // elements of a store that one worker updates at a time
constexpr int kCentresOfAdam = 40;           // as many take as long in a weight product as Adam does

/// Ends the descriptor's step on every way out.
struct StepGuard {
  Descriptor& descriptor;
  ~StepGuard() { descriptor.end_step(); }
};

/// Before the forward pass of a tile on a state of its own.
void start(Descriptor::State& state) {
  state.for_training = true;
  for (Descriptor::State* part : state.parts) {
    part->overflow = SelOverflow();
    part->outside = OutsideTable();
  }
}

/// What the tile counted, to the sums of its worker.
void add_counts(const Descriptor::State& tile, const Descriptor::State& worker) {
  for (std::size_t k = 0; k < tile.parts.size(); ++k) {
    worker.parts[k]->overflow.merge(tile.parts[k]->overflow);
    worker.parts[k]->outside.add(tile.parts[k]->outside.pairs, tile.parts[k]->outside.nearest);
  }
}

Tile whole_type(const TilePlan& plan, int type) {
  Tile t;
  t.type = type;
  t.begin = plan.type_begin[static_cast<std::size_t>(type)];
  t.end = plan.type_begin[static_cast<std::size_t>(type) + 1];
  return t;
}

}  // namespace

TrainStep::TrainStep(Potential& potential, const nlohmann::json& loss_config)
    : potential_(potential), loss_(make_loss(loss_config, potential.kind())) {
  if (potential_.in_training) {
    throw Error(
        "trainer: another trainer holds this model, and the optimiser's state is the model's; use that one "
        "or end it");
  }
  for (const auto& part : potential_.descriptor().parts()) {
    if (!part.descriptor->stored_tables().empty()) {
      throw Error(
          "trainer: the model was compressed by DeePMD-kit and has tables in place of embedding nets, which "
          "cannot be trained; take the original model");
    }
  }
  if (!potential_.descriptor().tables().empty()) {
    throw Error(
        "trainer: the model is compressed, its tables would not follow the weights; start from it with "
        "--init-frz-model");
  }
  for (const auto& named : potential_.blocks()) named.second->prepare_training(1);
  for (const auto& part : potential_.descriptor().parts())
    part.descriptor->parameters().prepare_training(n_workers());
  for (int t = 0; t < potential_.ntypes(); ++t) fitting_.push_back(potential_.fitting().make_state());
  potential_.descriptor().forget_inference();
  potential_.in_training = true;
}

TrainStep::~TrainStep() { potential_.in_training = false; }

std::map<std::string, double> TrainStep::losses(const Structure& structure, const FittingParams& params,
                                                const Labels& labels, float lr, float start_lr) {
  evaluate(potential_, structure, params, false, team_, evaluation_, loss_->needs_derivatives());
  return loss_->compute(outputs(), labels, lr, start_lr, nullptr);
}

std::map<std::string, double> TrainStep::run(const Structure& structure, const FittingParams& params,
                                             const Labels& labels, float lr, float start_lr, bool update) {
  Descriptor& descriptor = potential_.descriptor();
  const Fitting& fitting = potential_.fitting();
  const ShortRange* const table = potential_.short_range();
  const int ntypes = potential_.ntypes();
  const TilePlan plan = plan_tiles(structure, ntypes, n_workers(), kLargestTile, kSmallestTile);
  team_.prepare(potential_, structure, plan, false);
  for (auto& w : team_.workers) w->descriptor->for_training = true;
  std::vector<Workspace*> scratch;
  for (const auto& w : team_.workers) scratch.push_back(&w->scratch);
  const StepGuard guard{descriptor};
  descriptor.begin_step(team_.structure, plan, scratch);
  Workspace& shared = team_.workers.front()->kept;
  for (int t = 0; t < ntypes; ++t) {
    if (!fitting.selects(t)) continue;
    const Tile all = whole_type(plan, t);
    fitting.prepare(t, all.size(), true, *fitting_[static_cast<std::size_t>(t)], shared);
    fitting.begin(team_.workers.front()->exec, team_.structure, all, params,
                  *fitting_[static_cast<std::size_t>(t)], shared);
    if (table != nullptr) fitting_[static_cast<std::size_t>(t)]->weight = team_.weights(all);
  }
  tiles_.resize(plan.tiles.size());
  kept_.resize(team_.workers.size());
  for (Workspace& ws : kept_) ws.reset();
  run_tiles(team_, plan, [&](int index, const Tile& tile) {
    if (!fitting.selects(tile.type)) return;
    Worker& w = *team_.workers[static_cast<std::size_t>(index)];
    Workspace::Scope scope(w.scratch);
    Fitting::State& state = *fitting_[static_cast<std::size_t>(tile.type)];
    TileState& mine = tiles_[static_cast<std::size_t>(&tile - plan.tiles.data())];
    Workspace& kept = kept_[static_cast<std::size_t>(index)];
    mine.kept = kept.used() < kKeptBytes / kept_.size();
    if (mine.kept && !mine.descriptor) mine.descriptor = descriptor.make_state();
    Descriptor::State& pairs = mine.kept ? *mine.descriptor : *w.descriptor;
    if (mine.kept) start(pairs);
    const AnyMatrix d =
        descriptor.forward(w.exec, team_.structure, tile, pairs, mine.kept ? kept : w.scratch);
    if (mine.kept) add_counts(pairs, *w.descriptor);
    fitting.forward(w.exec, team_.structure, tile, d, params, tile.row, state, team_.values(tile), w.scratch);
    if (table != nullptr) {
      table->forward(w.exec, team_.structure, tile, potential_.short_range_bias(tile.type), w.short_range,
                     w.scratch);
      table->blend(w.exec, team_.values(tile), team_.weights(tile), w.short_range, w.scratch);
      table->add_forces(w.exec, team_.structure, tile, w.short_range, w.sums);
    }
    if (!loss_->needs_derivatives()) return;
    mine.d_bar = fitting.backward_inputs(w.exec, tile, 0, tile.row, state, w.kept);
    descriptor.backward_inputs(w.exec, tile, mine.d_bar, pairs, w.scratch);
    for (const Descriptor::State* part : pairs.parts) {
      add_force_virial(w.exec, team_.structure, tile, part->pairs, 0, w.sums);
    }
  });
  team_.collect(structure, plan, evaluation_);

  LossGradient gradient;
  const auto terms = loss_->compute(outputs(), labels, lr, start_lr, &gradient);
  if (update && !std::isfinite(terms.at("rmse"))) {
    throw Error("the loss is not finite; the model was left as it was before this step");
  }
  // float32 arithmetic of the reference's optimiser; see docs/theory/training.md
  const double alpha = static_cast<double>(lr) * std::sqrt(1.0 - static_cast<double>(beta2_power)) /
                       (1.0 - static_cast<double>(beta1_power));
  backward(structure, plan, gradient);
  fitting_gradients(plan, update ? alpha : 0.0);
  descriptor.finish_step(scratch);
  potential_.backward_types(present_);
  if (update) {
    for (const auto& [prefix, block] : potential_.blocks()) {
      if (block != &potential_.fitting().parameters()) this->update(*block, alpha);
    }
    potential_.refresh_derived();
    beta1_power *= 0.9F;
    beta2_power *= 0.999F;
    ++steps;
  }
  return terms;
}

void TrainStep::backward(const Structure& structure, const TilePlan& plan, const LossGradient& gradient) {
  const Descriptor& descriptor = potential_.descriptor();
  const Fitting& fitting = potential_.fitting();
  const ShortRange* const table = potential_.short_range();
  const auto parts = potential_.descriptor().parts();
  const bool derivatives = loss_->needs_derivatives();
  const auto n_out = static_cast<std::size_t>(fitting.n_out());
  std::vector<double> x_dot(gradient.force.size()), strain_dot(gradient.virial.size()),
      energy_bar(plan.centre.size() * n_out);
  for (std::size_t i = 0; i < x_dot.size(); ++i) x_dot[i] = -gradient.force[i];
  for (std::size_t i = 0; i < strain_dot.size(); ++i) strain_dot[i] = -gradient.virial[i];
  for (std::size_t k = 0; k < plan.centre.size(); ++k) {
    const auto c = static_cast<std::size_t>(plan.centre[k]);
    const auto frame = static_cast<std::size_t>(structure.frame[c]);
    for (std::size_t o = 0; o < n_out; ++o) {
      energy_bar[k * n_out + o] = gradient.energy[frame * n_out + o] + gradient.atom_energy[c * n_out + o];
    }
  }
  assign(x_dot_, x_dot);
  assign(strain_dot_, strain_dot);
  assign(energy_bar_, energy_bar);

  run_workers(team_.size(), [&](int index) {
    for (const auto& part : parts) part.descriptor->parameters().zero_gradients(index);
  });
  run_tiles(team_, plan, [&](int index, const Tile& tile) {
    if (!fitting.selects(tile.type)) return;
    Worker& w = *team_.workers[static_cast<std::size_t>(index)];
    Workspace::Scope scope(w.scratch);
    Workspace& ws = w.scratch;
    Fitting::State& state = *fitting_[static_cast<std::size_t>(tile.type)];
    const TileState& mine = tiles_[static_cast<std::size_t>(&tile - plan.tiles.data())];
    Descriptor::State& pairs = mine.kept ? *mine.descriptor : *w.descriptor;
    if (!mine.kept) descriptor.forward(w.exec, team_.structure, tile, pairs, ws);
    AnyMatrix d_dot;
    if (derivatives) {
      for (Descriptor::State* part : pairs.parts) {
        pair_tangent(w.exec, team_.structure, tile, x_dot_, strain_dot_, part->pairs, ws);
      }
      d_dot = descriptor.tangent(w.exec, tile, pairs, ws);
    }
    const Matrix<double> bar = WorkerTeam::rows_of(energy_bar_, tile, fitting.n_out());
    if (table != nullptr) {
      table->forward(w.exec, team_.structure, tile, 0.0, w.short_range, ws);
      pair_tangent(w.exec, team_.structure, tile, x_dot_, strain_dot_, w.short_range.pairs, ws);
      table->switch_bar(w.exec, bar, w.short_range);
    }
    const AnyMatrix d_bar = fitting.backward_params(w.exec, tile, d_dot, bar, tile.row, state, ws);
    descriptor.backward_params(w.exec, tile, d_bar, derivatives ? mine.d_bar : AnyMatrix(), pairs, index, ws);
  });
}

void TrainStep::fitting_gradients(const TilePlan& plan, double alpha) {
  const Fitting& fitting = potential_.fitting();
  ParameterBlock& store = potential_.fitting().parameters();
  const AdamSettings adam;
  struct Job {
    int index;  // -1: no gradient
    ParameterRange range;
    int centres;
  };
  std::vector<Job> jobs;
  present_.clear();
  for (int t = 0; t < potential_.ntypes(); ++t) {
    if (!fitting.selects(t) || whole_type(plan, t).size() == 0) continue;
    present_.push_back(fitting_[static_cast<std::size_t>(t)].get());
    fitting.finish(team_.workers.front()->exec, *present_.back(), team_.workers.front()->kept);
  }
  for (int k = 0; k < fitting.n_gradient_jobs(present_); ++k) {
    const Fitting::GradientWork work = fitting.gradient_work(k, present_);
    jobs.push_back({k, work.range, work.n_rows});
  }
  // what no job makes: nets of types that are not in the batch, in pieces
  std::sort(jobs.begin(), jobs.end(),
            [](const Job& a, const Job& b) { return a.range.begin < b.range.begin; });
  std::size_t at = 0;
  const std::size_t n_jobs = jobs.size();
  for (std::size_t j = 0; j <= n_jobs; ++j) {
    const std::size_t end = j < n_jobs ? jobs[j].range.begin : store.size();
    for (; at < end; at += std::min(kRestPiece, end - at))
      jobs.push_back({-1, {at, std::min(end, at + kRestPiece)}, 0});
    if (j < n_jobs) at = jobs[j].range.end;
  }
  // each to the worker with least to do so far; work is counted in elements of matrices times centres
  const auto n_workers = static_cast<std::size_t>(team_.size());
  std::vector<std::vector<const Job*>> shares(n_workers);
  std::vector<std::size_t> work(n_workers, 0);
  for (const Job& job : jobs) {
    const auto w = static_cast<std::size_t>(std::min_element(work.begin(), work.end()) - work.begin());
    shares[w].push_back(&job);
    work[w] += (job.range.end - job.range.begin) * static_cast<std::size_t>(job.centres + kCentresOfAdam);
  }
  run_workers(team_.size(), [&](int index) {
    Worker& w = *team_.workers[static_cast<std::size_t>(index)];
    for (const Job* job : shares[static_cast<std::size_t>(index)]) {
      if (job->index < 0) {
        store.zero_gradients(0, job->range);
      } else {
        fitting.run_gradient_job(w.exec, job->index, present_);
      }
      if (alpha > 0) store.adam_step(alpha, adam, job->range);
    }
  });
}

void TrainStep::update(ParameterBlock& block, double alpha) {
  const std::size_t n = block.size(), workers = static_cast<std::size_t>(team_.size());
  run_workers(team_.size(), [&](int index) {
    const auto k = static_cast<std::size_t>(index);
    block.adam_step(alpha, AdamSettings(), {n * k / workers, n * (k + 1) / workers});
  });
}

}  // namespace dpcore
