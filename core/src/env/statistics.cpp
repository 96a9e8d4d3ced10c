// SPDX-License-Identifier: LGPL-3.0-or-later
#include "env/statistics.hpp"

#include <cmath>
#include <numeric>

namespace dpcore {

namespace {

constexpr double kSmallestDeviation = 1e-2;
constexpr int kTile = 64;

}  // namespace

double deviation(double square, double sum, double n) {
  if (n == 0) return kSmallestDeviation;
  const double mean = sum / n, variance = square / n - mean * mean;
  const double s = variance > 0 ? std::sqrt(variance) : 0;
  return s < kSmallestDeviation ? kSmallestDeviation : s;
}

EnvMoments::EnvMoments(int ntypes, std::vector<int> sel, double rcut, double rcut_smth)
    : ntypes_(ntypes),
      n_slots_(std::accumulate(sel.begin(), sel.end(), 0)),
      sel_(std::move(sel)),
      cutoff_(rcut, rcut_smth),
      sums_(static_cast<std::size_t>(ntypes)) {}

void EnvMoments::add(const Exec& exec, const Structure& structure, Workspace& ws) {
  const TilePlan plan = plan_tiles(structure, ntypes_, 1, kTile, kTile);
  DeviceStructure device;
  device.assign(structure, plan);
  EnvNorm none;
  for (std::size_t c = 0; c < 4; ++c) {
    none.avg[c] = 0.0;
    none.inverse_std[c] = 1.0;
  }
  for (const Tile& tile : plan.tiles) {
    Workspace::Scope scope(ws);
    TilePairs pairs;
    EnvMatrix<double> env;
    SelOverflow overflow;
    select_pairs(exec, device, tile, cutoff_.rcut, sel_, std::vector<bool>(sel_.size(), true), pairs,
                 overflow, ws);
    env_forward<double>(exec, pairs, cutoff_, none, env, ws);
    const auto value = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), env.value);
    Sums& s = sums_[static_cast<std::size_t>(tile.type)];
    s.n += static_cast<double>(tile.size()) * n_slots_;
    for (int p = 0; p < pairs.n_pairs; ++p) {
      s.radial += value(p, 0);
      s.radial2 += value(p, 0) * value(p, 0);
      s.angular += (value(p, 1) + value(p, 2) + value(p, 3)) / 3.0;
      s.angular2 += (value(p, 1) * value(p, 1) + value(p, 2) * value(p, 2) + value(p, 3) * value(p, 3)) / 3.0;
    }
  }
}

std::vector<double> EnvMoments::davg() const {
  std::vector<double> out;
  for (const Sums& s : sums_) {
    out.insert(out.end(), {s.n > 0 ? s.radial / (s.n + 1e-15) : 0.0, 0.0, 0.0, 0.0});
  }
  return out;
}

// davg has no angular mean, but the angular deviation is taken about the true one, as in the reference.
std::vector<double> EnvMoments::dstd() const {
  std::vector<double> out;
  for (const Sums& s : sums_) {
    const double radial = deviation(s.radial2, s.radial, s.n),
                 angular = deviation(s.angular2, s.angular, s.n);
    out.insert(out.end(), {radial, angular, angular, angular});
  }
  return out;
}

}  // namespace dpcore
