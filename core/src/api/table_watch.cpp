// SPDX-License-Identifier: LGPL-3.0-or-later
#include "api/table_watch.hpp"

#include <cstdio>

#include "base/json_config.hpp"

namespace dpcore {

namespace {

/// The section "compress" of the descriptor, of hybrid that of the first part with one; empty for models that
/// are not compressed.
nlohmann::json compress_section(const nlohmann::json& descriptor) {
  const auto found = descriptor.find("compress");
  if (found != descriptor.end() && !found->is_null()) return *found;
  for (const auto& part : descriptor.value("list", nlohmann::json::array())) {
    auto section = compress_section(part);
    if (!section.empty()) return section;
  }
  return nlohmann::json::object();
}

nlohmann::json compress_section(const Potential& potential) {
  return compress_section(potential.config().at("descriptor"));
}

}  // namespace

TableWatch::TableWatch(const Potential& potential)
    : linear_(compress_section(potential).value("outside", "net") == "linear"),
      frequency_(ConfigReader(compress_section(potential), "model/descriptor/compress")
                     .get_or<int>("check_frequency", -1)) {}

void TableWatch::add(const OutsideTable& outside, int n_frames, Prediction& out) {
  out.outside_pairs = static_cast<long>(outside.pairs);
  out.outside_nearest = outside.nearest;
  out.notice.clear();
  const std::lock_guard<std::mutex> lock(mutex_);
  frames_ += n_frames;
  since_.add(outside.pairs, outside.nearest);
  if (since_.pairs == 0 || (told_ && (frequency_ <= 0 || frames_ - told_at_ < frequency_))) return;
  char text[400];
  std::snprintf(
      text, sizeof text,
      "%ld neighbour(s) of atoms were nearer than the tables of the compressed model reach, the nearest "
      "%.3g A, in the last "
      "%ld frame(s): %s%s",
      static_cast<long>(since_.pairs), since_.nearest, frames_ - told_at_,
      linear_ ? "the tables were extrapolated, and energies and forces are not to be trusted"
              : "the embedding nets were evaluated for them, which is exact and slower",
      frequency_ > 0 ? "" : " (said once)");
  out.notice = text;
  told_ = true;
  told_at_ = frames_;
  since_ = OutsideTable();
}

}  // namespace dpcore
