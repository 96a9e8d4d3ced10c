// SPDX-License-Identifier: LGPL-3.0-or-later
// Reading a section of the (already normalised) model config with errors that name the key.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <type_traits>
#include <vector>

#include <nlohmann/json.hpp>

#include "dpcore/errors.h"

namespace dpcore {

/// Throws Error, which begins with `what`, where the text is not JSON.
inline nlohmann::json parse_json(const std::string& text, const std::string& what) {
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception& e) {
    throw Error(what + ": not valid JSON: " + e.what());
  }
}

class ConfigReader {
 public:
  ConfigReader(const nlohmann::json& section, std::string path) : section_(section), path_(std::move(path)) {
    if (!section.is_object()) throw Error(path_ + ": expected a section with keys");
  }

  template <class T>
  T get(const std::string& key) const {
    const auto it = section_.find(key);
    if (it == section_.end() || it->is_null()) throw Error(path_ + "/" + key + ": this key is missing");
    if (!fits<T>(*it))
      throw Error(path_ + "/" + key + ": value of the wrong kind or out of range: " + it->dump());
    try {
      return it->get<T>();
    } catch (const nlohmann::json::exception&) {
      throw Error(path_ + "/" + key + ": value of the wrong kind: " + it->dump());
    }
  }

  template <class T>
  T get_or(const std::string& key, T fallback) const {
    const auto it = section_.find(key);
    return it == section_.end() || it->is_null() ? fallback : get<T>(key);
  }

  void require(bool ok, const std::string& key, const std::string& message) const {
    if (!ok) throw Error(path_ + "/" + key + ": " + message);
  }

 private:
  /// nlohmann-json converts silently between numbers and truth values, and cuts integers; we do not.
  template <class T>
  static bool fits(const nlohmann::json& value) {
    if constexpr (std::is_same_v<T, bool>) {
      return value.is_boolean();
    } else if constexpr (std::is_same_v<T, int>) {
      if (!value.is_number_integer()) return false;
      const double v = value.get<double>();
      return std::abs(v) <= 2147483647.0;
    } else if constexpr (std::is_same_v<T, double>) {
      return value.is_number();
    } else if constexpr (std::is_same_v<T, std::vector<int>>) {
      return value.is_array() &&
             std::all_of(value.begin(), value.end(), [](const auto& v) { return fits<int>(v); });
    } else {
      return true;
    }
  }

  const nlohmann::json& section_;
  std::string path_;
};

}  // namespace dpcore
