// SPDX-License-Identifier: LGPL-3.0-or-later
#include "descriptor/loc_frame.hpp"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <numeric>
#include <sstream>

#include "base/json_config.hpp"
#include "descriptor/local_axes.hpp"

namespace dpcore {

namespace {

constexpr double kOpposite = 1e-4;  // |cos + 1| below which two axes point against each other
constexpr double kOneLine = 1e-16;  // sin^2 below which they make no frame

std::vector<int> running(const std::vector<int>& sel, int first) {
  std::vector<int> out = {first};
  for (const int n : sel) out.push_back(out.back() + n);
  return out;
}

}  // namespace

LocFrame::LocFrame(const nlohmann::json& config, int ntypes) : config_(config), ntypes_(ntypes) {
  const ConfigReader in(config, "model/descriptor");
  const auto n = static_cast<std::size_t>(ntypes);
  sel_a_ = in.get<std::vector<int>>("sel_a");
  const auto sel_r = in.get<std::vector<int>>("sel_r");
  double slots = 0;
  for (const auto& [key, sel] : {std::pair("sel_a", sel_a_), std::pair("sel_r", sel_r)}) {
    in.require(
        sel.size() == n, key,
        "expected one number per type (" + std::to_string(ntypes) + "), got " + std::to_string(sel.size()));
    for (const int k : sel) in.require(k >= 0, key, "expected numbers >= 0, got " + std::to_string(k));
    slots += std::accumulate(sel.begin(), sel.end(), 0.0);
  }
  in.require(slots > 1, "sel_a", "expected slots for two neighbours, in sel_a and sel_r together");
  in.require(slots < 1e8, "sel_a", "expected fewer slots, in sel_a and sel_r together");
  rcut_ = static_cast<double>(static_cast<float>(in.get<double>("rcut")));
  in.require(rcut_ > 0 && rcut_ <= 1e4, "rcut", "expected a length above 0, at most 10,000 A");
  start_a_ = running(sel_a_, 0);
  start_r_ = running(sel_r, start_a_.back());
  for (std::size_t t = 0; t < n; ++t) sel_.push_back(sel_a_[t] + sel_r[t]);

  rule_ = in.get_or<std::vector<int>>("axis_rule", {});
  if (rule_.empty()) {
    const int kind = n_a() > 1 ? 0 : 1;
    in.require(kind == 0 || n_r() > 1, "sel_a",
               "expected slots for two neighbours in one of sel_a and sel_r, or an axis_rule");
    for (int t = 0; t < ntypes; ++t) rule_.insert(rule_.end(), {kind, 0, 0, kind, 0, 1});
  } else {
    in.require(rule_.size() == 6 * n, "axis_rule",
               "expected 6 numbers for each type (" + std::to_string(6 * ntypes) + "), got " +
                   std::to_string(rule_.size()));
    for (std::size_t k = 0; k < rule_.size(); k += 3) {
      const int kind = rule_[k], type = rule_[k + 1], index = rule_[k + 2];
      in.require(kind == 0 || kind == 1, "axis_rule",
                 "expected 0 or 1 as class, got " + std::to_string(kind));
      in.require(type > -1000000 && type < ntypes, "axis_rule",
                 "expected a type below " + std::to_string(ntypes) + ", got " + std::to_string(type));
      const auto t = static_cast<std::size_t>(type);
      const int most = type < 0 ? 3 * ntypes : (kind == 0 ? sel_a_[t] : sel_r[t]);
      in.require(index >= 0 && index < most, "axis_rule",
                 "expected an index below " + std::to_string(most) + ", got " + std::to_string(index));
      in.require(k % 6 == 0 || !std::equal(&rule_[k], &rule_[k] + 3, &rule_[k - 3]), "axis_rule",
                 "expected two neighbours, got the same one for both axes of type " + std::to_string(k / 6));
    }
  }
  store_.allocate();
  const std::size_t rows = n + 1;
  sizes_ = DeviceArray<int>("dpcore::LocFrame::sizes", 3 * rows);
  const auto sizes = Kokkos::create_mirror_view(sizes_);
  for (std::size_t t = 0; t <= n; ++t) {
    sizes(t) = start_a_[t];
    sizes(rows + t) = start_r_[t];
    sizes(2 * rows + t) = t < n ? sel_a_[t] : 0;
  }
  Kokkos::deep_copy(sizes_, sizes);
  const auto columns = static_cast<std::size_t>(dim_out());
  set_statistics(std::vector<double>(n * columns, 0.0), std::vector<double>(n * columns, 1.0));
}

EnvSpec LocFrame::env_spec() const {
  EnvSpec spec;
  spec.sel = sel_;
  spec.rcut = rcut_;
  spec.n_components = dim_out();
  return spec;
}

void LocFrame::set_statistics(const std::vector<double>& davg, const std::vector<double>& dstd) {
  davg_ = davg;
  dstd_ = dstd;
  avg_ = DeviceArray<double>("dpcore::LocFrame::avg", davg.size());
  inverse_std_ = DeviceArray<double>("dpcore::LocFrame::inverse_std", davg.size());
  const auto avg = Kokkos::create_mirror_view(avg_), inverse = Kokkos::create_mirror_view(inverse_std_);
  for (std::size_t k = 0; k < davg.size(); ++k) {
    avg(k) = davg[k];
    inverse(k) = 1.0 / dstd[k];
  }
  Kokkos::deep_copy(avg_, avg);
  Kokkos::deep_copy(inverse_std_, inverse);
}

namespace {

/// The slot and the first column of each pair, by its place among those of its type: by distance, then index.
void fill_slots(const Exec& exec, const TilePairs& pairs, const int* sizes, const int ntypes,
                const Vector<int>& column, const Matrix<int>& slot) {
  const int n = pairs.n_rows, n_a = 4;
  const Vector<int> offset = pairs.offset, atom = pairs.atom;
  const Matrix<double> r = pairs.r;
  const int n_slots = static_cast<int>(slot.extent(1)), rows = ntypes + 1;
  for_each(
      exec, "dpcore::fill_slots", n, KOKKOS_LAMBDA(const int i) {
        for (int s = 0; s < n_slots; ++s) slot(i, s) = -1;
        const int all_a = sizes[ntypes];
        for (int b = 0; b < ntypes; ++b) {
          const int begin = offset(b * n + i), end = offset(b * n + i + 1), sel_a = sizes[2 * rows + b];
          for (int p = begin; p < end; ++p) {
            const Vec3 v = row_of(r, p);
            const double r2 = dot(v, v);
            int before = 0;
            for (int q = begin; q < end; ++q) {
              const Vec3 w = row_of(r, q);
              const double s2 = dot(w, w);
              if (s2 < r2 || (s2 == r2 && (atom(q) < atom(p) || (atom(q) == atom(p) && q < p)))) ++before;
            }
            const bool full = before < sel_a;
            const int s = full ? sizes[b] + before : sizes[rows + b] + before - sel_a;
            slot(i, s) = p;
            column(p) = full ? n_a * s : n_a * all_a + s - all_a;
          }
        }
      });
}

enum Problem { kNone, kNoFirst, kNoSecond, kNoBackup, kLine };

/// The axes of each row; problem: a Problem and the centre that has it
void fill_frames(const Exec& exec, const TilePairs& pairs, const Vector<const int>& centre, const int begin,
                 const AxisRule first, const AxisRule second, const int* sizes, const int ntypes,
                 const Matrix<int>& slot, const Matrix<int>& axis, const Vector<int>& problem) {
  const Matrix<double> r = pairs.r;
  const int rows = ntypes + 1;
  for_each(
      exec, "dpcore::fill_frames", pairs.n_rows, KOKKOS_LAMBDA(const int i) {
        AxisRule rule = second;
        const int* start = sizes + rule.kind * rows;
        const int p1 = find_axis(first, i, ntypes, sizes + first.kind * rows, slot, r);
        int p2 = find_axis(rule, i, ntypes, start, slot, r);
        int wrong = p1 < 0 ? kNoFirst : (p2 < 0 ? kNoSecond : kNone);
        if (wrong == kNone) {
          const Vec3 a = row_of(r, p1), b = row_of(r, p2);
          const double cosine = dot(a, b) / Kokkos::sqrt(dot(a, a) * dot(b, b));
          if (Kokkos::fabs(cosine + 1.0) < kOpposite) {
            ++rule.index;
            p2 = find_axis(rule, i, ntypes, start, slot, r);
            if (p2 < 0) wrong = kNoBackup;
          }
        }
        if (wrong == kNone) {
          const Vec3 a = row_of(r, p1), b = row_of(r, p2), normal = cross(a, b);
          if (!(dot(normal, normal) > kOneLine * dot(a, a) * dot(b, b))) wrong = kLine;
        }
        axis(i, 0) = p1;
        axis(i, 1) = p2;
        if (wrong != kNone && problem(0) == kNone) {
          problem(0) = wrong;
          problem(1) = centre(begin + i);
        }
      });
}

/// "number 0 of type 1 in sel_a"; start: first slots of the rule's class
std::string text_of(const AxisRule& rule, const std::vector<int>& start) {
  const std::string list = rule.kind == 0 ? " in sel_a" : " in sel_r";
  const int ntypes = static_cast<int>(start.size()) - 1;
  if (rule.type < 0) {
    const int left_out = rule.left_out();
    const std::string but = left_out < ntypes ? " but " + std::to_string(left_out) : "";
    return "number " + std::to_string(rule.index) + " of the first three of all types" + but + list;
  }
  int type = rule.type, index = rule.index;  // beyond its own slots a rule names those of the next type
  for (; type + 1 < ntypes; ++type) {
    const auto t = static_cast<std::size_t>(type);
    if (index < start[t + 1] - start[t]) break;
    index -= start[t + 1] - start[t];
  }
  return "number " + std::to_string(index) + " of type " + std::to_string(type) + list;
}

std::string text_of(double length) {
  std::ostringstream out;
  out << std::setprecision(6) << length;
  return out.str();
}

}  // namespace

void LocFrame::make_frames(const Exec& exec, const DeviceStructure& structure, const Tile& tile, State& state,
                           const Matrix<int>& slot, Workspace& ws) const {
  const int* of = rule_.data() + 6 * tile.type;
  const AxisRule first{of[0], of[1], of[2]}, second{of[3], of[4], of[5]};
  const Vector<int> problem = ws.vector<int>(2);
  const auto problem_host = Kokkos::create_mirror_view(problem);
  problem_host(0) = problem_host(1) = 0;
  mirror_copy(exec, problem, problem_host);
  fill_frames(exec, state.pairs, structure.centre, tile.begin, first, second, sizes_.data(), ntypes_, slot,
              state.axis, problem);
  mirror_copy(exec, problem_host, problem);
  const int wrong = problem_host(0);
  if (wrong == 0) return;
  const auto named = [&](const AxisRule& rule, const char* axis) {
    return "no neighbour within " + text_of(rcut_) + " A for the " + axis + " axis, " +
           text_of(rule, rule.kind == 0 ? start_a_ : start_r_);
  };
  AxisRule next = second;
  ++next.index;
  std::string what;
  if (wrong == kNoFirst) what = named(first, "first");
  if (wrong == kNoSecond) what = named(second, "second");
  if (wrong == kNoBackup) {
    what = "its two axis neighbours are on opposite sides, and there is " + named(next, "next second");
  }
  if (wrong == kLine) what = "its two axis neighbours are in one line with it";
  throw OverlappingAtoms{problem_host(1), -1,
                         "has no local frame: " + what + " (axis_rule of type " + std::to_string(tile.type) +
                             ", counted from 0); take a larger rcut, more slots, another axis_rule, or "
                             "another descriptor than loc_frame"};
}

AnyMatrix LocFrame::forward(const Exec& exec, const DeviceStructure& structure, const Tile& tile,
                            Descriptor::State& base, Workspace& ws) const {
  auto& state = static_cast<State&>(base);
  select_pairs(exec, structure, tile, rcut_, sel_, std::vector<bool>(sel_.size(), true), state.pairs,
               state.overflow, ws);
  const auto n = static_cast<std::size_t>(tile.size()), n_slots = static_cast<std::size_t>(start_r_.back());
  state.column = ws.vector<int>(static_cast<std::size_t>(state.pairs.n_pairs));
  state.axis = ws.matrix<int>(n, 2);
  const Matrix<double> d = ws.matrix<double>(n, static_cast<std::size_t>(dim_out()));
  const Workspace::Scope scope(ws);
  const Matrix<int> slot = ws.matrix<int>(n, n_slots);
  fill_slots(exec, state.pairs, sizes_.data(), ntypes_, state.column, slot);
  make_frames(exec, structure, tile, state, slot, ws);

  const double *avg = avg_.data() + tile.type * dim_out(),
               *inverse_std = inverse_std_.data() + tile.type * dim_out();
  for_each_element(
      exec, "dpcore::empty_slots", tile.size(), dim_out(),
      KOKKOS_LAMBDA(const int i, const int k) { d(i, k) = -avg[k] * inverse_std[k]; });
  const int full = 4 * n_a(), n_rows = tile.size(), ntypes = ntypes_;
  const Vector<int> offset = state.pairs.offset, column = state.column;
  const Matrix<int> axis = state.axis;
  const Matrix<double> r = state.pairs.r;
  for_each(
      exec, "dpcore::loc_frame_forward", n_rows, KOKKOS_LAMBDA(const int i) {
        const Frame f = Frame::make(row_of(r, axis(i, 0)), row_of(r, axis(i, 1)));
        for (int b = 0; b < ntypes; ++b) {
          for (int p = offset(b * n_rows + i); p < offset(b * n_rows + i + 1); ++p) {
            const int k = column(p);
            const Vec3 v = row_of(r, p);
            const double inverse2 = 1.0 / dot(v, v);
            d(i, k) = (Kokkos::sqrt(inverse2) - avg[k]) * inverse_std[k];
            if (k >= full) continue;
            const Vec3 u = v * inverse2;
            d(i, k + 1) = (dot(f.z, u) - avg[k + 1]) * inverse_std[k + 1];
            d(i, k + 2) = (dot(f.x, u) - avg[k + 2]) * inverse_std[k + 2];
            d(i, k + 3) = (dot(f.y, u) - avg[k + 3]) * inverse_std[k + 3];
          }
        }
      });
  return d;
}

// dE/dr = u_bar/r^2 - 2 r (u_bar.r)/r^4 - g_0 r/r^3,  u = r/r^2,  u_bar = g_z z + g_x x + g_y y; the frame's
// own adjoints g u go to the pairs r_1 and r_2
void LocFrame::backward_inputs(const Exec& exec, const Tile& tile, const AnyMatrix& d_descriptor,
                               Descriptor::State& base, Workspace& ws) const {
  auto& state = static_cast<State&>(base);
  const Workspace::Scope scope(ws);
  const Matrix<double> bar = as<double>(exec, d_descriptor, ws);
  const int full = 4 * n_a(), n = tile.size(), ntypes = ntypes_;
  const double* inverse_std = inverse_std_.data() + tile.type * dim_out();
  const Vector<int> offset = state.pairs.offset, column = state.column;
  const Matrix<int> axis = state.axis;
  const Matrix<double> r = state.pairs.r, d_r = state.pairs.d_r;
  for_each(
      exec, "dpcore::loc_frame_backward", n, KOKKOS_LAMBDA(const int i) {
        const Frame f = Frame::make(row_of(r, axis(i, 0)), row_of(r, axis(i, 1)));
        Vec3 x_bar{0, 0, 0}, y_bar{0, 0, 0}, z_bar{0, 0, 0};
        for (int b = 0; b < ntypes; ++b) {
          for (int p = offset(b * n + i); p < offset(b * n + i + 1); ++p) {
            const int k = column(p);
            const Vec3 v = row_of(r, p);
            const double inverse2 = 1.0 / dot(v, v);
            Vec3 to = v * (-bar(i, k) * inverse_std[k] * inverse2 * Kokkos::sqrt(inverse2));
            if (k < full) {
              const double gz = bar(i, k + 1) * inverse_std[k + 1], gx = bar(i, k + 2) * inverse_std[k + 2],
                           gy = bar(i, k + 3) * inverse_std[k + 3];
              const Vec3 u = v * inverse2, u_bar = f.z * gz + f.x * gx + f.y * gy;
              to = to + u_bar * inverse2 - u * (2.0 * inverse2 * dot(u_bar, v));
              x_bar = x_bar + u * gx;
              y_bar = y_bar + u * gy;
              z_bar = z_bar + u * gz;
            }
            d_r(p, 0) = to.x;
            d_r(p, 1) = to.y;
            d_r(p, 2) = to.z;
          }
        }
        Vec3 of[2];
        f.backward(x_bar, y_bar, z_bar, of[0], of[1]);
        for (int a = 0; a < 2; ++a) {
          d_r(axis(i, a), 0) += of[a].x;
          d_r(axis(i, a), 1) += of[a].y;
          d_r(axis(i, a), 2) += of[a].z;
        }
      });
}

// D_dot; empty slots do not move
AnyMatrix LocFrame::tangent(const Exec& exec, const Tile& tile, Descriptor::State& base,
                            Workspace& ws) const {
  auto& state = static_cast<State&>(base);
  const int full = 4 * n_a(), n = tile.size(), ntypes = ntypes_, columns = dim_out();
  const Matrix<double> d_dot =
      ws.matrix<double>(static_cast<std::size_t>(n), static_cast<std::size_t>(columns));
  const double* inverse_std = inverse_std_.data() + tile.type * columns;
  const Vector<int> offset = state.pairs.offset, column = state.column;
  const Matrix<int> axis = state.axis;
  const Matrix<double> r = state.pairs.r, r_dot = state.pairs.r_dot;
  for_each(
      exec, "dpcore::loc_frame_tangent", n, KOKKOS_LAMBDA(const int i) {
        for (int k = 0; k < columns; ++k) d_dot(i, k) = 0.0;
        const Frame f = Frame::make(row_of(r, axis(i, 0)), row_of(r, axis(i, 1)));
        Vec3 x_dot, y_dot, z_dot;
        f.tangent(row_of(r_dot, axis(i, 0)), row_of(r_dot, axis(i, 1)), x_dot, y_dot, z_dot);
        for (int b = 0; b < ntypes; ++b) {
          for (int p = offset(b * n + i); p < offset(b * n + i + 1); ++p) {
            const int k = column(p);
            const Vec3 v = row_of(r, p), v_dot = row_of(r_dot, p);
            const double inverse2 = 1.0 / dot(v, v), along = dot(v, v_dot) * inverse2;
            d_dot(i, k) = -Kokkos::sqrt(inverse2) * along * inverse_std[k];
            if (k >= full) continue;
            const Vec3 u = v * inverse2, u_dot = v_dot * inverse2 - u * (2.0 * along);
            d_dot(i, k + 1) = (dot(z_dot, u) + dot(f.z, u_dot)) * inverse_std[k + 1];
            d_dot(i, k + 2) = (dot(x_dot, u) + dot(f.x, u_dot)) * inverse_std[k + 2];
            d_dot(i, k + 3) = (dot(y_dot, u) + dot(f.y, u_dot)) * inverse_std[k + 3];
          }
        }
      });
  return d_dot;
}

}  // namespace dpcore
