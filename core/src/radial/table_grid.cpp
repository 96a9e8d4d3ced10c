// SPDX-License-Identifier: LGPL-3.0-or-later
#include "radial/table_grid.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace dpcore {

namespace {

constexpr double kCoarse = 10;              // coarse step / fine step
constexpr double kMostIntervals = 1 << 22;  // of one table; more is a mistake in step or statistics

int divisions(double length, double step) { return static_cast<int>(std::ceil(length / step * (1 - 1e-12))); }

}  // namespace

std::string number(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", x);
  return text;
}

TableSpec TableSpec::from_json(const nlohmann::json& section, const std::string& path) {
  const ConfigReader in(section, path);
  TableSpec s;
  s.stored = in.get_or<bool>("stored", false);
  if (!s.stored) {
    s.min_nbor_dist = in.get<double>("min_nbor_dist");
    s.step = in.get<double>("step");
    s.extrapolate = in.get<double>("extrapolate");
    in.require(s.min_nbor_dist > 0, "min_nbor_dist", "expected a distance above 0");
    in.require(s.step > 0 && std::isfinite(s.step), "step", "expected a number above 0");
    in.require(s.extrapolate >= 1 && std::isfinite(s.extrapolate), "extrapolate",
               "expected a number from 1 on");
  }
  const auto outside = in.get_or<std::string>("outside", "net");
  in.require(outside == "net" || outside == "linear", "outside",
             "expected net or linear, got '" + outside + "'");
  s.outside = outside == "net" ? Outside::Net : Outside::Linear;
  in.require(!s.stored || s.outside == Outside::Linear, "outside",
             "expected linear, since there are no nets beside stored tables");
  return s;
}

TableGrid TableGrid::make(const TableSpec& spec, double smallest, double largest) {
  TableGrid g;
  g.lower = g.first = std::floor(smallest) + 0.0;  // not -0
  g.upper = std::max(std::ceil(largest), g.lower + 1);
  g.last = std::max(g.upper, spec.extrapolate * g.upper);
  const double intervals = (g.upper - g.lower) / spec.step + (g.last - g.upper) / (kCoarse * spec.step);
  if (!(intervals <= kMostIntervals)) {
    throw Error("a table from " + number(g.lower) + " to " + number(g.last) + " in steps of " +
                number(spec.step) + " would have more than " +
                std::to_string(static_cast<int>(kMostIntervals)) +
                " intervals; choose a larger step, or check min_nbor_dist");
  }
  g.n_fine = std::max(1, divisions(g.upper - g.lower, spec.step));
  g.n_coarse = divisions(g.last - g.upper, kCoarse * spec.step);
  g.fine = (g.upper - g.lower) / g.n_fine;
  g.coarse = g.n_coarse > 0 ? (g.last - g.upper) / g.n_coarse : 1.0;
  return g;
}

TableGrid TableGrid::beyond() const {
  TableGrid g = *this;
  g.first = g.lower = upper;
  g.fine = coarse;
  g.n_fine = g.n_below = 0;
  return g;
}

TableGrid TableGrid::of(const StoredTable& table, int n_out) {
  const auto& info = table.info;
  TableGrid g;
  g.first = info.at(0);
  g.lower = info.at(1);
  g.upper = info.at(2);
  g.last = info.at(3);
  g.fine = info.at(4);
  g.coarse = info.at(5);
  const double n = static_cast<double>(table.rows.size()) / (6.0 * n_out), below = info.at(6),
               fine = info.at(7);
  // the rows fill an interval but for a part of a step
  const auto fill = [](double rows, double step, double from, double to) {
    return rows >= 0 && rows == std::floor(rows) && std::fabs(from + rows * step - to) < step * (1 + 1e-6);
  };
  const bool good = (below > 0 ? g.first < g.lower : g.first == g.lower) && g.lower < g.upper &&
                    g.upper <= g.last && g.fine > 0 && g.coarse > 0 && n <= kMostIntervals && fine >= 1 &&
                    fill(below, g.coarse, g.first, g.lower) && fill(fine, g.fine, g.lower, g.upper) &&
                    fill(n - below - fine, g.coarse, g.upper, g.last);
  if (!good) {
    throw Error("a table with " + std::to_string(static_cast<long>(n)) + " rows is not one of steps " +
                std::to_string(g.fine) + " from " + std::to_string(g.lower) + " to " +
                std::to_string(g.upper) + " and " + std::to_string(g.coarse) + " from " +
                std::to_string(g.first) + " and to " + std::to_string(g.last) + "; the file is damaged");
  }
  g.n_below = static_cast<int>(below);
  g.n_fine = static_cast<int>(fine);
  g.n_coarse = static_cast<int>(n) - g.n_below - g.n_fine;
  return g;
}

}  // namespace dpcore
