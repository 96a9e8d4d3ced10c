// SPDX-License-Identifier: LGPL-3.0-or-later
#include "output/short_range.hpp"

#include <cmath>
#include <cstdio>

#include "base/json_config.hpp"

namespace dpcore {

namespace {

/// V and V' of one pair of types
struct PairTable {
  double first, spacing;
  int intervals;
  const double* data;  // [intervals, 4]

  KOKKOS_INLINE_FUNCTION double at(const double r, double& slope) const {
    const double x = (r - first) / spacing;
    slope = 0.0;
    if (x >= intervals) return 0.0;
    const int k = static_cast<int>(x);
    const double u = x - k;
    const double* a = data + 4 * static_cast<std::ptrdiff_t>(k);
    slope = ((3.0 * a[0] * u + 2.0 * a[1]) * u + a[2]) / spacing;
    return ((a[0] * u + a[1]) * u + a[2]) * u + a[3];
  }
};

std::string in_angstrom(double r) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g A", r);
  return text;
}

}  // namespace

ShortRange::ShortRange(const nlohmann::json& model, double rcut, std::vector<int> sel)
    : rcut_(rcut), sel_(std::move(sel)) {
  const ConfigReader in(model, "model");
  const auto inner = in.get<double>("sw_rmin"), outer = in.get<double>("sw_rmax");
  volatile float alpha32 = static_cast<float>(in.get<double>("smin_alpha"));  // see env/switch.hpp
  alpha_ = static_cast<double>(alpha32);
  in.require(alpha_ > 0 && std::isfinite(alpha_), "smin_alpha", "expected a distance > 0");
  in.require(inner >= 0 && std::isfinite(outer) && static_cast<float>(inner) < static_cast<float>(outer),
             "sw_rmax", "expected 0 <= sw_rmin < sw_rmax");
  switch_ = Cutoff(outer, inner);
  add_bias_ = in.get_or<bool>("srtab_add_bias", true);
}

std::size_t ShortRange::data_size(const std::vector<double>& info) const {
  const bool ok = info.size() == 4 && info[0] >= 0 && info[1] > 0 && info[2] >= 1 && info[2] <= 1e8 &&
                  info[2] == std::floor(info[2]) && info[3] == static_cast<double>(sel_.size());
  if (!ok) {
    throw Error(
        "model: tensor 'short_range/tab_info' must be the first distance (>= 0), the spacing (> 0), the "
        "number "
        "of intervals and the number of types of the model (" +
        std::to_string(sel_.size()) + ")");
  }
  return static_cast<std::size_t>(info[2]) * 4 * sel_.size() * sel_.size();
}

void ShortRange::set_table(const std::vector<double>& info, const std::vector<double>& data) {
  if (data.size() != data_size(info)) throw Error("model: tensor 'short_range/tab_data' has the wrong size");
  info_ = info;
  data_ = data;
  device_data_ = DeviceArray<double>("dpcore::ShortRange", data.size());
  Kokkos::deep_copy(device_data_,
                    Kokkos::View<const double*, Kokkos::HostSpace, Kokkos::MemoryTraits<Kokkos::Unmanaged>>(
                        data_.data(), data_.size()));
}

// With Z = sum_j e_j, e_j = e^(-r_j/alpha):  ds/dr_j = e_j/Z (1 - (r_j - s)/alpha). Distances are taken from
// the nearest one in the exponent, which cancels. s >= the nearest distance: where that is beyond sw_rmax,
// the switch is 0 and the table not looked at.
void ShortRange::forward(const Exec& exec, const DeviceStructure& structure, const Tile& tile, double bias,
                         State& state, Workspace& ws) const {
  const int n = tile.size(), ntypes = static_cast<int>(sel_.size());
  const auto n_rows = static_cast<std::size_t>(n);
  SelOverflow told_by_the_descriptor;
  select_pairs(exec, structure, tile, rcut_, sel_, std::vector<bool>(sel_.size(), true), state.pairs,
               told_by_the_descriptor, ws);
  state.switched = ws.vector<double>(n_rows);
  state.table = ws.vector<double>(n_rows);
  state.slope = ws.matrix<double>(static_cast<std::size_t>(state.pairs.n_pairs), 2);
  const Vector<int> flags = ws.vector<int>(3);  // any active; centre and neighbour nearer than the table
  const auto flags_host = Kokkos::create_mirror_view(flags);
  flags_host(0) = 0;
  flags_host(1) = flags_host(2) = -1;
  mirror_copy(exec, flags, flags_host);

  const Vector<double> switched = state.switched, table = state.table;
  const Matrix<double> slope = state.slope, r = state.pairs.r;
  const Vector<int> offset = state.pairs.offset, atom = state.pairs.atom;
  const auto centre = structure.centre;
  const int begin = tile.begin, intervals = static_cast<int>(info_[2]);
  const double first = info_[0], spacing = info_[1], alpha = alpha_;
  const double* const data =
      device_data_.data() + static_cast<std::ptrdiff_t>(tile.type) * ntypes * 4 * intervals;
  const Cutoff cut = switch_;
  for_each(
      exec, "dpcore::short_range_forward", n, KOKKOS_LAMBDA(const int i) {
        double nearest = cut.rcut;
        for (int b = 0; b < ntypes; ++b) {
          for (int p = offset(b * n + i); p < offset(b * n + i + 1); ++p) {
            const double d = Kokkos::sqrt(r(p, 0) * r(p, 0) + r(p, 1) * r(p, 1) + r(p, 2) * r(p, 2));
            slope(p, 0) = d;  // for the moment
            slope(p, 1) = 0.0;
            nearest = d < nearest ? d : nearest;
          }
        }
        double z = 0.0, s = 0.0, l = 0.0, l_slope = 0.0, sum = 0.0;
        if (nearest < cut.rcut) {
          for (int b = 0; b < ntypes; ++b) {
            for (int p = offset(b * n + i); p < offset(b * n + i + 1); ++p) {
              const double d = slope(p, 0), e = Kokkos::exp((nearest - d) / alpha);
              z += e;
              s += d * e;
            }
          }
          s /= z;
          l = cut.weight(s, l_slope);
        }
        if (l > 0.0) flags(0) = 1;
        for (int b = 0; b < ntypes; ++b) {
          const PairTable v{first, spacing, intervals, data + static_cast<std::ptrdiff_t>(b) * 4 * intervals};
          for (int p = offset(b * n + i); p < offset(b * n + i + 1); ++p) {
            const double d = slope(p, 0);
            slope(p, 0) = 0.0;
            if (l == 0.0) continue;
            if (d < first) {
              flags(1) = centre(begin + i);
              flags(2) = atom(p);
              continue;
            }
            double v_slope;
            sum += 0.5 * v.at(d, v_slope);
            slope(p, 0) = l_slope * Kokkos::exp((nearest - d) / alpha) / z * (1.0 - (d - s) / alpha);
            slope(p, 1) = 0.5 * l * v_slope;
          }
        }
        switched(i) = l;
        table(i) = sum + bias;
      });
  mirror_copy(exec, flags_host, flags);
  if (flags_host(1) >= 0) {
    throw OverlappingAtoms{
        flags_host(1), flags_host(2),
        "are nearer than " + in_angstrom(first) + ", where the short-range table (use_srtab) begins"};
  }
  state.active = flags_host(0) != 0;
}

