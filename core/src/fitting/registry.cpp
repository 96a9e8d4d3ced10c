// SPDX-License-Identifier: LGPL-3.0-or-later
// The list of fittings: one line each.
#include <functional>
#include <map>
#include <string>

#include "base/json_config.hpp"
#include "fitting/ener.hpp"

namespace dpcore {

namespace {

using Maker = std::function<std::unique_ptr<Fitting>(const nlohmann::json&, int ntypes, int dim_descriptor)>;

template <template <class> class F>
std::unique_ptr<Fitting> in_precision(const nlohmann::json& config, int ntypes, int dim_descriptor) {
  const std::string precision = ConfigReader(config, "model/fitting_net").get_or<std::string>("precision", "float64");
  if (precision == "float64" || precision == "default") return std::make_unique<F<double>>(config, ntypes, dim_descriptor);
  if (precision == "float32") return std::make_unique<F<float>>(config, ntypes, dim_descriptor);
  throw Error("model/fitting_net/precision: expected float64 or float32, got '" + precision + "'");
}

const std::map<std::string, Maker>& registry() {
  static const std::map<std::string, Maker> makers = {
      {"ener", in_precision<EnerFitting>},
  };
  return makers;
}

}  // namespace

std::unique_ptr<Fitting> make_fitting(const nlohmann::json& config, int ntypes, int dim_descriptor) {
  const std::string type = ConfigReader(config, "model/fitting_net").get_or<std::string>("type", "ener");
  const auto it = registry().find(type);
  if (it != registry().end()) return it->second(config, ntypes, dim_descriptor);
  std::string known;
  for (const auto& [name, maker] : registry()) known += (known.empty() ? "" : ", ") + name;
  throw Error("model/fitting_net/type: '" + type + "' is not known to this version; known are: " + known);
}

}  // namespace dpcore
