// SPDX-License-Identifier: LGPL-3.0-or-later
// The list of descriptors: one line each.
#include <functional>
#include <map>
#include <string>
#include <type_traits>

#include "base/json_config.hpp"
#include "descriptor/hybrid.hpp"
#include "descriptor/loc_frame.hpp"
#include "descriptor/se_a_tpe.hpp"
#include "descriptor/se_e2_a.hpp"
#include "descriptor/se_e2_r.hpp"
#include "descriptor/se_e3.hpp"

namespace dpcore {

namespace {

using Maker = std::function<std::unique_ptr<Descriptor>(const nlohmann::json&, int ntypes, int n_types)>;

/// A descriptor that has no use for the table of types is not told of it.
template <class D>
std::unique_ptr<Descriptor> make(const nlohmann::json& config, int ntypes, int n_types) {
  if constexpr (std::is_constructible_v<D, const nlohmann::json&, int, int>) {
    return std::make_unique<D>(config, ntypes, n_types);
  } else {
    return std::make_unique<D>(config, ntypes);
  }
}

template <template <class> class D>
std::unique_ptr<Descriptor> in_precision(const nlohmann::json& config, int ntypes, int n_types) {
  const std::string precision =
      ConfigReader(config, "model/descriptor").get_or<std::string>("precision", "float64");
  // "mixed" comes from with_precision (model/precision.hpp), not from a file
  if (precision == "float64" || precision == "default" || precision == "mixed")
    return make<D<double>>(config, ntypes, n_types);
  if (precision == "float32") return make<D<float>>(config, ntypes, n_types);
  throw Error("model/descriptor/precision: expected float64 or float32, got '" + precision + "'");
}

const std::map<std::string, Maker>& registry() {
  static const std::map<std::string, Maker> makers = {
      {"hybrid", make<Hybrid>},         {"loc_frame", make<LocFrame>},    {"se_a_tpe", in_precision<SeATpe>},
      {"se_e2_a", in_precision<SeE2A>}, {"se_e2_r", in_precision<SeE2R>}, {"se_e3", in_precision<SeE3>},
  };
  return makers;
}

}  // namespace

std::unique_ptr<Descriptor> make_descriptor(const nlohmann::json& config, int ntypes, int n_types) {
  const std::string type = ConfigReader(config, "model/descriptor").get<std::string>("type");
  const auto it = registry().find(type);
  if (it != registry().end()) return it->second(config, ntypes, n_types);
  std::string known;
  for (const auto& [name, maker] : registry()) known += (known.empty() ? "" : ", ") + name;
  throw Error("model/descriptor/type: '" + type + "' is not known to this version; known are: " + known);
}

}  // namespace dpcore
