// SPDX-License-Identifier: LGPL-3.0-or-later
#include "model/precision.hpp"

#include <cstdlib>

#include "dpcore/errors.h"

namespace dpcore {

namespace {

void set_descriptor(nlohmann::json& descriptor, const char* word) {
  const auto list = descriptor.find("list");
  if (list == descriptor.end()) {
    descriptor["precision"] = word;
  } else if (list->is_array()) {  // hybrid
    for (auto& one : *list) {
      if (one.is_object()) set_descriptor(one, word);
    }
  }
}

}  // namespace

Precision precision_from(const std::string& word) {
  if (word == "high") return Precision::High;
  if (word == "mixed") return Precision::Mixed;
  if (word == "low") return Precision::Low;
  const std::string expected = "expected high, mixed or low, got '";
  if (!word.empty()) throw Error("precision: " + expected + word + "'");
  const char* text = std::getenv("DP_INTERFACE_PREC");
  if (text == nullptr || *text == '\0') return Precision::Stored;
  try {
    return precision_from(text);
  } catch (const Error&) {
    throw Error("environment variable DP_INTERFACE_PREC: " + expected + text + "'");
  }
}

std::string name_of(Precision p) {
  switch (p) {
    case Precision::High:
      return "high";
    case Precision::Mixed:
      return "mixed";
    case Precision::Low:
      return "low";
    default:
      return "stored";
  }
}

nlohmann::json with_precision(nlohmann::json config, Precision p) {
  if (p == Precision::Stored) return config;
  const auto descriptor = config.find("descriptor"), fitting = config.find("fitting_net");
  if (descriptor != config.end() && descriptor->is_object()) {
    set_descriptor(*descriptor,
                   p == Precision::High ? "float64" : (p == Precision::Mixed ? "mixed" : "float32"));
  }
  if (fitting != config.end() && fitting->is_object())
    (*fitting)["precision"] = p == Precision::High ? "float64" : "float32";
  const auto types = config.find("type_embedding");  // made once: float64 costs nothing
  if (types != config.end() && types->is_object()) (*types)["precision"] = "float64";
  return config;
}

}  // namespace dpcore
