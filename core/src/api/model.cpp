// SPDX-License-Identifier: LGPL-3.0-or-later
#include "dpcore/model.h"

#include <cmath>
#include <mutex>

#include "api/frames.hpp"
#include "api/modifier_tensors.hpp"
#include "api/params.hpp"
#include "api/session.hpp"
#include "api/table_watch.hpp"
#include "base/json_config.hpp"
#include "base/runtime.hpp"
#include "dpcore/modifier.h"
#include "model/precision.hpp"

namespace dpcore {

namespace {

std::vector<double>::iterator at(std::vector<double>& v, std::size_t i) {
  return v.begin() + static_cast<std::ptrdiff_t>(i);
}

/// [n_out, n, width] of frames from `first` on into [n_frames, n_out, width]
void put_frames(const std::vector<double>& from, std::size_t n, std::size_t n_out, std::size_t width,
                std::size_t first, std::vector<double>& to) {
  for (std::size_t c = 0; c < n_out; ++c) {
    for (std::size_t f = 0; f < n; ++f) {
      const auto begin = from.begin() + static_cast<std::ptrdiff_t>((c * n + f) * width);
      std::copy(begin, begin + static_cast<std::ptrdiff_t>(width), at(to, ((first + f) * n_out + c) * width));
    }
  }
}

/// Energy, force and virial of `more`, and its counts
void add(const Prediction& more, Prediction& out) {
  const auto sum = [](const std::vector<double>& from, std::vector<double>& to) {
    for (std::size_t i = 0; i < from.size(); ++i) to[i] += from[i];
  };
  sum(more.energy, out.energy);
  sum(more.force, out.force);
  sum(more.virial, out.virial);
  out.overflow_atoms += more.overflow_atoms;
  out.overflow_worst = std::max(out.overflow_worst, more.overflow_worst);
}

}  // namespace

struct Model::Impl {
  Potential potential;
  std::unique_ptr<DataModifier> modifier;
  std::string config;
  Precision precision;
  std::mutex mutex;
  std::vector<std::unique_ptr<SessionData>> idle;
  TableWatch watch;

  explicit Impl(const std::string& text, Precision p = Precision::Stored)
      : potential(with_precision(parse_json(text, "model config"), p)),
        config(text),
        precision(p),
        watch(potential) {}

