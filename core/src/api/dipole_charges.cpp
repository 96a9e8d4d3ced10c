// SPDX-License-Identifier: LGPL-3.0-or-later
// The chain rule of the modifier dipole_charge for programs that have the electric forces.
#include "api/modifier_tensors.hpp"
#include "api/params.hpp"
#include "base/json_config.hpp"
#include "base/runtime.hpp"
#include "dpcore/modifier.h"
#include "modifier/dipole_charge.hpp"

namespace dpcore {

namespace {

DipoleCharges from_file(ModelFile&& file) {
  const auto text = file.metadata.find("config");
  if (text == file.metadata.end())
    throw Error("the model file has no 'config'; it was not written by dpcore");
  const nlohmann::json config = parse_json(text->second, "model config");
  const auto section = config.find("modifier");
  if (section == config.end() || section->is_null()) {
    Model model(text->second, file.tensors, Precision::Stored);
    if (model.kind() != "dipole") {
      throw Error(
          "a model of kind " + model.kind() +
          " without the modifier dipole_charge (DPLR) has no dipole model; expected the frozen energy "
          "model with its modifier, or a model of dipoles");
    }
    return {std::move(model), {}, {}, 0};
  }
  const std::string type = ConfigReader(*section, "model/modifier").get<std::string>("type");
  if (type != "dipole_charge") throw Error("model/modifier/type: expected dipole_charge, got " + type);
  const auto type_map = ConfigReader(config, "model").get<std::vector<std::string>>("type_map");
  const auto tensors = take_modifier(file.tensors);
  const DipoleCharge modifier(*section, type_map, tensors);
  return {Model((*section)["model"].dump(), tensors, Precision::Stored), modifier.atom_charges(),
          modifier.site_charges(), modifier.beta()};
}

}  // namespace

DipoleCharges read_dipole_charges(const std::string& path, const std::string& content) {
  ensure_runtime();
  ModelFile file =
      content.empty() ? ModelFile::read(path) : ModelFile::parse(content.data(), content.size(), path);
  try {
    return from_file(std::move(file));
  } catch (const Error& e) {
    throw Error(path + ": " + e.what());
  }
}

void dipole_charge_correction(const Model& dipole, const Neighborhood& atoms, const int* pairs, int n_pairs,
                              const double* electric_force, Model::Session& session, Prediction& out) {
  if (n_pairs < 0 || (n_pairs > 0 && pairs == nullptr))
    throw Error("pairs: expected at least 0 pairs and their atoms, got " + std::to_string(n_pairs) +
                (pairs == nullptr ? " (null)" : ""));
  if (atoms.n_local > 0 && electric_force == nullptr)
    throw Error("delef: the electric forces are missing (null)");
  const auto n_local = static_cast<std::size_t>(std::max(atoms.n_local, 0));
  check_finite(electric_force, 1, 3 * n_local, "delef");
  const std::vector<int> selected = dipole.sel_type();
  const auto seen = [&](int t) { return t >= 0 && t < dipole.ntypes(); };
  std::vector<double> weight(3 * n_local, 0.0);
  std::vector<int> host(n_local, -1);  // of sites
  std::vector<bool> paired(n_local, false);
  for (int k = 0; k < n_pairs; ++k) {
    const int pair[2] = {pairs[2 * k], pairs[2 * k + 1]};
    for (const int i : pair) {
      if (i < 0 || i >= atoms.n_local) {
        throw Error("pairs: pair " + std::to_string(k) + " has atom " + std::to_string(i) +
                    ", but both must be among the " + std::to_string(n_local) + " local atoms");
      }
      if (paired[static_cast<std::size_t>(i)])
        throw AtomError({i}, "is in two of the pairs of atom and site");
      paired[static_cast<std::size_t>(i)] = true;
    }
    if (std::find(selected.begin(), selected.end(), atoms.type[pair[0]]) == selected.end())
      throw AtomError({pair[0]}, "has a site, but its type is none for which the dipole model has dipoles");
    if (seen(atoms.type[pair[1]]))
      throw AtomError({pair[1]}, "is a site, but the dipole model takes it for an atom by its type");
    const auto i = static_cast<std::size_t>(pair[0]), s = static_cast<std::size_t>(pair[1]);
    host[s] = pair[0];
    for (std::size_t d = 0; d < 3; ++d) weight[3 * i + d] = -electric_force[3 * s + d];
  }
  Neighborhood in = atoms;
  in.weight = weight.data();
  dipole.predict(in, false, session, out);
  for (std::size_t i = 0; i < n_local; ++i) {
    const std::size_t to = host[i] < 0 ? i : static_cast<std::size_t>(host[i]);
    for (std::size_t d = 0; d < 3; ++d) out.force[3 * to + d] += electric_force[3 * i + d];
  }
}

}  // namespace dpcore
