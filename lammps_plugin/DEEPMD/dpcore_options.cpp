// SPDX-License-Identifier: LGPL-3.0-or-later
#include "dpcore_options.h"

#include <cmath>
#include <cstdlib>
#include <functional>
#include <map>

#include <dpcore/errors.h>
#include <dpcore/precision.h>

namespace dpcore_lammps {

namespace {

bool is_number(const std::string& word, double& value) {
  char* end = nullptr;
  value = std::strtod(word.c_str(), &end);
  return !word.empty() && *end == '\0';
}

/// The words after the models, one after the other.
class Words {
 public:
  explicit Words(const std::vector<std::string>& words) : words_(words) {}
  bool done() const { return at_ == words_.size(); }
  const std::string& peek() const { return words_[at_]; }
  const std::string& next() { return words_[at_++]; }
  const std::string& value(const std::string& keyword) {
    if (done()) throw dpcore::Error("pair_style deepmd: a value is missing after '" + keyword + "'");
    return next();
  }
  double number(const std::string& keyword) {
    const std::string& word = value(keyword);
    double x = 0;
    if (!is_number(word, x) || !std::isfinite(x)) {
      throw dpcore::Error("pair_style deepmd: expected a number after '" + keyword + "', got '" + word + "'");
    }
    return x;
  }
  double not_negative(const std::string& keyword) {
    const double x = number(keyword);
    if (x < 0)
      throw dpcore::Error("pair_style deepmd: " + keyword + " must not be negative, got " +
                          std::to_string(x));
    return x;
  }
  std::vector<double> numbers(const std::string& keyword) {
    std::vector<double> out = {number(keyword)};
    double x = 0;
    while (!done() && is_number(peek(), x)) out.push_back(number(keyword));
    return out;
  }

 private:
  const std::vector<std::string>& words_;
  std::size_t at_ = 0;
};

/// Throws Error.
void check_precision(const std::string& word) {
  try {
    if (!word.empty()) dpcore::precision_from(word);
  } catch (const dpcore::Error& e) {
    throw dpcore::Error(std::string("pair_style deepmd: ") + e.what());
  }
}

}  // namespace

Options read_options(const std::vector<std::string>& words) {
  Options o;
  Words w(words);
  using Read = std::function<void(const std::string&)>;
  const std::map<std::string, Read> keywords = {
      {"out_freq",
       [&](const std::string& k) {
         const double steps = w.not_negative(k);
         if (steps != std::floor(steps) || steps > 1e15) {
           throw dpcore::Error("pair_style deepmd: out_freq: expected a whole number of steps, got " +
                               std::to_string(steps));
         }
         o.out_freq = static_cast<long>(steps);
       }},
      {"out_file", [&](const std::string& k) { o.out_file = w.value(k); }},
      {"atomic", [&](const std::string&) { o.atomic = true; }},
      {"relative",
       [&](const std::string& k) { o.epsilon_force = w.not_negative(k), o.relative_force = true; }},
      {"relative_v",
       [&](const std::string& k) { o.epsilon_virial = w.not_negative(k), o.relative_virial = true; }},
      {"fparam", [&](const std::string& k) { o.fparam = w.numbers(k); }},
      {"aparam", [&](const std::string& k) { o.aparam = w.numbers(k); }},
      {"fparam_from_compute", [&](const std::string& k) { o.fparam_compute = w.value(k); }},
      {"fparam_from_fix", [&](const std::string& k) { o.fparam_fix = w.value(k); }},
      {"aparam_from_compute", [&](const std::string& k) { o.aparam_compute = w.value(k); }},
      {"ttm", [&](const std::string& k) { o.ttm_fix = w.value(k); }},
      {"precision",
       [&](const std::string& k) {
         o.precision = w.value(k);
         check_precision(o.precision);
       }},
      {"virtual_len",
       [&](const std::string& k) {
         throw dpcore::Error("pair_style deepmd: " + k + " is for spin models, which dpcore does not have");
       }},
      {"spin_norm",
       [&](const std::string& k) {
         throw dpcore::Error("pair_style deepmd: " + k + " is for spin models, which dpcore does not have");
       }},
  };
  while (!w.done() && keywords.count(w.peek()) == 0) o.models.push_back(w.next());
  if (o.models.empty()) {
    throw dpcore::Error(
        "pair_style deepmd: no model; write pair_style deepmd MODEL_FILE [MODEL_FILE ...] [keyword value "
        "...]");
  }
  while (!w.done()) {
    const std::string& keyword = w.next();
    const auto found = keywords.find(keyword);
    if (found == keywords.end()) {
      std::string known;
      for (const auto& item : keywords) {
        if (item.first != "virtual_len" && item.first != "spin_norm") known += " " + item.first;
      }
      throw dpcore::Error("pair_style deepmd: unknown keyword '" + keyword + "'; keywords are" + known);
    }
    found->second(keyword);
  }
  if (int(!o.fparam.empty()) + int(!o.fparam_compute.empty()) + int(!o.fparam_fix.empty()) > 1) {
    throw dpcore::Error(
        "pair_style deepmd: only one of fparam, fparam_from_compute and fparam_from_fix can be given");
  }
  if (int(!o.aparam.empty()) + int(!o.aparam_compute.empty()) + int(!o.ttm_fix.empty()) > 1) {
    throw dpcore::Error("pair_style deepmd: only one of aparam, aparam_from_compute and ttm can be given");
  }
  return o;
}

}  // namespace dpcore_lammps
