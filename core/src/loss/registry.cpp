// SPDX-License-Identifier: LGPL-3.0-or-later
// The list of losses, and the fittings they are for.
#include "base/json_config.hpp"
#include "loss/energy_loss.hpp"
#include "loss/tensor_loss.hpp"

namespace dpcore {

std::unique_ptr<Loss> make_loss(const nlohmann::json& config, const std::string& kind) {
  const ConfigReader in(config, "loss");
  const auto type = in.get_or<std::string>("type", "ener");
  in.require(type == "ener" || type == "tensor", "type",
             "'" + type + "' is not known to this version; known are: ener, tensor");
  const std::string wanted = kind == "ener" ? "ener" : "tensor";
  in.require(type == wanted, "type",
             "a model with the fitting " + kind + " is trained with the loss " + wanted + ", not " + type);
  if (type == "tensor") return std::make_unique<TensorLoss>(config);
  return std::make_unique<EnergyLoss>(config);
}

}  // namespace dpcore
