// SPDX-License-Identifier: LGPL-3.0-or-later
#include "dpcore/statistics.h"

#include "api/frames.hpp"
#include "base/json_config.hpp"
#include "base/runtime.hpp"
#include "descriptor/se_e2_a.hpp"
#include "env/statistics.hpp"
#include "linalg/least_squares.hpp"
#include "neighbors/neighbor_stat.hpp"

namespace dpcore {

NeighborSummary neighbor_stat(const Frames& frames, double rcut, int ntypes) {
  ensure_runtime();
  check_frames(frames, ntypes);
  NeighborSummary out;
  NeighborStat all;
  NeighborSearch search;
  NeighborList list;
  const auto n_atoms = static_cast<std::size_t>(frames.n_atoms);
  for (int f = 0; f < frames.n_frames; ++f) {
    const auto frame = static_cast<std::size_t>(f);
    try {
      const Cell cell = frames.box == nullptr ? Cell::none()
                                              : Cell::from_rows(frames.box + 9 * frame, frames.pbc[0], frames.pbc[1], frames.pbc[2]);
      search.build(frames.coord + 3 * n_atoms * frame, frames.n_atoms, cell, rcut, list);
      const double before = all.min_distance;
      accumulate_neighbor_stat(list, frames.type, ntypes, all);
      if (all.min_distance < before) out.frame = f;
    } catch (const Error& e) {
      throw Error("frame " + std::to_string(f) + ": " + e.what());
    }
  }
  out.min_distance = all.min_distance;
  out.atom_i = all.atom_i;
  out.atom_j = all.atom_j;
  out.max_size = all.max_count;
  out.max_size.resize(static_cast<std::size_t>(ntypes), 0);
  return out;
}

std::vector<double> energy_bias(const std::vector<double>& energy, const std::vector<double>& counts, int ntypes,
                                double rcond) {
  return least_squares(counts, energy, ntypes, rcond);
}

struct EnvStatistics::Impl {
  int ntypes;
  EnvMoments moments;
  FrameLists lists;
  Structure structure;
  Workspace scratch;
  double rcut;
  Impl(const SeE2ASpec& s, int n) : ntypes(n), moments(n, s.sel, s.rcut, s.rcut_smth), rcut(Cutoff(s.rcut, s.rcut_smth).rcut) {}
};

EnvStatistics::EnvStatistics(const std::string& descriptor_config, int ntypes) {
  ensure_runtime();
  impl_ = std::make_unique<Impl>(SeE2ASpec::from_json(parse_json(descriptor_config, "model/descriptor"), ntypes), ntypes);
}

EnvStatistics::~EnvStatistics() = default;

void EnvStatistics::add(const Frames& frames) {
  check_frames(frames, impl_->ntypes);
  const int group = frames_per_group(frames);
  for (int begin = 0; begin < frames.n_frames; begin += group) {
    build_structure(frames, begin, std::min(frames.n_frames, begin + group), impl_->rcut, impl_->lists, impl_->structure);
    name_overlaps(impl_->structure, begin, [&] { impl_->moments.add(Exec(), impl_->structure, impl_->scratch); });
  }
}

std::vector<double> EnvStatistics::davg() const { return impl_->moments.davg(); }
std::vector<double> EnvStatistics::dstd() const { return impl_->moments.dstd(); }

}  // namespace dpcore
