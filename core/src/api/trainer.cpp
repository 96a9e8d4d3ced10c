// SPDX-License-Identifier: LGPL-3.0-or-later
#include "dpcore/trainer.h"

#include <cmath>
#include <cstdlib>

#include "api/frames.hpp"
#include "api/params.hpp"
#include "base/json_config.hpp"
#include "model/tensor_convert.hpp"
#include "train/trainer.hpp"

namespace dpcore {

namespace {

constexpr int kRoomMiB = 128;

/// Bytes for what is kept of frames that come again.
std::size_t room_for_frames() {
  const char* text = std::getenv("DP_TRAIN_CACHE");
  if (text == nullptr || *text == '\0') return std::size_t(kRoomMiB) << 20;
  char* end = nullptr;
  const double mib = std::strtod(text, &end);
  if (*end != '\0' || !(mib >= 0 && mib <= 1e9)) {
    throw Error("environment variable DP_TRAIN_CACHE: expected a number of MiB from 0 on, got '" +
                std::string(text) + "'");
  }
  return static_cast<std::size_t>(mib * 1048576.0);
}

void copy_label(const double* from, std::size_t n, std::vector<double>& to, double& find) {
  find = from == nullptr ? 0.0 : 1.0;
  if (from == nullptr) {
    to.clear();
  } else {
    to.assign(from, from + n);
  }
}

}  // namespace

struct Trainer::Impl {
  Model& model;
  TrainStep step;
  FrameLists lists;
  Structure structure;
  FittingParams params;
  Labels labels;

  Impl(Model& m, const std::string& loss) : model(m), step(m.potential(), parse_json(loss, "loss")) {
    if (m.precision() != Precision::Stored) {
      throw Error("training: the model was opened in " + name_of(m.precision()) +
                  " precision, which is for evaluation; training has that of the model's config");
    }
    lists.cache = std::make_unique<ListCache>(room_for_frames());
  }

  void take(const Frames& f, const FrameLabels& l) {
    check_frames(f, model.ntypes());
    check_params(f, model.dim_fparam(), model.dim_aparam());
    if (f.n_frames == 0 || f.n_atoms == 0) throw Error("training batch: no frames or no atoms");
    build_structure(f, 0, f.n_frames, model.rcut(), lists, structure);
    assign_params(f, 0, f.n_frames, model.dim_fparam(), model.dim_aparam(), params);
    assign_neighbor_params(f, 0, model.potential().descriptor().dim_aparam(), structure);
    const auto frames = static_cast<std::size_t>(f.n_frames),
               atoms = frames * static_cast<std::size_t>(f.n_atoms);
    labels.n_frames = f.n_frames;
    labels.n_atoms = f.n_atoms;
    copy_label(l.energy, frames, labels.energy, labels.find_energy);
    copy_label(l.force, 3 * atoms, labels.force, labels.find_force);
    copy_label(l.virial, 9 * frames, labels.virial, labels.find_virial);
    copy_label(l.atom_ener, atoms, labels.atom_ener, labels.find_atom_ener);
    copy_label(l.atom_pref, atoms, labels.atom_pref, labels.find_atom_pref);
    labels.selected.clear();
    for (int i = 0; i < f.n_atoms; ++i) {
      if (f.type[i] >= 0 && model.potential().fitting().selects(f.type[i])) labels.selected.push_back(i);
    }
    const auto n_out = static_cast<std::size_t>(model.n_out());
    copy_label(l.tensor, frames * n_out, labels.tensor, labels.find_tensor);
    copy_label(l.atom_tensor, frames * labels.selected.size() * n_out, labels.atom_tensor,
               labels.find_atom_tensor);
  }
};

Trainer::Trainer(Model& model, const std::string& loss) : impl_(std::make_unique<Impl>(model, loss)) {}
Trainer::~Trainer() = default;

std::map<std::string, double> Trainer::step(const Frames& frames, const FrameLabels& labels, double lr,
                                            double start_lr) {
  impl_->take(frames, labels);
  std::map<std::string, double> terms;
  name_overlaps(impl_->structure, 0, [&] {
    terms = impl_->step.step(impl_->structure, impl_->params, impl_->labels, static_cast<float>(lr),
                             static_cast<float>(start_lr));
  });
  return terms;
}

std::map<std::string, double> Trainer::losses(const Frames& frames, const FrameLabels& labels, double lr,
                                              double start_lr) {
  impl_->take(frames, labels);
  std::map<std::string, double> terms;
  name_overlaps(impl_->structure, 0, [&] {
    terms = impl_->step.losses(impl_->structure, impl_->params, impl_->labels, static_cast<float>(lr),
                               static_cast<float>(start_lr));
  });
  return terms;
}

std::map<std::string, Tensor> Trainer::gradients(const Frames& frames, const FrameLabels& labels, double lr,
                                                 double start_lr) {
  impl_->take(frames, labels);
  name_overlaps(impl_->structure, 0, [&] {
    impl_->step.gradients(impl_->structure, impl_->params, impl_->labels, static_cast<float>(lr),
                          static_cast<float>(start_lr));
  });
  std::map<std::string, Tensor> out;
  std::vector<double> v;
  for (const auto& [prefix, block] : impl_->model.potential().blocks()) {
    for (const auto& p : block->parameters()) {
      if (!p.trainable) continue;
      v.resize(p.size);
      block->get_gradient(p, v.data());
      out[prefix + p.name] = from_doubles(v, p.shape, DType::F64);
    }
  }
  return out;
}

std::map<std::string, Tensor> Trainer::state() const {
  std::map<std::string, Tensor> out;
  std::vector<double> v;
  for (const auto& [prefix, block] : impl_->model.potential().blocks()) {
    for (int moment = 0; moment < 2; ++moment) {
      v.resize(block->size());
      block->get_moment(moment, v.data());
      out["trainer/" + prefix + "moment" + std::to_string(moment + 1)] =
          from_doubles(v, {static_cast<std::int64_t>(v.size())}, block->is_float() ? DType::F32 : DType::F64);
    }
  }
  const TrainStep& s = impl_->step;
  out["trainer/counters"] = from_doubles(
      {static_cast<double>(s.beta1_power), static_cast<double>(s.beta2_power), static_cast<double>(s.steps)},
      {3}, DType::F64);
  return out;
}

std::size_t Trainer::kept_bytes() const { return impl_->lists.cache->used(); }

void Trainer::load_state(const std::map<std::string, Tensor>& state) {
  const auto get = [&](const std::string& name, std::size_t n) {
    const auto it = state.find(name);
    if (it == state.end()) throw Error("checkpoint: tensor '" + name + "' is missing");
    auto v = to_doubles(it->second, name);
    if (v.size() != n) {
      throw Error("checkpoint: tensor '" + name + "' has " + std::to_string(v.size()) +
                  " numbers, expected " + std::to_string(n));
    }
    return v;
  };
  for (const auto& [prefix, block] : impl_->model.potential().blocks()) {
    for (int moment = 0; moment < 2; ++moment) {
      block->set_moment(
          moment, get("trainer/" + prefix + "moment" + std::to_string(moment + 1), block->size()).data());
    }
  }
  const auto counters = get("trainer/counters", 3);
  impl_->step.beta1_power = static_cast<float>(counters[0]);
  impl_->step.beta2_power = static_cast<float>(counters[1]);
  impl_->step.steps = static_cast<long>(counters[2]);
}

}  // namespace dpcore
