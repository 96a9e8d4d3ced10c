// SPDX-License-Identifier: LGPL-3.0-or-later
#include "model/evaluate.hpp"

#include "base/runtime.hpp"

namespace dpcore {

namespace {

/// Centres per tile: enough rows for good matrix products, few enough that a tile's pairs stay in cache.
constexpr int kLargestTile = kExecOnHost ? 64 : 1 << 14;
constexpr int kSmallestTile = 16;

void add(const DeviceArray<double>& from, std::vector<double>& to) {
  const auto host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), from);
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += host(i);
}

}  // namespace

void assign(DeviceArray<double>& to, const std::vector<double>& from) {
  if (to.extent(0) != from.size()) to = DeviceArray<double>("dpcore::assign", from.size());
  Kokkos::deep_copy(to,
                    Kokkos::View<const double*, Kokkos::HostSpace, Kokkos::MemoryTraits<Kokkos::Unmanaged>>(
                        from.data(), from.size()));
}

void WorkerTeam::prepare(const Potential& potential, const Structure& host, const TilePlan& plan, bool atomic,
                         int n_derivatives) {
  if (n_derivatives == 0) n_derivatives = potential.fitting().n_out();
  workers.resize(static_cast<std::size_t>(n_workers()));
  for (auto& w : workers) {
    if (!w) w = std::make_unique<Worker>();
    if (!w->descriptor) w->descriptor = potential.descriptor().make_state();
    if (!w->fitting) w->fitting = potential.fitting().make_state();
    for (Descriptor::State* part : w->descriptor->parts) {
      part->overflow = SelOverflow();
      part->outside = OutsideTable();
    }
    w->scratch.reset();
    w->kept.reset();
    w->sums.reset(host, n_derivatives, atomic);
  }
  structure.assign(host, plan);
  if (potential.short_range() != nullptr && weight.extent(0) < plan.centre.size())
    weight = DeviceArray<double>("dpcore::weight", plan.centre.size());
  n_out = potential.fitting().n_out();
  const std::size_t n = plan.centre.size() * static_cast<std::size_t>(n_out);
  if (atom_energy.extent(0) < n) {
    atom_energy = DeviceArray<double>("dpcore::atom_energy", n);
  } else if (n_out > 1) {  // centres of types that are not selected stay 0
    Kokkos::deep_copy(atom_energy, 0.0);
  }
}

void WorkerTeam::collect_counts(Evaluation& out) const {
  out.overflow = SelOverflow();
  out.outside = OutsideTable();
  for (const auto& w : workers) {
    for (const Descriptor::State* part : w->descriptor->parts)
      out.outside.add(part->outside.pairs, part->outside.nearest);
  }
  // of several parts the one with most atoms: an atom with too many neighbours for two lists is still one
  // atom
  for (std::size_t k = 0; k < workers.front()->descriptor->parts.size(); ++k) {
    SelOverflow one;
    for (const auto& w : workers) one.merge(w->descriptor->parts[k]->overflow);
    if (one.atoms > out.overflow.atoms) out.overflow = one;
  }
}

void WorkerTeam::collect(const Structure& host, const TilePlan& plan, Evaluation& out) const {
  const auto n = static_cast<std::size_t>(n_out);
  out.force.assign(workers.front()->sums.force.extent(0), 0.0);
  out.virial.assign(workers.front()->sums.virial.extent(0), 0.0);
  out.atom_virial.assign(workers.front()->sums.atom_virial.extent(0), 0.0);
  for (const auto& w : workers) {
    add(w->sums.force, out.force);
    add(w->sums.virial, out.virial);
    add(w->sums.atom_virial, out.atom_virial);
  }
  collect_counts(out);
  out.atom_energy.assign(static_cast<std::size_t>(host.n_local) * n, 0.0);
  const auto energy = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), atom_energy);
  for (std::size_t k = 0; k < plan.centre.size(); ++k) {
    for (std::size_t c = 0; c < n; ++c)
      out.atom_energy[static_cast<std::size_t>(plan.centre[k]) * n + c] = energy(k * n + c);
  }
  out.energy.assign(static_cast<std::size_t>(host.n_frames) * n, 0.0);
  for (std::size_t i = 0; i < out.atom_energy.size(); ++i) {
    out.energy[static_cast<std::size_t>(host.frame[i / n]) * n + i % n] += out.atom_energy[i];
  }
}

void run_tiles(const WorkerTeam& team, const TilePlan& plan,
               const std::function<void(int, const Tile&)>& body) {
  run_workers(team.size(), [&](int worker) {
    for (std::size_t t = static_cast<std::size_t>(worker); t < plan.tiles.size();
         t += static_cast<std::size_t>(team.size())) {
      body(worker, plan.tiles[t]);
    }
  });
}

