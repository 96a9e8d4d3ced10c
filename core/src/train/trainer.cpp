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
constexpr int kGroupRows = kExecOnHost ? 96 : 1 << 14;    // centres that a fitting net takes at once
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
    if (potential_.short_range() != nullptr)
      fitting_[static_cast<std::size_t>(t)]->weight = team_.weights(all);
  }
  tiles_.resize(plan.tiles.size());
  kept_.resize(team_.workers.size());
  for (Workspace& ws : kept_) ws.reset();
  share_tiles(plan);
  run_workers(team_.size(), [&](int index) { forward(index, plan, params); });
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

// Every worker gets neighbouring tiles, and as many centres as the others.
void TrainStep::share_tiles(const TilePlan& plan) {
  const auto n_workers = static_cast<std::size_t>(team_.size());
  shares_.assign(n_workers, Share());
  std::size_t all = 0, before = 0;
  for (const Tile& tile : plan.tiles) {
    if (potential_.fitting().selects(tile.type)) all += static_cast<std::size_t>(tile.size());
  }
  for (std::size_t t = 0; t < plan.tiles.size(); ++t) {
    if (!potential_.fitting().selects(plan.tiles[t].type)) continue;
    const auto n = static_cast<std::size_t>(plan.tiles[t].size());
    shares_[(2 * before + n) * n_workers / (2 * all)].tiles.push_back(static_cast<int>(t));
    before += n;
  }
}

// The next tiles of a worker from its k-th on, of one type and with descriptors' states that are kept, or one
// tile.
TrainStep::Group TrainStep::next_group(int index, const TilePlan& plan, std::size_t k) {
  Group g;
  const Share& share = shares_[static_cast<std::size_t>(index)];
  const Workspace& kept = kept_[static_cast<std::size_t>(index)];
  g.kept = kept.used() < kKeptBytes / kept_.size();
  do {
    const Tile& tile = plan.tiles[static_cast<std::size_t>(share.tiles[k])];
    if (g.tiles.empty()) {
      g.all = tile;
    } else if (!g.kept || tile.type != g.all.type || tile.end - g.all.begin > kGroupRows) {
      break;
    }
    g.all.end = tile.end;
    g.tiles.push_back(share.tiles[k]);
  } while (++k < share.tiles.size());
  return g;
}

// Where D (or D_dot) of a group goes, so that the fitting has it as one matrix.
AnyMatrix TrainStep::descriptor_rows(const Group& g, bool dot, Workspace& ws) const {
  const Fitting& fitting = potential_.fitting();
  const AnyMatrix offered = fitting.descriptor_rows(*fitting_[static_cast<std::size_t>(g.all.type)], dot);
  if (!offered.empty()) return rows(offered, g.all.row, g.all.row + g.all.size());
  return any_matrix(fitting.is_float(), static_cast<std::size_t>(g.all.size()),
                    static_cast<std::size_t>(fitting.dim_descriptor()), ws);
}

void TrainStep::forward(int index, const TilePlan& plan, const FittingParams& params) {
  const Descriptor& descriptor = potential_.descriptor();
  const Fitting& fitting = potential_.fitting();
  const ShortRange* const table = potential_.short_range();
  Worker& w = *team_.workers[static_cast<std::size_t>(index)];
  Workspace& kept = kept_[static_cast<std::size_t>(index)];
  Share& share = shares_[static_cast<std::size_t>(index)];
  for (std::size_t done = 0; done < share.tiles.size(); done += share.groups.back().tiles.size()) {
    share.groups.push_back(next_group(index, plan, done));
    Group& g = share.groups.back();
    const Workspace::Scope scope(w.scratch);
    Fitting::State& state = *fitting_[static_cast<std::size_t>(g.all.type)];
    const AnyMatrix d = descriptor_rows(g, false, w.scratch);
    for (const int t : g.tiles) {
      const Tile& tile = plan.tiles[static_cast<std::size_t>(t)];
      Descriptor::State& pairs = state_of(g, t, w);
      if (g.kept) start(pairs);
      const AnyMatrix mine = g.rows_of(d, tile);
      pairs.out = mine;
      put(w.exec, descriptor.forward(w.exec, team_.structure, tile, pairs, g.kept ? kept : w.scratch), mine);
      pairs.out = AnyMatrix();
      if (g.kept) add_counts(pairs, *w.descriptor);
    }
    fitting.forward(w.exec, team_.structure, g.all, d, params, g.all.row, state, team_.values(g.all),
                    w.scratch);
    if (table != nullptr) {
      const Workspace::Scope of_table(w.scratch);
      table->forward(w.exec, team_.structure, g.all, potential_.short_range_bias(g.all.type), w.short_range,
                     w.scratch);
      table->blend(w.exec, team_.values(g.all), team_.weights(g.all), w.short_range, w.scratch);
      table->add_forces(w.exec, team_.structure, g.all, w.short_range, w.sums);
    }
    if (!loss_->needs_derivatives()) continue;
    g.d_bar = fitting.backward_inputs(w.exec, g.all, 0, g.all.row, state, w.kept);
    for (const int t : g.tiles) {
      const Tile& tile = plan.tiles[static_cast<std::size_t>(t)];
      Descriptor::State& pairs = state_of(g, t, w);
      descriptor.backward_inputs(w.exec, tile, g.rows_of(g.d_bar, tile), pairs, w.scratch);
      for (const Descriptor::State* part : pairs.parts) {
        add_force_virial(w.exec, team_.structure, tile, part->pairs, 0, w.sums);
      }
    }
  }
}

