// SPDX-License-Identifier: LGPL-3.0-or-later
#include "dpcore/statistics.h"

#include "api/frames.hpp"
#include "base/json_config.hpp"
#include "base/runtime.hpp"
#include "descriptor/descriptor.hpp"
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
                                              : Cell::from_rows(frames.box + 9 * frame, frames.pbc[0],
                                                                frames.pbc[1], frames.pbc[2]);
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

std::vector<double> energy_bias(const std::vector<double>& energy, const std::vector<double>& counts,
                                int ntypes, double rcond) {
  return least_squares(counts, energy, ntypes, rcond);
}

struct EnvStatistics::Impl {
  struct Part {
    std::string prefix;
    EnvSpec spec;
    std::unique_ptr<Moments> moments;
  };
  int ntypes;
  double rcut;
  std::vector<Part> parts;
  FrameLists lists;
  Structure structure;
  Workspace scratch;

  Impl(Descriptor& descriptor, int n) : ntypes(n), rcut(descriptor.rcut()) {
    for (const auto& part : descriptor.parts()) {
      parts.push_back({part.prefix, part.descriptor->env_spec(), part.descriptor->make_moments(n)});
    }
  }
};

EnvStatistics::EnvStatistics(const std::string& descriptor_config, int ntypes) {
  ensure_runtime();
  impl_ = std::make_unique<Impl>(*make_descriptor(parse_json(descriptor_config, "model/descriptor"), ntypes),
                                 ntypes);
}

EnvStatistics::~EnvStatistics() = default;

void EnvStatistics::add(const Frames& frames) {
  check_frames(frames, impl_->ntypes);
  const int group = frames_per_group(frames);
  for (int begin = 0; begin < frames.n_frames; begin += group) {
    build_structure(frames, begin, std::min(frames.n_frames, begin + group), impl_->rcut, impl_->lists,
                    impl_->structure);
    name_overlaps(impl_->structure, begin, [&] {
      for (auto& part : impl_->parts) part.moments->add(Exec(), impl_->structure, impl_->scratch);
    });
  }
}

namespace {

/// The first n of all columns.
Tensor columns(const std::vector<double>& all, int ntypes, int n) {
  const int width = static_cast<int>(all.size()) / ntypes;
  std::vector<double> out;
  for (int t = 0; t < ntypes; ++t) {
    const auto row = all.begin() + width * t;
    out.insert(out.end(), row, row + n);
  }
  return Tensor::from(out.data(), {ntypes, n});
}

}  // namespace

std::map<std::string, Tensor> EnvStatistics::tensors() const {
  std::map<std::string, Tensor> out;
  for (const auto& part : impl_->parts) {
    std::vector<double> davg = part.moments->davg();
    if (part.spec.davg_zero) std::fill(davg.begin(), davg.end(), 0.0);
    out["descriptor/" + part.prefix + "davg"] = columns(davg, impl_->ntypes, part.spec.n_components);
    out["descriptor/" + part.prefix + "dstd"] =
        columns(part.moments->dstd(), impl_->ntypes, part.spec.n_components);
  }
  return out;
}

}  // namespace dpcore
