// SPDX-License-Identifier: LGPL-3.0-or-later
#include "dpcore/model.h"

#include <cmath>
#include <mutex>

#include "api/frames.hpp"
#include "api/params.hpp"
#include "api/session.hpp"
#include "api/table_watch.hpp"
#include "base/json_config.hpp"
#include "base/runtime.hpp"

namespace dpcore {

namespace {

std::vector<double>::iterator at(std::vector<double>& v, std::size_t i) {
  return v.begin() + static_cast<std::ptrdiff_t>(i);
}

}  // namespace

struct Model::Impl {
  Potential potential;
  std::string config;
  std::mutex mutex;
  std::vector<std::unique_ptr<SessionData>> idle;
  TableWatch watch;

  explicit Impl(const std::string& text) : potential(parse_json(text, "model config")), config(text), watch(potential) {}

  std::unique_ptr<SessionData> take() {
    const std::lock_guard<std::mutex> lock(mutex);
    if (idle.empty()) return std::make_unique<SessionData>();
    auto s = std::move(idle.back());
    idle.pop_back();
    return s;
  }
  void give_back(std::unique_ptr<SessionData> s) {
    const std::lock_guard<std::mutex> lock(mutex);
    idle.push_back(std::move(s));
  }
};

Model::Model(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Model::~Model() = default;
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;

Model::Model(const std::string& config, const std::map<std::string, Tensor>& tensors) {
  ensure_runtime();
  impl_ = std::make_unique<Impl>(config);
  impl_->potential.load(tensors);
}

Model Model::create(const std::string& config, const std::map<std::string, Tensor>& statistics) {
  ensure_runtime();
  auto impl = std::make_unique<Impl>(config);
  impl->potential.load(statistics, false);
  impl->potential.initialize();
  return Model(std::move(impl));
}

namespace {

Model from_file(const ModelFile& file, const std::string& name) {
  const auto config = file.metadata.find("config");
  if (config == file.metadata.end()) throw Error(name + ": the model file has no 'config'; it was not written by dpcore");
  try {
    return Model(config->second, file.tensors);
  } catch (const Error& e) {
    throw Error(name + ": " + e.what());
  }
}

}  // namespace

Model Model::read(const std::string& path) { return from_file(ModelFile::read(path), path); }

Model Model::parse(const std::string& bytes, const std::string& name) {
  return from_file(ModelFile::parse(bytes.data(), bytes.size(), name), name);
}

const std::string& Model::config() const { return impl_->config; }
std::map<std::string, Tensor> Model::tensors() const { return impl_->potential.tensors(); }
double Model::rcut() const { return impl_->potential.rcut(); }
int Model::ntypes() const { return impl_->potential.ntypes(); }
int Model::dim_fparam() const { return impl_->potential.fitting().dim_fparam(); }
int Model::dim_aparam() const { return impl_->potential.fitting().dim_aparam(); }
const std::vector<std::string>& Model::type_map() const { return impl_->potential.type_map(); }
std::vector<TableInfo> Model::tables() const { return impl_->potential.descriptor().tables(); }
Potential& Model::potential() const { return impl_->potential; }

void Model::watch_tables(const OutsideTable& outside, int n_frames, Prediction& out) const {
  impl_->watch.add(outside, n_frames, out);
}

Prediction Model::predict(const Frames& frames, bool atomic) const {
  check_frames(frames, ntypes());
  check_params(frames, dim_fparam(), dim_aparam());
  const auto n_frames = static_cast<std::size_t>(frames.n_frames), n_atoms = static_cast<std::size_t>(frames.n_atoms);
  Prediction out;
  out.energy.resize(n_frames);
  out.force.resize(3 * n_frames * n_atoms);
  out.virial.resize(9 * n_frames);
  out.atom_energy.resize(n_frames * n_atoms);
  if (atomic) out.atom_virial.resize(9 * n_frames * n_atoms);

  OutsideTable outside;
  auto session = impl_->take();
  const int group = frames_per_group(frames);
  for (int begin = 0; begin < frames.n_frames; begin += group) {
    const int end = std::min(frames.n_frames, begin + group);
    build_structure(frames, begin, end, rcut(), session->lists, session->structure);
    assign_params(frames, begin, end, dim_fparam(), dim_aparam(), session->params);
    const Evaluation& e = session->evaluation;
    name_overlaps(session->structure, begin, [&] {
      evaluate(impl_->potential, session->structure, session->params, atomic, session->team, session->evaluation);
    });
    const auto b = static_cast<std::size_t>(begin);
    std::copy(e.energy.begin(), e.energy.end(), at(out.energy, b));
    std::copy(e.force.begin(), e.force.end(), at(out.force, 3 * b * n_atoms));
    std::copy(e.virial.begin(), e.virial.end(), at(out.virial, 9 * b));
    std::copy(e.atom_energy.begin(), e.atom_energy.end(), at(out.atom_energy, b * n_atoms));
    if (atomic) std::copy(e.atom_virial.begin(), e.atom_virial.end(), at(out.atom_virial, 9 * b * n_atoms));
    for (std::size_t f = 0; f < e.energy.size(); ++f) {
      if (!std::isfinite(e.energy[f])) {
        throw Error("frame " + std::to_string(b + f) + ": the model gives an energy that is not finite");
      }
    }
    count_overflow(e.overflow, type_map(), "frames " + std::to_string(begin) + " to " + std::to_string(end - 1), out);
    outside.add(e.outside.pairs, e.outside.nearest);
  }
  impl_->watch.add(outside, frames.n_frames, out);
  impl_->give_back(std::move(session));
  return out;
}

}  // namespace dpcore