void TrainStep::backward(const Structure& structure, const TilePlan& plan, const LossGradient& gradient) {
  const auto n_out = static_cast<std::size_t>(potential_.fitting().n_out());
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
    for (const auto& part : potential_.descriptor().parts())
      part.descriptor->parameters().zero_gradients(index);
    for (const Group& g : shares_[static_cast<std::size_t>(index)].groups) backward(index, plan, g);
  });
}

void TrainStep::backward(int index, const TilePlan& plan, const Group& g) {
  const Descriptor& descriptor = potential_.descriptor();
  const Fitting& fitting = potential_.fitting();
  const ShortRange* const table = potential_.short_range();
  const bool derivatives = loss_->needs_derivatives();
  Worker& w = *team_.workers[static_cast<std::size_t>(index)];
  Workspace& ws = w.scratch;
  const Workspace::Scope scope(ws);
  AnyMatrix d_dot;
  if (derivatives) d_dot = descriptor_rows(g, true, ws);
  for (const int t : g.tiles) {
    const Tile& tile = plan.tiles[static_cast<std::size_t>(t)];
    Descriptor::State& pairs = state_of(g, t, w);
    if (!g.kept) descriptor.forward(w.exec, team_.structure, tile, pairs, ws);
    if (!derivatives) continue;
    for (Descriptor::State* part : pairs.parts) {
      pair_tangent(w.exec, team_.structure, tile, x_dot_, strain_dot_, part->pairs, ws);
    }
    const AnyMatrix mine = g.rows_of(d_dot, tile);
    pairs.out = mine;
    put(w.exec, descriptor.tangent(w.exec, tile, pairs, ws), mine);
    pairs.out = AnyMatrix();
  }
  const Matrix<double> bar = WorkerTeam::rows_of(energy_bar_, g.all, fitting.n_out());
  if (table != nullptr) {
    table->forward(w.exec, team_.structure, g.all, 0.0, w.short_range, ws);
    pair_tangent(w.exec, team_.structure, g.all, x_dot_, strain_dot_, w.short_range.pairs, ws);
    table->switch_bar(w.exec, bar, w.short_range);
  }
  const AnyMatrix d_bar = fitting.backward_params(w.exec, g.all, d_dot, bar, g.all.row,
                                                  *fitting_[static_cast<std::size_t>(g.all.type)], ws);
  for (const int t : g.tiles) {
    const Tile& tile = plan.tiles[static_cast<std::size_t>(t)];
    descriptor.backward_params(w.exec, tile, g.rows_of(d_bar, tile), g.rows_of(g.d_bar, tile),
                               state_of(g, t, w), index, ws);
  }
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
  // what Adam uses at once stays in a cache, and no array of all gradients is written
  std::size_t longest = 0;
  for (const Job& job : jobs) longest = std::max(longest, job.range.end - job.range.begin);
  if (alpha > 0) store.prepare_windows(team_.size(), longest);
  run_workers(team_.size(), [&](int index) {
    Worker& w = *team_.workers[static_cast<std::size_t>(index)];
    const int slot = alpha > 0 ? -1 - index : 0;
    for (const Job* job : shares[static_cast<std::size_t>(index)]) {
      if (alpha > 0) store.open_window(slot, job->range);
      if (job->index < 0) {
        store.zero_gradients(slot, job->range);
      } else {
        fitting.run_gradient_job(w.exec, job->index, present_, slot);
      }
      if (alpha > 0) store.adam_step(alpha, adam, job->range, slot);
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
