// SPDX-License-Identifier: LGPL-3.0-or-later
#include "model/potential.hpp"

#include <cmath>
#include <set>

#include "base/json_config.hpp"
#include "model/tensor_convert.hpp"

namespace dpcore {

namespace {

constexpr const char *kTableInfo = "short_range/tab_info", *kTableData = "short_range/tab_data";

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string s = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) s += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return s + "]";
}

/// The values of a tensor of either precision; checks shape and finiteness.
std::vector<double> values(const std::map<std::string, Tensor>& tensors, const std::string& name,
                           const std::vector<std::int64_t>& shape) {
  const auto it = tensors.find(name);
  if (it == tensors.end()) throw Error("model: tensor '" + name + "' is missing");
  if (it->second.shape != shape) {
    throw Error("model: tensor '" + name + "' has shape " + shape_text(it->second.shape) +
                "; the model's config asks for " + shape_text(shape));
  }
  std::vector<double> v = to_doubles(it->second, name);
  for (const double x : v) {
    if (!std::isfinite(x)) throw Error("model: tensor '" + name + "' holds a number that is not finite");
  }
  return v;
}

/// [n, 6, width] or, where it is none, an error that says so
StoredTable stored_table(const std::map<std::string, Tensor>& tensors, const std::string& name, int width) {
  const auto it = tensors.find(name);
  const bool table = it != tensors.end() && it->second.shape.size() == 3 && it->second.shape[0] > 0;
  return {values(tensors, name + "_info", {8}),
          values(tensors, name, {table ? it->second.shape[0] : 1, 6, width})};
}

void load_block(const std::map<std::string, Tensor>& tensors, const std::string& prefix,
                ParameterBlock& block) {
  for (const auto& p : block.parameters()) block.set(p, values(tensors, prefix + p.name, p.shape).data());
}

void save_block(const ParameterBlock& block, const std::string& prefix, std::map<std::string, Tensor>& out) {
  std::vector<double> v;
  for (const auto& p : block.parameters()) {
    v.resize(p.size);
    block.get(p, v.data());
    out[prefix + p.name] = from_doubles(v, p.shape, block.is_float() ? DType::F32 : DType::F64);
  }
}

}  // namespace

Potential::Potential(const nlohmann::json& config) : config_(config) {
  const ConfigReader in(config_, "model");
  type_map_ = in.get<std::vector<std::string>>("type_map");
  in.require(!type_map_.empty(), "type_map", "expected at least one element name");
  const auto types = in.get_or<nlohmann::json>("type_embedding", {});
  if (!types.is_null()) types_ = make_type_embedding(types, ntypes());
  const int n_types = types_ ? types_->n_out() : 0;
  descriptor_ = make_descriptor(in.get<nlohmann::json>("descriptor"), ntypes(), n_types);
  const auto fitting = in.get<nlohmann::json>("fitting_net");
  dim_descriptor_ = descriptor_->dim_out();
  const int n_radial = needs_rotation(fitting) ? descriptor_->append_rotation() : 0;
  if (needs_rotation(fitting) && n_radial == 0) {
    throw Error("model/fitting_net/type: " + kind() +
                " needs the rotation matrix of a descriptor that has one, as se_e2_a; " +
                config_["descriptor"]["type"].get<std::string>() + " has none");
  }
  fitting_ =
      make_fitting(fitting, {ntypes(), descriptor_->dim_out(), n_radial, n_types, descriptor_->symmetric()});
  const int neighbors = descriptor_->dim_aparam();
  in.require(neighbors == 0 || kind() == "ener", "descriptor",
             "its numb_aparam is " + std::to_string(neighbors) + ", but a model of kind " + kind() +
                 " takes no atomic parameters");
  in.require(neighbors == 0 || fitting_->dim_aparam() == 0 || fitting_->dim_aparam() == neighbors,
             "descriptor",
             "its numb_aparam is " + std::to_string(neighbors) + ", that of the fitting net " +
                 std::to_string(fitting_->dim_aparam()) +
                 ": both take the same numbers of an atom; expected one number, or 0");
  if (in.get_or<std::string>("use_srtab", "").empty()) return;
  in.require(kind() == "ener", "use_srtab",
             "a short-range table is one of energies; the model is of kind " + kind());
  // the neighbours are those of the descriptor with the largest cut-off, as in the reference
  EnvSpec widest;
  for (const auto& part : descriptor_->parts()) {
    const EnvSpec spec = part.descriptor->env_spec();
    if (spec.rcut > widest.rcut) widest = spec;
  }
  short_range_ = std::make_unique<ShortRange>(config_, Cutoff(widest.rcut, 0.0).rcut, widest.sel);
}

double Potential::short_range_bias(int type) const {
  if (!short_range_->adds_bias()) return 0.0;
  return fitting_->constants().at("bias_atom_e")[static_cast<std::size_t>(type)];
}

std::vector<std::pair<std::string, ParameterBlock*>> Potential::blocks() const {
  std::vector<std::pair<std::string, ParameterBlock*>> out;
  for (const auto& part : descriptor_->parts())
    out.emplace_back("descriptor/" + part.prefix, &part.descriptor->parameters());
  if (types_) out.emplace_back("type_embedding/", &types_->parameters());
  out.emplace_back("fitting/", &fitting_->parameters());
  return out;
}

