// SPDX-License-Identifier: LGPL-3.0-or-later
// The list of fittings: one line each.
#include <functional>
#include <map>
#include <string>
#include <type_traits>

#include "base/json_config.hpp"
#include "fitting/dipole.hpp"
#include "fitting/ener.hpp"
#include "fitting/polar.hpp"

namespace dpcore {

namespace {

struct Entry {
  std::function<std::unique_ptr<Fitting>(const nlohmann::json&, int ntypes, int dim_descriptor, int n_radial)>
      make;
  bool needs_rotation;
};

template <class F>
std::unique_ptr<Fitting> make(const nlohmann::json& config, int ntypes, int dim_descriptor, int n_radial) {
  if constexpr (std::is_constructible_v<F, const nlohmann::json&, int, int, int>) {
    return std::make_unique<F>(config, ntypes, dim_descriptor, n_radial);
  } else {
    return std::make_unique<F>(config, ntypes, dim_descriptor);
  }
}

template <template <class> class F>
std::unique_ptr<Fitting> in_precision(const nlohmann::json& config, int ntypes, int dim_descriptor,
                                      int n_radial) {
  const std::string precision =
      ConfigReader(config, "model/fitting_net").get_or<std::string>("precision", "float64");
  if (precision == "float64" || precision == "default")
    return make<F<double>>(config, ntypes, dim_descriptor, n_radial);
  if (precision == "float32") return make<F<float>>(config, ntypes, dim_descriptor, n_radial);
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

std::unique_ptr<Fitting> make_fitting(const nlohmann::json& config, int ntypes, int dim_descriptor,
                                      int n_radial) {
  return find(config).make(config, ntypes, dim_descriptor, n_radial);
}

}  // namespace dpcore