void evaluate(const Potential& potential, const Structure& structure, const FittingParams& params,
              bool atomic, WorkerTeam& team, Evaluation& out, bool derivatives,
              const std::vector<double>* weight) {
  const Descriptor& descriptor = potential.descriptor();
  const Fitting& fitting = potential.fitting();
  const ShortRange* const table = potential.short_range();
  if (!potential.in_training) descriptor.prepare_inference();
  const TilePlan plan = plan_tiles(structure, potential.ntypes(), n_workers(), kLargestTile, kSmallestTile);
  const int n_derivatives = weight != nullptr ? 1 : fitting.n_out();
  team.prepare(potential, structure, plan, atomic, n_derivatives);
  if (weight != nullptr) {
    const auto n_out = static_cast<std::size_t>(fitting.n_out());
    std::vector<double> ordered(plan.centre.size() * n_out);
    for (std::size_t k = 0; k < ordered.size(); ++k)
      ordered[k] = (*weight)[static_cast<std::size_t>(plan.centre[k / n_out]) * n_out + k % n_out];
    assign(team.weight, ordered);
  }
  run_tiles(team, plan, [&](int index, const Tile& tile) {
    if (!fitting.selects(tile.type)) return;
    Worker& w = *team.workers[static_cast<std::size_t>(index)];
    Workspace::Scope scope(w.scratch);
    Workspace& ws = w.scratch;
    const AnyMatrix d = descriptor.forward(w.exec, team.structure, tile, *w.descriptor, ws);
    fitting.prepare(tile.type, tile.size(), false, *w.fitting, ws);
    fitting.begin(w.exec, team.structure, tile, params, *w.fitting, ws);
    fitting.forward(w.exec, team.structure, tile, d, params, 0, *w.fitting, team.values(tile), ws);
    if (table != nullptr) {
      w.fitting->weight = team.weights(tile);
      table->forward(w.exec, team.structure, tile, potential.short_range_bias(tile.type), w.short_range, ws);
      table->blend(w.exec, team.values(tile), w.fitting->weight, w.short_range, ws);
      if (derivatives) table->add_forces(w.exec, team.structure, tile, w.short_range, w.sums);
    }
    if (weight != nullptr) w.fitting->weight = team.weights(tile);
    for (int c = 0; derivatives && c < n_derivatives; ++c) {
      Workspace::Scope one(ws);
      const AnyMatrix d_bar = fitting.backward_inputs(w.exec, tile, c, 0, *w.fitting, ws);
      descriptor.backward_inputs(w.exec, tile, d_bar, *w.descriptor, ws);
      for (const Descriptor::State* part : w.descriptor->parts) {
        add_force_virial(w.exec, team.structure, tile, part->pairs, c, w.sums);
      }
    }
    if constexpr (!kExecOnHost) w.exec.fence("dpcore::evaluate");
  });
  team.collect(structure, plan, out);
}

void evaluate_descriptors(const Potential& potential, const Structure& structure, WorkerTeam& team,
                          Evaluation& out) {
  const Descriptor& descriptor = potential.descriptor();
  const auto width = static_cast<std::size_t>(potential.dim_descriptor());
  if (!potential.in_training) descriptor.prepare_inference();
  const TilePlan plan = plan_tiles(structure, potential.ntypes(), n_workers(), kLargestTile, kSmallestTile);
  team.prepare(potential, structure, plan, false);
  const DeviceArray<double> all("dpcore::descriptors", plan.centre.size() * width);
  const std::vector<FoldedPiece> pieces = folded_pieces(static_cast<int>(width), descriptor.symmetric());
  run_tiles(team, plan, [&](int index, const Tile& tile) {
    Worker& w = *team.workers[static_cast<std::size_t>(index)];
    const Workspace::Scope scope(w.scratch);
    const AnyMatrix d = descriptor.forward(w.exec, team.structure, tile, *w.descriptor, w.scratch);
    unfold(w.exec, pieces, as<double>(w.exec, d, w.scratch),
           WorkerTeam::rows_of(all, tile, static_cast<int>(width)));
    if constexpr (!kExecOnHost) w.exec.fence("dpcore::evaluate_descriptors");
  });
  team.collect_counts(out);
  const auto host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), all);
  out.descriptor.assign(static_cast<std::size_t>(structure.n_local) * width, 0.0);
  for (std::size_t k = 0; k < plan.centre.size(); ++k) {
    for (std::size_t m = 0; m < width; ++m)
      out.descriptor[static_cast<std::size_t>(plan.centre[k]) * width + m] = host(k * width + m);
  }
}

}  // namespace dpcore
