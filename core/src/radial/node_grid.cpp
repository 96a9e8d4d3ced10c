// SPDX-License-Identifier: LGPL-3.0-or-later
#include "radial/node_grid.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace dpcore {

double NodeGrid::least_nodes(double lower, double upper, int level) {
  if (!(upper - lower < 1e5)) return std::numeric_limits<double>::infinity();
  return (upper - lower) * n_intervals(level) / width(level) + 10;
}

void NodeGrid::begin(double lower, double upper, int level) {
  lower_ = lower;
  upper_ = upper;
  const int n = std::max(1, static_cast<int>(std::ceil((upper - lower) / width(level) - 1e-9)));
  piece_.clear();
  for (int k = 0; k < n; ++k) piece_.push_back({level, k * units(level), 0, 0, 0});
  lay_out();
}

bool NodeGrid::refine(const std::vector<double>& error, double good) {
  std::vector<Piece> next;
  const double unit = kWidest / kUnits;
  for (std::size_t k = 0; k < piece_.size(); ++k) {
    const Piece& p = piece_[k];
    if (error[k] <= good) {
      next.push_back(p);
      continue;
    }
    if (!(error[k] < 1e6) || p.level == kLast) return false;
    // half the distance divides the error of the slope by 128
    const int finer = std::clamp(static_cast<int>(std::ceil(std::log2(error[k] / good) / 3.5)), 1, kJump);
    const int level = std::min(p.level + finer, kLast), end = p.place + units(p.level);
    for (int place = p.place; place < end; place += units(level)) {
      if (place > p.place && place * unit > upper_ - lower_ - 1e-9) break;
      next.push_back({level, place, 0, 0, 0});
    }
  }
  piece_.swap(next);
  lay_out();
  return true;
}

void NodeGrid::lay_out() {
  const double unit = kWidest / kUnits;
  run_.clear();
  finest_ = 0;
  int last = -1;  // level
  for (Piece& p : piece_) {
    const double from = p.place * unit, inverse_step = n_intervals(p.level) / width(p.level);
    if (p.level != last) {
      const int first = run_.empty() ? 0 : run_.back().first + run_.back().n_nodes();
      run_.push_back({lower_ + from, inverse_step, first, 0});
      last = p.level;
    }
    const double wanted = std::floor((upper_ - lower_ - from) * inverse_step) + 3;
    p.run = static_cast<int>(run_.size()) - 1;
    p.first = run_.back().n_intervals;
    p.n_intervals = std::min(n_intervals(p.level), static_cast<int>(std::max(wanted, 1.0)));
    run_.back().n_intervals += p.n_intervals;
    finest_ = std::max(finest_, p.level);
  }
  at_.clear();
  for (const Piece& p : piece_) {
    at_.insert(at_.end(), static_cast<std::size_t>(units(p.level) / units(finest_)), p.run);
  }
}

std::vector<double> NodeGrid::positions() const {
  std::vector<double> s;
  s.reserve(static_cast<std::size_t>(n_nodes()));
  for (const NodeRun& r : run_) {
    const double h = 1.0 / r.inverse_step;
    for (int k = 0; k < r.n_nodes(); ++k) s.push_back(r.lower + (k - NodeRun::kBelow) * h);
  }
  return s;
}

NodeRuns NodeGrid::view() const {
  NodeRuns v;
  v.lower = lower_;
  v.upper = run_.back().lower + run_.back().n_intervals / run_.back().inverse_step;
  v.inverse_cell = 1.0 / width(finest_);
  v.n_cells = static_cast<int>(at_.size());
  return v;
}

}  // namespace dpcore
