// SPDX-License-Identifier: LGPL-3.0-or-later
// The list of modifiers: one line each.
#include <functional>

#include "base/json_config.hpp"
#include "modifier/dipole_charge.hpp"

namespace dpcore {

namespace {

using Make = std::function<std::unique_ptr<Modifier>(const nlohmann::json&, const std::vector<std::string>&,
                                                     const std::map<std::string, Tensor>&)>;

template <class M>
std::unique_ptr<Modifier> make(const nlohmann::json& config, const std::vector<std::string>& type_map,
                               const std::map<std::string, Tensor>& tensors) {
  return std::make_unique<M>(config, type_map, tensors);
}

const std::map<std::string, Make>& registry() {
  static const std::map<std::string, Make> entries = {
      {"dipole_charge", make<DipoleCharge>},
  };
  return entries;
}

}  // namespace

std::unique_ptr<Modifier> make_modifier(const nlohmann::json& config,
                                        const std::vector<std::string>& type_map,
                                        const std::map<std::string, Tensor>& tensors) {
  const std::string type = ConfigReader(config, "model/modifier").get<std::string>("type");
  const auto it = registry().find(type);
  if (it != registry().end()) return it->second(config, type_map, tensors);
  std::string known;
  for (const auto& [name, entry] : registry()) known += (known.empty() ? "" : ", ") + name;
  throw Error("model/modifier/type: '" + type + "' is not known to this version; known are: " + known);
}

}  // namespace dpcore
