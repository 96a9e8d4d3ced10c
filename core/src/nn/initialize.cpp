// SPDX-License-Identifier: LGPL-3.0-or-later
#include "nn/initialize.hpp"

#include <cmath>

namespace dpcore {

namespace {

double uniform(std::mt19937_64& generator) {  // (0, 1)
  return (static_cast<double>(generator() >> 11) + 0.5) * 0x1.0p-53;
}

double normal(std::mt19937_64& generator) {
  const double u = uniform(generator), v = uniform(generator);
  return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v);
}

bool ends_with(const std::string& s, const std::string& end) {
  return s.size() >= end.size() && s.compare(s.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

void initialize_network(ParameterBlock& block, std::mt19937_64& generator, double mean_idt) {
  std::vector<double> values;
  for (const auto& p : block.parameters()) {
    double mean = 0.0, sigma = 1.0;
    if (ends_with(p.name, "matrix")) {
      sigma = 1.0 / std::sqrt(static_cast<double>(p.shape[0] + p.shape[1]));
    } else if (ends_with(p.name, "idt")) {
      mean = mean_idt;
      sigma = 0.001;
    }
    values.resize(p.size);
    for (auto& v : values) v = mean + sigma * normal(generator);
    block.set(p, values.data());
  }
}

std::mt19937_64 network_generator(const nlohmann::json& config, std::uint64_t salt) {
  const auto seed = config.find("seed");
  if (seed == config.end() || seed->is_null()) {
    std::random_device entropy;
    return std::mt19937_64((static_cast<std::uint64_t>(entropy()) << 32) ^ entropy());
  }
  return std::mt19937_64(static_cast<std::uint64_t>(seed->get<std::int64_t>()) * 0x9E3779B97F4A7C15ULL +
                         salt);
}

}  // namespace dpcore
