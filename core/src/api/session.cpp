// SPDX-License-Identifier: LGPL-3.0-or-later
#include "api/session.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "api/params.hpp"

namespace dpcore {

struct Model::Session::Impl {
  SessionData data;
  bool has_list = false;
  bool told_of_modifier = false;
};

Model::Session::Session() : impl_(std::make_unique<Impl>()) {}
Model::Session::~Session() = default;
Model::Session::Session(Session&&) noexcept = default;
Model::Session& Model::Session::operator=(Session&&) noexcept = default;

namespace {

bool strict_sel() {
  const char* s = std::getenv("DP_STRICT_SEL");
  return s != nullptr && std::strcmp(s, "") != 0 && std::strcmp(s, "0") != 0;
}

const std::string kWithoutModifier =
    "the model has the modifier dipole_charge (DPLR), whose long-range energy is not part of what is "
    "computed here";

void require(bool ok, const std::string& message) {
  if (!ok) throw Error(message);
}

/// The list in compressed rows; throws Error where an index is out of range.
void take_list(const Neighborhood& n, Structure& out) {
  const auto n_local = static_cast<std::size_t>(n.n_local);
  out.is_centre.assign(n_local, false);
  std::vector<std::size_t> count(n_local, 0);
  require(n.n_centres >= 0, "neighbour list: the number of centres is negative");
  require(n.n_centres == 0 || (n.centre != nullptr && n.n_neighbors != nullptr && n.neighbors != nullptr),
          "neighbour list: an array is missing (null)");
  for (int k = 0; k < n.n_centres; ++k) {
    const int i = n.centre[k];
    if (i < 0 || i >= n.n_local) {
      throw Error("neighbour list: centre " + std::to_string(i) + " is not one of the " +
                  std::to_string(n.n_local) + " local atoms");
    }
    const auto c = static_cast<std::size_t>(i);
    if (out.is_centre[c]) throw Error("neighbour list: atom " + std::to_string(i) + " is a centre twice");
    if (n.n_neighbors[k] < 0 || (n.n_neighbors[k] > 0 && n.neighbors[k] == nullptr)) {
      throw Error("neighbour list: atom " + std::to_string(i) + " has " + std::to_string(n.n_neighbors[k]) +
                  " neighbours" + (n.n_neighbors[k] > 0 ? ", but no list of them (null)" : ""));
    }
    out.is_centre[c] = true;
    count[c] = static_cast<std::size_t>(n.n_neighbors[k]);
  }
  out.first.assign(n_local + 1, 0);
  for (std::size_t i = 0; i < n_local; ++i) out.first[i + 1] = out.first[i] + count[i];
  const std::size_t n_pairs = out.first.back();
  if (n_pairs > out.neighbor.capacity()) {  // without the old list, or twice its room, beside the new one
    std::vector<int>().swap(out.neighbor);
    out.neighbor.reserve(n_pairs + n_pairs / 16);
  }
  out.neighbor.resize(n_pairs);
  for (int k = 0; k < n.n_centres; ++k) {
    const auto begin = out.first[static_cast<std::size_t>(n.centre[k])];
    for (int q = 0; q < n.n_neighbors[k]; ++q) {
      const int j = n.neighbors[k][q] & n.neighbor_mask;
      if (j < 0 || j >= n.n_all) {
        throw Error("neighbour list: atom " + std::to_string(n.centre[k]) + " has neighbour " +
                    std::to_string(j) + ", but there are " + std::to_string(n.n_all) + " atoms");
      }
      out.neighbor[begin + static_cast<std::size_t>(q)] = j;
    }
  }
}

}  // namespace

void count_overflow(const SelOverflow& overflow, const std::vector<std::string>& type_map,
                    const std::string& where, Prediction& out) {
  out.overflow_atoms += overflow.atoms;
  out.overflow_worst = std::max(out.overflow_worst, overflow.worst_excess);
  if (overflow.atoms == 0 || !strict_sel()) return;
  throw Error(where + ": " + std::to_string(overflow.atoms) +
              " atoms have more neighbours than the model's sel, by up to " +
              std::to_string(overflow.worst_excess) + " of type " +
              type_map[static_cast<std::size_t>(overflow.type)] +
              " (DP_STRICT_SEL=1 makes this an error; train with a larger sel)");
}

void Model::predict(const Neighborhood& n, bool atomic, Session& session, Prediction& out,
                    bool derivatives) const {
  require(n.n_local >= 0 && n.n_all >= n.n_local, "neighbour list: more local atoms than atoms");
  require(n.n_all == 0 || (n.coord != nullptr && n.type != nullptr),
          "neighbour list: coordinates and types are needed");
  require(n.weight == nullptr || kind() != "ener", "weight: a model of energies has none");
  require(dim_fparam() == 0 || n.fparam != nullptr,
          "fparam: the model needs frame parameters, none were given");
  require(dim_aparam() == 0 || n.aparam != nullptr,
          "aparam: the model needs atomic parameters, none were given");
  check_finite(n.fparam, 1, static_cast<std::size_t>(dim_fparam()), "fparam");
  const auto n_aparam = static_cast<std::size_t>(is_aparam_nall() ? n.n_all : n.n_local) *
                        static_cast<std::size_t>(dim_aparam());
  check_finite(n.aparam, 1, n_aparam, "aparam");
  SessionData& data = session.impl_->data;
  Structure& s = data.structure;
  const auto n_all = static_cast<std::size_t>(n.n_all), n_local = static_cast<std::size_t>(n.n_local);
  if (n.rebuilt) {
    static std::atomic<std::uint64_t> lists{0};
    session.impl_->has_list = false;
    take_list(n, s);
    s.list = ++lists;
    session.impl_->has_list = true;
  } else {
    require(session.impl_->has_list && s.n_local == n.n_local && s.n_all == n.n_all,
            "neighbour list: told to reuse the previous one, but there is none for this number of atoms");
  }
  s.n_frames = 1;
  s.n_local = n.n_local;
  s.n_all = s.n_force = n.n_all;
  s.coord.assign(n.coord, n.coord + 3 * n_all);
  s.type.resize(n_all);
  s.target.resize(n_all);
  s.frame.assign(n_local, 0);
  const int known = ntypes();
  for (std::size_t i = 0; i < n_all; ++i) {
    s.type[i] = n.type[i] < known ? n.type[i] : -1;
    s.target[i] = static_cast<int>(i);
    for (std::size_t d = 0; d < 3; ++d) {
      if (!std::isfinite(s.coord[3 * i + d])) {
        throw AtomError({static_cast<int>(i)}, "has a coordinate that is not finite");
      }
    }
  }
  if (dim_fparam() > 0) assign(data.params.fparam, std::vector<double>(n.fparam, n.fparam + dim_fparam()));
  if (dim_aparam() > 0) {
    assign(data.params.aparam,
           std::vector<double>(n.aparam, n.aparam + static_cast<std::ptrdiff_t>(n_local) * dim_aparam()));
  }
  s.aparam.clear();
  if (is_aparam_nall()) s.aparam.assign(n.aparam, n.aparam + n_aparam);
  Evaluation& e = data.evaluation;
  std::vector<double> weight;
  if (n.weight != nullptr) weight.assign(n.weight, n.weight + n_local * static_cast<std::size_t>(n_out()));
  try {
    evaluate(potential(), s, data.params, atomic && derivatives, data.team, e, derivatives,
             n.weight != nullptr ? &weight : nullptr);
  } catch (const OverlappingAtoms& o) {
    throw AtomError(o.neighbor < 0 ? std::vector<int>{o.centre} : std::vector<int>{o.centre, o.neighbor},
                    o.problem);
  }
  for (const double x : e.energy) {
    require(std::isfinite(x), e.energy.size() == 1 ? "the model gives an energy that is not finite"
                                                   : "the model gives a tensor that is not finite");
  }
  out.energy = e.energy;
  out.force.swap(e.force);
  out.virial = e.virial;
  out.atom_energy.swap(e.atom_energy);
  out.atom_virial.swap(e.atom_virial);
  out.overflow_atoms = 0;
  out.overflow_worst = 0;
  count_overflow(e.overflow, type_map(), "this frame", out);
  watch_tables(e.outside, 1, out);
  if (has_modifier() && !n.adds_modifier && !session.impl_->told_of_modifier) {
    session.impl_->told_of_modifier = true;
    out.notice += (out.notice.empty() ? "" : "; ") + kWithoutModifier;
  }
}

}  // namespace dpcore