  /// The tensors of the modifier, and those of the potential.
  void load(const std::map<std::string, Tensor>& tensors, bool networks) {
    const auto& section = potential.config().find("modifier");
    if (section == potential.config().end() || section->is_null()) {
      potential.load(tensors, networks);
      return;
    }
    if (potential.kind() != "ener") {
      throw Error("model/modifier: a modifier belongs to a model of energies; this one is of kind " +
                  potential.kind());
    }
    std::map<std::string, Tensor> own = tensors;
    const auto others = take_modifier(own);
    modifier = std::make_unique<DataModifier>(section->dump(), potential.type_map(), others);
    potential.load(own, networks);
  }

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

Model::Model(const std::string& config, const std::map<std::string, Tensor>& tensors, Precision precision) {
  ensure_runtime();
  impl_ = std::make_unique<Impl>(config, precision);
  impl_->load(tensors, true);
}

Model Model::create(const std::string& config, const std::map<std::string, Tensor>& statistics) {
  ensure_runtime();
  auto impl = std::make_unique<Impl>(config);
  impl->load(statistics, false);
  impl->potential.initialize();
  return Model(std::move(impl));
}

namespace {

Model from_file(const ModelFile& file, const std::string& name, Precision precision) {
  const auto config = file.metadata.find("config");
  if (config == file.metadata.end())
    throw Error(name + ": the model file has no 'config'; it was not written by dpcore");
  try {
    return Model(config->second, file.tensors, precision);
  } catch (const Error& e) {
    throw Error(name + ": " + e.what());
  }
}

}  // namespace

Model Model::read(const std::string& path, Precision precision) {
  return from_file(ModelFile::read(path), path, precision);
}

Model Model::parse(const std::string& bytes, const std::string& name, Precision precision) {
  return from_file(ModelFile::parse(bytes.data(), bytes.size(), name), name, precision);
}

const std::string& Model::config() const { return impl_->config; }
Precision Model::precision() const { return impl_->precision; }
std::map<std::string, Tensor> Model::tensors() const {
  auto out = impl_->potential.tensors();
  if (impl_->modifier) {
    for (auto& [name, tensor] : impl_->modifier->tensors()) out[kModifierPrefix + name] = tensor;
  }
  return out;
}
bool Model::has_modifier() const { return impl_->modifier != nullptr; }
double Model::rcut() const { return impl_->potential.rcut(); }
int Model::ntypes() const { return impl_->potential.ntypes(); }
int Model::n_out() const { return impl_->potential.fitting().n_out(); }
std::string Model::kind() const { return impl_->potential.kind(); }
std::vector<int> Model::sel_type() const {
  std::vector<int> selected;
  for (int t = 0; t < ntypes(); ++t) {
    if (impl_->potential.fitting().selects(t)) selected.push_back(t);
  }
  return selected;
}
int Model::dim_descriptor() const { return impl_->potential.dim_descriptor(); }
int Model::dim_fparam() const { return impl_->potential.fitting().dim_fparam(); }
int Model::dim_aparam() const { return impl_->potential.dim_aparam(); }
bool Model::is_aparam_nall() const { return impl_->potential.descriptor().dim_aparam() > 0; }
const std::vector<std::string>& Model::type_map() const { return impl_->potential.type_map(); }
std::vector<TableInfo> Model::tables() const { return impl_->potential.descriptor().tables(); }
Potential& Model::potential() const { return impl_->potential; }

void Model::watch_tables(const OutsideTable& outside, int n_frames, Prediction& out) const {
  impl_->watch.add(outside, n_frames, out);
}

Prediction Model::predict(const Frames& frames, bool atomic, bool derivatives) const {
  check_frames(frames, ntypes());
  check_params(frames, dim_fparam(), dim_aparam());
  const auto n_frames = static_cast<std::size_t>(frames.n_frames),
             n_atoms = static_cast<std::size_t>(frames.n_atoms);
  const auto k = static_cast<std::size_t>(n_out());
  if (impl_->modifier && atomic) {
    throw Error(
        "the model has the modifier dipole_charge, whose energy does not divide into atoms: there are no "
        "atomic "
        "energies and virials");
  }
  Prediction out;
  out.energy.resize(n_frames * k);
  out.atom_energy.resize(n_frames * n_atoms * k);
  if (derivatives) {
    out.force.resize(3 * n_frames * n_atoms * k);
    out.virial.resize(9 * n_frames * k);
    if (atomic) out.atom_virial.resize(9 * n_frames * n_atoms * k);
  }

  OutsideTable outside;
  auto session = impl_->take();
  const int group = frames_per_group(frames);
  for (int begin = 0; begin < frames.n_frames; begin += group) {
    const int end = std::min(frames.n_frames, begin + group);
    build_structure(frames, begin, end, rcut(), session->lists, session->structure);
    assign_params(frames, begin, end, dim_fparam(), dim_aparam(), session->params);
    assign_neighbor_params(frames, begin, impl_->potential.descriptor().dim_aparam(), session->structure);
    const Evaluation& e = session->evaluation;
    name_overlaps(session->structure, begin, [&] {
      evaluate(impl_->potential, session->structure, session->params, derivatives && atomic, session->team,
               session->evaluation, derivatives);
    });
    const auto b = static_cast<std::size_t>(begin), n = static_cast<std::size_t>(end - begin);
    std::copy(e.energy.begin(), e.energy.end(), at(out.energy, b * k));
    std::copy(e.atom_energy.begin(), e.atom_energy.end(), at(out.atom_energy, b * n_atoms * k));
    if (derivatives) {
      put_frames(e.force, n, k, 3 * n_atoms, b, out.force);
      put_frames(e.virial, n, k, 9, b, out.virial);
      if (atomic) put_frames(e.atom_virial, n, k, 9 * n_atoms, b, out.atom_virial);
    }
    for (std::size_t f = 0; f < e.energy.size(); ++f) {
      if (!std::isfinite(e.energy[f])) {
        throw Error("frame " + std::to_string(b + f / k) + ": the model gives " +
                    (k == 1 ? "an energy" : "a tensor") + " that is not finite");
      }
    }
    count_overflow(e.overflow, type_map(),
                   "frames " + std::to_string(begin) + " to " + std::to_string(end - 1), out);
    outside.add(e.outside.pairs, e.outside.nearest);
  }
  impl_->watch.add(outside, frames.n_frames, out);
  impl_->give_back(std::move(session));
  if (impl_->modifier) {
    add(impl_->modifier->predict(frames, derivatives), out);
    out.atom_energy.clear();  // those of the net alone
  }
  return out;
}

Prediction Model::descriptors(const Frames& frames) const {
  check_frames(frames, ntypes());
  const int dim = impl_->potential.descriptor().dim_aparam();
  check_params(frames, 0, dim);
  const auto n_atoms = static_cast<std::size_t>(frames.n_atoms),
             width = static_cast<std::size_t>(dim_descriptor());
  Prediction out;
  out.descriptor.resize(static_cast<std::size_t>(frames.n_frames) * n_atoms * width);
  OutsideTable outside;
  auto session = impl_->take();
  const int group = frames_per_group(frames);
  for (int begin = 0; begin < frames.n_frames; begin += group) {
    const int end = std::min(frames.n_frames, begin + group);
    build_structure(frames, begin, end, rcut(), session->lists, session->structure);
    assign_neighbor_params(frames, begin, dim, session->structure);
    const Evaluation& e = session->evaluation;
    name_overlaps(session->structure, begin, [&] {
      evaluate_descriptors(impl_->potential, session->structure, session->team, session->evaluation);
    });
    std::copy(e.descriptor.begin(), e.descriptor.end(),
              at(out.descriptor, static_cast<std::size_t>(begin) * n_atoms * width));
    count_overflow(e.overflow, type_map(),
                   "frames " + std::to_string(begin) + " to " + std::to_string(end - 1), out);
    outside.add(e.outside.pairs, e.outside.nearest);
  }
  impl_->watch.add(outside, frames.n_frames, out);
  impl_->give_back(std::move(session));
  return out;
}

}  // namespace dpcore
