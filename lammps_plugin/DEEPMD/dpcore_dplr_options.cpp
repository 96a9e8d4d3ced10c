// SPDX-License-Identifier: LGPL-3.0-or-later
#include "dpcore_dplr_options.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include <dpcore/errors.h>

namespace dpcore_lammps {

namespace {

const char* const kSyntax =
    "; expected fix ID all dplr model FILE type_associate A1 W1 [A2 W2 ...] bond_type B1 [B2 ...] [efield EX "
    "EY EZ] "
    "[pair_deepmd_index N]";

int integer(const std::string& word, const std::string& keyword, int least, int most) {
  char* end = nullptr;
  const long value = std::strtol(word.c_str(), &end, 10);
  if (word.empty() || *end != '\0' || value < least || value > most)
    throw dpcore::Error(keyword + ": expected a number from " + std::to_string(least) + " to " +
                        std::to_string(most) + ", got '" + word + "'");
  return static_cast<int>(value);
}

double number(const std::string& word, const std::string& keyword) {
  char* end = nullptr;
  const double value = std::strtod(word.c_str(), &end);
  if (word.empty() || *end != '\0' || !std::isfinite(value))
    throw dpcore::Error(keyword + ": expected a number or v_NAME, got '" + word + "'");
  return value;
}

}  // namespace

DplrOptions read_dplr_options(const std::vector<std::string>& words, int n_types, int n_bond_types) {
  const std::vector<std::string> keywords = {"model", "type_associate", "bond_type", "efield",
                                             "pair_deepmd_index"};
  const auto is_keyword = [&](const std::string& w) {
    return std::find(keywords.begin(), keywords.end(), w) != keywords.end();
  };
  std::map<std::string, std::vector<std::string>> values;
  for (std::size_t at = 0; at < words.size();) {
    const std::string keyword = words[at];
    if (!is_keyword(keyword)) throw dpcore::Error("'" + keyword + "' is no keyword" + kSyntax);
    if (values.count(keyword) != 0) throw dpcore::Error(keyword + " is there twice" + kSyntax);
    for (++at; at < words.size() && !is_keyword(words[at]); ++at) values[keyword].push_back(words[at]);
    if (values[keyword].empty()) throw dpcore::Error(keyword + ": a value is missing" + kSyntax);
  }
  for (const char* keyword : {"model", "type_associate", "bond_type"})
    if (values.count(keyword) == 0) throw dpcore::Error(std::string(keyword) + " is missing" + kSyntax);

  DplrOptions out;
  const auto one = [&](const std::string& keyword) {
    if (values[keyword].size() != 1)
      throw dpcore::Error(keyword + ": expected one value, got " + std::to_string(values[keyword].size()));
    return values[keyword].front();
  };
  out.model = one("model");
  const auto& types = values["type_associate"];
  if (types.size() % 2 != 0)
    throw dpcore::Error("type_associate: expected pairs of an atom type and the type of its centroids, got " +
                        std::to_string(types.size()) + " numbers");
  for (std::size_t k = 0; k < types.size(); k += 2) {
    const int a = integer(types[k], "type_associate", 1, n_types),
              w = integer(types[k + 1], "type_associate", 1, n_types);
    if (!out.centroid_of_type.emplace(a, w).second)
      throw dpcore::Error("type_associate: atom type " + std::to_string(a) + " has two types of centroids");
  }
  for (const auto& p : out.centroid_of_type)
    if (out.centroid_of_type.count(p.second) != 0)
      throw dpcore::Error("type_associate: type " + std::to_string(p.second) +
                          " cannot be that of an atom and of centroids");
  for (const auto& word : values["bond_type"]) {
    const int b = integer(word, "bond_type", 1, n_bond_types);
    if (std::find(out.bond_types.begin(), out.bond_types.end(), b) == out.bond_types.end())
      out.bond_types.push_back(b);
  }
  if (values.count("efield") != 0) {
    const auto& field = values["efield"];
    if (field.size() != 3)
      throw dpcore::Error("efield: expected three values, got " + std::to_string(field.size()));
    out.has_field = true;
    for (std::size_t d = 0; d < 3; ++d) {
      if (field[d].rfind("v_", 0) == 0)
        out.variable[d] = field[d].substr(2);
      else
        out.field[d] = number(field[d], "efield");
    }
  }
  if (values.count("pair_deepmd_index") != 0)
    out.pair_index = integer(one("pair_deepmd_index"), "pair_deepmd_index", 0, 1000);
  return out;
}

}  // namespace dpcore_lammps
