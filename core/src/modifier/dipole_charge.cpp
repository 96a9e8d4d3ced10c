// SPDX-License-Identifier: LGPL-3.0-or-later
#include "modifier/dipole_charge.hpp"

#include "base/json_config.hpp"
#include "model/evaluate.hpp"
#include "output/ewald.hpp"

namespace dpcore {

namespace {

struct Kept final : Modifier::State {
  Kept(double h, double beta) : ewald(h, beta) {}
  WorkerTeam team;
  FittingParams none;
  Evaluation dipole, chain;
  Ewald ewald;
  EwaldResult sums;
  std::vector<double> position, charge, weight;
  std::vector<int> host;  // atoms with a site, in a frame
};

std::vector<double> charges(const ConfigReader& in, const std::string& key, std::size_t n,
                            const std::string& of) {
  const auto values = in.get<std::vector<nlohmann::json>>(key);
  bool numbers = true;
  std::vector<double> out;
  for (const auto& v : values) {
    numbers = numbers && v.is_number();
    if (v.is_number()) out.push_back(v.get<double>());
  }
  in.require(numbers, key, "expected charges, numbers in units of e");
  in.require(out.size() == n, key,
             "expected " + std::to_string(n) + " charge(s), one for each " + of + ", got " +
                 std::to_string(out.size()));
  return out;
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) out += (out.empty() ? "" : " ") + name;
  return out;
}

}  // namespace

DipoleCharge::DipoleCharge(const nlohmann::json& config, const std::vector<std::string>& type_map,
                           const std::map<std::string, Tensor>& tensors) {
  const ConfigReader in(config, "model/modifier");
  try {
    dipole_ = std::make_unique<Potential>(in.get<nlohmann::json>("model"));
    if (dipole_->kind() != "dipole")
      throw Error("expected a model of dipoles, got one of kind " + dipole_->kind());
    if (dipole_->type_map() != type_map) {
      throw Error("it has the types " + joined(dipole_->type_map()) + ", the energy model " +
                  joined(type_map) + "; both need the same type_map");
    }
    dipole_->load(tensors);
  } catch (const Error& e) {
    throw Error(std::string("model/modifier: the dipole model: ") + e.what());
  }
  std::vector<int> selected;  // in the order of the dipole model's input, which is that of the charges
  for (int t = 0; t < dipole_->ntypes(); ++t) {
    if (dipole_->fitting().selects(t)) selected.push_back(t);
  }
  const ConfigReader fitting(dipole_->config()["fitting_net"], "model/fitting_net");
  selected = fitting.get_or<std::vector<int>>("sel_type", selected);
  charge_ = charges(in, "sys_charge_map", type_map.size(), "type of model/type_map");
  const auto of_sites =
      charges(in, "model_charge_map", selected.size(), "type that the dipole model selects (its sel_type)");
  site_charge_.assign(type_map.size(), 0.0);
  for (std::size_t k = 0; k < selected.size(); ++k)
    site_charge_[static_cast<std::size_t>(selected[k])] = of_sites[k];
  h_ = in.get_or<double>("ewald_h", 1.0);
  beta_ = in.get_or<double>("ewald_beta", 0.4);
  try {
    const Ewald check(h_, beta_);
  } catch (const Error& e) {
    throw Error(std::string("model/modifier/") + e.what());
  }
}

std::unique_ptr<Modifier::State> DipoleCharge::make_state() const {
  return std::make_unique<Kept>(h_, beta_);
}

void DipoleCharge::compute(const Structure& structure, const double* boxes, bool derivatives,
                           Modifier::State& base, Correction& out) const {
  auto& kept = static_cast<Kept&>(base);
  const auto n_frames = static_cast<std::size_t>(structure.n_frames);
  const std::size_t n = n_frames == 0 ? 0 : static_cast<std::size_t>(structure.n_local) / n_frames;
  evaluate(*dipole_, structure, kept.none, false, kept.team, kept.dipole, false);
  const std::vector<double>& mu = kept.dipole.atom_energy;  // [n_local, 3]
  out.overflow = kept.dipole.overflow;
  out.energy.assign(n_frames, 0.0);
  out.force.assign(3 * n * n_frames, 0.0);
  out.virial.assign(9 * n_frames, 0.0);
  kept.weight.assign(3 * n * n_frames, 0.0);
  for (std::size_t f = 0; f < n_frames; ++f) {
    const std::size_t first = f * n;
    kept.host.clear();
    kept.position.assign(structure.coord.begin() + static_cast<std::ptrdiff_t>(3 * first),
                         structure.coord.begin() + static_cast<std::ptrdiff_t>(3 * (first + n)));
    kept.charge.assign(n, 0.0);
    for (std::size_t i = 0; i < n; ++i) {
      const int t = structure.type[first + i];
      if (t < 0) continue;
      kept.charge[i] = charge_[static_cast<std::size_t>(t)];
      if (dipole_->fitting().selects(t)) kept.host.push_back(static_cast<int>(i));
    }
    for (const int host : kept.host) {
      const auto i = static_cast<std::size_t>(host);
      for (std::size_t a = 0; a < 3; ++a)
        kept.position.push_back(kept.position[3 * i + a] + mu[3 * (first + i) + a]);
      kept.charge.push_back(site_charge_[static_cast<std::size_t>(structure.type[first + i])]);
    }
    kept.ewald.compute(kept.position, kept.charge, boxes + 9 * f, derivatives, kept.sums);
    out.energy[f] = kept.sums.energy;
    if (!derivatives) continue;
    std::copy_n(kept.sums.force.begin(), 3 * n, out.force.begin() + static_cast<std::ptrdiff_t>(3 * first));
    std::copy_n(kept.sums.virial, 9, out.virial.begin() + static_cast<std::ptrdiff_t>(9 * f));
    for (std::size_t k = 0; k < kept.host.size(); ++k) {
      const std::size_t i = first + static_cast<std::size_t>(kept.host[k]);
      const double* site = &kept.sums.force[3 * (n + k)];
      for (std::size_t a = 0; a < 3; ++a) {
        out.force[3 * i + a] += site[a];
        kept.weight[3 * i + a] = -site[a];
        for (std::size_t b = 0; b < 3; ++b) out.virial[9 * f + 3 * a + b] -= site[a] * mu[3 * i + b];
      }
    }
  }
  if (!derivatives) return;
  // forces and virials of the "energy" -sum_n f_W(n) . mu_n(R), f_W constant
  evaluate(*dipole_, structure, kept.none, false, kept.team, kept.chain, true, &kept.weight);
  for (std::size_t i = 0; i < out.force.size(); ++i) out.force[i] += kept.chain.force[i];
  for (std::size_t i = 0; i < out.virial.size(); ++i) out.virial[i] += kept.chain.virial[i];
}

}  // namespace dpcore
