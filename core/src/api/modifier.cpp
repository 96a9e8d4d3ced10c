// SPDX-License-Identifier: LGPL-3.0-or-later
#include "dpcore/modifier.h"

#include <cmath>
#include <mutex>

#include "api/frames.hpp"
#include "api/params.hpp"
#include "api/session.hpp"
#include "base/json_config.hpp"
#include "base/runtime.hpp"
#include "modifier/modifier.hpp"
#include "output/ewald.hpp"

namespace dpcore {

struct DataModifier::Impl {
  struct Kept {
    std::unique_ptr<Modifier::State> state;
    FrameLists lists;
    Structure structure;
    Correction correction;
  };
  std::vector<std::string> type_map;
  std::unique_ptr<Modifier> modifier;
  std::mutex mutex;
  std::vector<std::unique_ptr<Kept>> idle;

  std::unique_ptr<Kept> take() {
    const std::lock_guard<std::mutex> lock(mutex);
    if (idle.empty()) {
      auto fresh = std::make_unique<Kept>();
      fresh->state = modifier->make_state();
      return fresh;
    }
    auto kept = std::move(idle.back());
    idle.pop_back();
    return kept;
  }
  void give_back(std::unique_ptr<Kept> kept) {
    const std::lock_guard<std::mutex> lock(mutex);
    idle.push_back(std::move(kept));
  }
};

DataModifier::DataModifier(const std::string& config, const std::vector<std::string>& type_map,
                           const std::map<std::string, Tensor>& tensors)
    : impl_(std::make_unique<Impl>()) {
  ensure_runtime();
  impl_->type_map = type_map;
  impl_->modifier = make_modifier(parse_json(config, "model/modifier"), type_map, tensors);
}
DataModifier::~DataModifier() = default;
DataModifier::DataModifier(DataModifier&&) noexcept = default;
DataModifier& DataModifier::operator=(DataModifier&&) noexcept = default;

double DataModifier::rcut() const { return impl_->modifier->rcut(); }
std::map<std::string, Tensor> DataModifier::tensors() const { return impl_->modifier->tensors(); }

Prediction DataModifier::predict(const Frames& frames, bool derivatives) const {
  check_frames(frames, static_cast<int>(impl_->type_map.size()));
  if (frames.n_frames > 0 && (frames.box == nullptr || !frames.pbc[0] || !frames.pbc[1] || !frames.pbc[2])) {
    throw Error(
        "the modifier of the model (dipole_charge) is a sum over periodic images: it needs a cell, periodic "
        "along "
        "all three vectors");
  }
  Prediction out;
  auto kept = impl_->take();
  const int group = frames_per_group(frames);
  for (int begin = 0; begin < frames.n_frames; begin += group) {
    const int end = std::min(frames.n_frames, begin + group);
    build_structure(frames, begin, end, rcut(), kept->lists, kept->structure);
    Correction& c = kept->correction;
    name_overlaps(kept->structure, begin, [&] {
      impl_->modifier->compute(kept->structure, frames.box + 9 * static_cast<std::ptrdiff_t>(begin),
                               derivatives, *kept->state, c);
    });
    for (std::size_t f = 0; f < c.energy.size(); ++f) {
      if (!std::isfinite(c.energy[f])) {
        throw Error("frame " + std::to_string(static_cast<std::size_t>(begin) + f) +
                    ": the modifier gives an energy that is not finite");
      }
    }
    out.energy.insert(out.energy.end(), c.energy.begin(), c.energy.end());
    if (derivatives) {
      out.force.insert(out.force.end(), c.force.begin(), c.force.end());
      out.virial.insert(out.virial.end(), c.virial.begin(), c.virial.end());
    }
    count_overflow(c.overflow, impl_->type_map,
                   "frames " + std::to_string(begin) + " to " + std::to_string(end - 1) + ", dipole model",
                   out);
  }
  impl_->give_back(std::move(kept));
  return out;
}

Prediction ewald_recp(int n_frames, int n_sites, const double* position, const double* charge,
                      const double* box, double h, double beta) {
  ensure_runtime();
  Ewald ewald(h, beta);
  EwaldResult one;
  Prediction out;
  const auto n = static_cast<std::size_t>(n_sites);
  check_finite(position, n_frames, 3 * n, "coord");
  check_finite(charge, n_frames, n, "charge");
  for (std::size_t f = 0; f < static_cast<std::size_t>(n_frames); ++f) {
    const std::vector<double> x(position + 3 * n * f, position + 3 * n * (f + 1)),
        q(charge + n * f, charge + n * (f + 1));
    try {
      ewald.compute(x, q, box + 9 * f, true, one);
    } catch (const Error& e) {
      throw Error("frame " + std::to_string(f) + ": " + e.what());
    }
    out.energy.push_back(one.energy);
    out.force.insert(out.force.end(), one.force.begin(), one.force.end());
    out.virial.insert(out.virial.end(), one.virial, one.virial + 9);
  }
  return out;
}

}  // namespace dpcore
