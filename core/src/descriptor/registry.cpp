// SPDX-License-Identifier: LGPL-3.0-or-later
// The list of descriptors: one line each.
#include <functional>
#include <map>
#include <string>

#include "base/json_config.hpp"
#include "descriptor/hybrid.hpp"
#include "descriptor/se_e2_a.hpp"
#include "descriptor/se_e2_r.hpp"

namespace dpcore {

namespace {

using Maker = std::function<std::unique_ptr<Descriptor>(const nlohmann::json&, int ntypes)>;

template <template <class> class D>
std::unique_ptr<Descriptor> in_precision(const nlohmann::json& config, int ntypes) {
  const std::string precision =
      ConfigReader(config, "model/descriptor").get_or<std::string>("precision", "float64");
  // "mixed" comes from with_precision (model/precision.hpp), not from a file
  if (precision == "float64" || precision == "default" || precision == "mixed")
    return std::make_unique<D<double>>(config, ntypes);
  if (precision == "float32") return std::make_unique<D<float>>(config, ntypes);
  throw Error("model/descriptor/precision: expected float64 or float32, got '" + precision + "'");
}

const std::map<std::string, Maker>& registry() {
  static const std::map<std::string, Maker> makers = {
      {"hybrid",
       [](const nlohmann::json& config, int ntypes) { return std::make_unique<Hybrid>(config, ntypes); }},
      {"se_e2_a", in_precision<SeE2A>},
      {"se_e2_r", in_precision<SeE2R>},
  };
  return makers;
}

}  // namespace

std::unique_ptr<Descriptor> make_descriptor(const nlohmann::json& config, int ntypes) {
  const std::string type = ConfigReader(config, "model/descriptor").get<std::string>("type");
  const auto it = registry().find(type);
  if (it != registry().end()) return it->second(config, ntypes);
  std::string known;
  for (const auto& [name, maker] : registry()) known += (known.empty() ? "" : ", ") + name;
  throw Error("model/descriptor/type: '" + type + "' is not known to this version; known are: " + known);
}

}  // namespace dpcore