void Potential::load(const std::map<std::string, Tensor>& tensors, bool networks) {
  std::set<std::string> known;
  for (const auto& part : descriptor_->parts()) {
    const std::string davg = "descriptor/" + part.prefix + "davg",
                      dstd = "descriptor/" + part.prefix + "dstd";
    const std::vector<std::int64_t> shape = {ntypes(), part.descriptor->env_spec().n_components};
    const auto deviation = values(tensors, dstd, shape);
    for (const double s : deviation) {
      if (!(s > 0)) throw Error("model: tensor '" + dstd + "' must be positive");
    }
    part.descriptor->set_statistics(values(tensors, davg, shape), deviation);
    known.insert({davg, dstd});
    for (const auto& net : part.descriptor->stored_tables()) {
      const std::string name = "descriptor/" + part.prefix + net + "/table";
      try {
        part.descriptor->set_table(net, stored_table(tensors, name, part.descriptor->table_width()));
      } catch (const Error& e) {
        const std::string what = e.what();
        throw Error(what.rfind("model: ", 0) == 0 ? what : "model: tensor '" + name + "': " + what);
      }
      known.insert({name, name + "_info"});
    }
  }
  for (auto& [name, constant] : fitting_->constants()) {
    if (!constant.empty()) {
      known.insert("fitting/" + name);
      constant = values(tensors, "fitting/" + name, {static_cast<std::int64_t>(constant.size())});
    }
  }
  if (short_range_) {
    const auto info = values(tensors, kTableInfo, {4});
    const auto size = static_cast<std::int64_t>(short_range_->data_size(info));
    short_range_->set_table(info, values(tensors, kTableData, {size}));
    known.insert({kTableInfo, kTableData});
  }
  for (const auto& [prefix, block] : blocks()) {
    if (networks) load_block(tensors, prefix, *block);
    for (const auto& p : block->parameters()) known.insert(prefix + p.name);
  }
  if (networks) {
    refresh_derived();
    descriptor_->finish_loading();
  }
  for (const auto& [name, tensor] : tensors) {
    if (known.count(name) == 0 && name.rfind("trainer/", 0) != 0) {
      throw Error("model: tensor '" + name + "' does not belong to a model with this config");
    }
  }
}

std::map<std::string, Tensor> Potential::tensors() const {
  std::map<std::string, Tensor> out;
  for (const auto& part : descriptor_->parts()) {
    const std::vector<std::int64_t> shape = {ntypes(), part.descriptor->env_spec().n_components};
    out["descriptor/" + part.prefix + "davg"] = from_doubles(part.descriptor->davg(), shape, DType::F64);
    out["descriptor/" + part.prefix + "dstd"] = from_doubles(part.descriptor->dstd(), shape, DType::F64);
    const DType dtype = part.descriptor->parameters().is_float() ? DType::F32 : DType::F64;
    const std::int64_t width = part.descriptor->table_width();
    for (const auto& net : part.descriptor->stored_tables()) {
      const std::string name = "descriptor/" + part.prefix + net + "/table";
      const StoredTable table = part.descriptor->table(net);
      const auto n = static_cast<std::int64_t>(table.rows.size()) / (6 * width);
      out[name + "_info"] = from_doubles(table.info, {8}, DType::F64);
      out[name] = from_doubles(table.rows, {n, 6, width}, dtype);
    }
  }
  for (const auto& [name, constant] : fitting_->constants()) {
    if (constant.empty()) continue;
    out["fitting/" + name] = from_doubles(constant, {static_cast<std::int64_t>(constant.size())}, DType::F64);
  }
  if (short_range_) {
    const auto& data = short_range_->data();
    out[kTableInfo] = from_doubles(short_range_->info(), {4}, DType::F64);
    out[kTableData] = from_doubles(data, {static_cast<std::int64_t>(data.size())}, DType::F64);
  }
  for (const auto& [prefix, block] : blocks()) save_block(*block, prefix, out);
  return out;
}

void Potential::refresh_derived() {
  descriptor_->refresh_derived();
  fitting_->refresh_derived();
  if (!types_) return;
  const std::vector<double> table = types_->table();
  descriptor_->set_types(table);
  fitting_->set_types(table);
}

void Potential::backward_types(const std::vector<Fitting::State*>& fitting) {
  if (!types_) return;
  const auto n = static_cast<std::size_t>(types_->n_out());
  std::vector<double> te_bar(n * type_map_.size(), 0.0);
  descriptor_->add_type_gradients(te_bar);
  for (const Fitting::State* state : fitting) {
    for (std::size_t k = 0; k < n; ++k)
      te_bar[static_cast<std::size_t>(state->type) * n + k] += state->type_bar[k];
  }
  types_->backward(te_bar);
}

void Potential::initialize() {
  if (types_) types_->initialize();
  fitting_->initialize();
  descriptor_->initialize();
  refresh_derived();
  descriptor_->finish_loading();
}

}  // namespace dpcore
