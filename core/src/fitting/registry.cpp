// SPDX-License-Identifier: LGPL-3.0-or-later
// The list of fittings: one line each.
#include <functional>
#include <map>
#include <string>

#include "base/json_config.hpp"
#include "fitting/dipole.hpp"
#include "fitting/ener.hpp"
#include "fitting/polar.hpp"

namespace dpcore {

namespace {

struct Entry {
  std::function<std::unique_ptr<Fitting>(const nlohmann::json&, const FittingSizes&)> make;
  bool needs_rotation;
};

template <template <class> class F>
std::unique_ptr<Fitting> in_precision(const nlohmann::json& config, const FittingSizes& sizes) {
  const std::string precision =
      ConfigReader(config, "model/fitting_net").get_or<std::string>("precision", "float64");
  if (precision == "float64" || precision == "default") return std::make_unique<F<double>>(config, sizes);
  if (precision == "float32") return std::make_unique<F<float>>(config, sizes);
  throw Error("model/fitting_net/precision: expected float64 or float32, got '" + precision + "'");
}

const std::map<std::string, Entry>& registry() {
  static const std::map<std::string, Entry> entries = {
      {"dipole", {in_precision<DipoleFitting>, true}},
      {"ener", {in_precision<EnerFitting>, false}},
      {"polar", {in_precision<PolarFitting>, true}},
  };
  return entries;
}

const Entry& find(const nlohmann::json& config) {
  const std::string type = ConfigReader(config, "model/fitting_net").get_or<std::string>("type", "ener");
  const auto it = registry().find(type);
  if (it != registry().end()) return it->second;
  std::string known;
  for (const auto& [name, entry] : registry()) known += (known.empty() ? "" : ", ") + name;
  throw Error("model/fitting_net/type: '" + type + "' is not known to this version; known are: " + known);
}

}  // namespace

bool needs_rotation(const nlohmann::json& config) { return find(config).needs_rotation; }

std::unique_ptr<Fitting> make_fitting(const nlohmann::json& config, const FittingSizes& sizes) {
  return find(config).make(config, sizes);
}

}  // namespace dpcore