void ShortRange::blend(const Exec& exec, const Matrix<double>& value, const Matrix<double>& weight,
                       State& state, Workspace& ws) const {
  state.excess = ws.vector<double>(weight.extent(0));
  const Vector<double> switched = state.switched, table = state.table, excess = state.excess;
  for_each(
      exec, "dpcore::short_range_blend", static_cast<int>(weight.extent(0)), KOKKOS_LAMBDA(const int i) {
        const double l = switched(i);
        weight(i, 0) = 1.0 - l;
        excess(i) = table(i) - value(i, 0);
        if (l > 0.0) value(i, 0) = l * table(i) + (1.0 - l) * value(i, 0);
      });
}

// dE_i/dr_ij = l_i/2 V' + (T_i - N_i) dl_i/dr_ij + (1 - l_i) dN_i/dr_ij, the last by the descriptor
void ShortRange::add_forces(const Exec& exec, const DeviceStructure& structure, const Tile& tile,
                            const State& state, const ForceVirial& sums) const {
  if (!state.active) return;
  const Vector<int> row = state.pairs.row, atom = state.pairs.atom;
  const Vector<double> excess = state.excess;
  const Matrix<double> slope = state.slope, r = state.pairs.r, d_r = state.pairs.d_r;
  for_each(
      exec, "dpcore::short_range_backward", state.pairs.n_pairs, KOKKOS_LAMBDA(const int p) {
        const double d = Kokkos::sqrt(r(p, 0) * r(p, 0) + r(p, 1) * r(p, 1) + r(p, 2) * r(p, 2));
        const double g = (excess(row(p)) * slope(p, 0) + slope(p, 1)) / d;
        for (int a = 0; a < 3; ++a) d_r(p, a) = g * r(p, a);
      });
  add_force_virial(exec, structure, tile, state.pairs, 0, sums);
  if (sums.atom_virial.extent(0) == 0) return;
  const auto centre = structure.centre, target = structure.target;
  double* const atom_virial = sums.atom_virial.data();
  const int begin = tile.begin;
  for_each(
      exec, "dpcore::short_range_share_virial", state.pairs.n_pairs, KOKKOS_LAMBDA(const int p) {
        const double d = Kokkos::sqrt(r(p, 0) * r(p, 0) + r(p, 1) * r(p, 1) + r(p, 2) * r(p, 2));
        const int i = target(centre(begin + row(p))), j = target(atom(p));
        for (int a = 0; a < 3; ++a) {
          for (int b = 0; b < 3; ++b) {
            const double half = -0.5 * slope(p, 1) * r(p, a) * r(p, b) / d;
            add_to(atom_virial + 9 * i + 3 * a + b, half);
            add_to(atom_virial + 9 * j + 3 * a + b, -half);
          }
        }
      });
}

// E_dot_i = (1 - l_i) N_dot_i - l_dot_i N_i + terms without N_i,  l_dot_i = sum_j dl_i/dr_ij (r . r_dot)/r
void ShortRange::switch_bar(const Exec& exec, const Matrix<double>& value_bar, const State& state) const {
  if (!state.active) return;
  const int n = state.pairs.n_rows, ntypes = static_cast<int>(sel_.size());
  const Vector<int> offset = state.pairs.offset;
  const Vector<double> switched = state.switched;
  const Matrix<double> slope = state.slope, r = state.pairs.r, r_dot = state.pairs.r_dot;
  for_each(
      exec, "dpcore::short_range_switch_bar", n, KOKKOS_LAMBDA(const int i) {
        double l_dot = 0.0;
        for (int b = 0; b < ntypes; ++b) {
          for (int p = offset(b * n + i); p < offset(b * n + i + 1); ++p) {
            double square = 0.0, along = 0.0;
            for (int a = 0; a < 3; ++a) {
              square += r(p, a) * r(p, a);
              along += r(p, a) * r_dot(p, a);
            }
            l_dot += slope(p, 0) * along / Kokkos::sqrt(square);
          }
        }
        value_bar(i, 0) = (1.0 - switched(i)) * value_bar(i, 0) - l_dot;
      });
}

}  // namespace dpcore
