// SPDX-License-Identifier: LGPL-3.0-or-later
// Random start of networks: W ~ N(0, 1/(n_in + n_out)), b ~ N(mean_bias, 1), idt ~ N(mean_idt, 0.001^2).
//
// Normal deviates come from our own Box-Muller transform of the standard 64-bit Mersenne twister, so that a
// seed gives the same network with every compiler (std::normal_distribution does not promise that).
#pragma once

#include <random>

#include <nlohmann/json.hpp>

#include "nn/parameter_store.hpp"

namespace dpcore {

/// Fill a network's parameters by the ending of their names (matrix, bias, idt). mean_idt is 1 for embedding
/// nets and 0.1 for fitting nets.
void initialize_network(ParameterBlock&, std::mt19937_64& generator, double mean_idt);

/// The generator for config["seed"] (null: fresh entropy); `salt` separates the networks of one model.
std::mt19937_64 network_generator(const nlohmann::json& config, std::uint64_t salt);

}  // namespace dpcore
