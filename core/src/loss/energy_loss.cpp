// SPDX-License-Identifier: LGPL-3.0-or-later
#include "loss/energy_loss.hpp"

#include <cmath>
#include <limits>

#include "base/json_config.hpp"

namespace dpcore {

namespace {

double mean_square(const std::vector<double>& x) {
  double sum = 0;
  for (const double d : x) sum += d * d;
  return x.empty() ? 0 : sum / static_cast<double>(x.size());
}

std::vector<double> difference(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> d(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) d[i] = a[i] - b[i];
  return d;
}

}  // namespace

EnergyLoss::EnergyLoss(const nlohmann::json& config) {
  const ConfigReader in(config, "loss");
  const auto read = [&](const std::string& name, double start, double limit) {
    Prefactor p;
    p.start = in.get_or<double>("start_pref_" + name, start);
    p.limit = in.get_or<double>("limit_pref_" + name, limit);
    in.require(p.start >= 0 && p.limit >= 0, "start_pref_" + name, "expected a prefactor >= 0");
    return p;
  };
  e_ = read("e", 0.02, 1);
  f_ = read("f", 1000, 1);
  v_ = read("v", 0, 0);
  ae_ = read("ae", 0, 0);
  pf_ = read("pf", 0, 0);
  relative_f_ = in.get_or<double>("relative_f", -1.0);
}

// TensorFlow folds constants: start - limit in double, then times 1/start_lr.
double EnergyLoss::Prefactor::at(float lr, float start_lr, double find) const {
  const float slope = static_cast<float>(start - limit) * (1.0F / start_lr);
  volatile float falling = slope * lr;  // volatile: no fused multiply-add
  return static_cast<double>(static_cast<float>(find) * (static_cast<float>(limit) + falling));
}

std::map<std::string, double> EnergyLoss::compute(const Outputs& outputs, const Labels& labels, float lr,
                                                  float start_lr, LossGradient* gradient) const {
  const auto& [energy, force, virial, atom_energy] = outputs;
  const double n = labels.n_atoms, n_frames = labels.n_frames;
  const double absent = std::numeric_limits<double>::quiet_NaN();
  std::map<std::string, double> out;
  if (gradient != nullptr) {
    gradient->energy.assign(energy.size(), 0.0);
    gradient->force.assign(force.size(), 0.0);
    gradient->virial.assign(virial.size(), 0.0);
    gradient->atom_energy.assign(atom_energy.size(), 0.0);
  }
  double loss = 0;

  if (e_.active()) {
    const double p = e_.at(lr, start_lr, labels.find_energy);
    out["rmse_e"] = absent;
    if (labels.find_energy > 0) {
      const auto d = difference(energy, labels.energy);
      const double l2 = mean_square(d);
      loss += p * l2 / n;
      out["rmse_e"] = std::sqrt(l2) / n;
      for (std::size_t i = 0; gradient != nullptr && i < d.size(); ++i)
        gradient->energy[i] += 2 * p * d[i] / (n * n_frames);
    }
  }
  if (v_.active()) {
    const double p = v_.at(lr, start_lr, labels.find_virial);
    out["rmse_v"] = absent;
    if (labels.find_virial > 0) {
      const auto d = difference(virial, labels.virial);
      const double l2 = mean_square(d);
      loss += p * l2 / n;
      out["rmse_v"] = std::sqrt(l2) / n;
      for (std::size_t i = 0; gradient != nullptr && i < d.size(); ++i) {
        gradient->virial[i] += 2 * p * d[i] / (n * n_frames * 9);
      }
    }
  }
  if (ae_.active()) {
    const double p = ae_.at(lr, start_lr, labels.find_atom_ener);
    out["rmse_ae"] = absent;
    if (labels.find_atom_ener > 0) {
      const auto d = difference(atom_energy, labels.atom_ener);
      const double l2 = mean_square(d);
      loss += p * l2;
      out["rmse_ae"] = std::sqrt(l2);
      for (std::size_t i = 0; gradient != nullptr && i < d.size(); ++i) {
        gradient->atom_energy[i] += 2 * p * d[i] / (n * n_frames);
      }
    }
  }
  if (f_.active() || pf_.active()) {
    if (f_.active()) out["rmse_f"] = absent;
    if (pf_.active()) out["rmse_pf"] = absent;
    if (labels.find_force > 0) {
      auto d = difference(force, labels.force);
      std::vector<double> scale(d.size() / 3, 1.0);
      for (std::size_t i = 0; relative_f_ >= 0 && i < scale.size(); ++i) {
        const double* f = &labels.force[3 * i];
        scale[i] = 1.0 / (std::sqrt(f[0] * f[0] + f[1] * f[1] + f[2] * f[2]) + relative_f_);
        for (std::size_t a = 0; a < 3; ++a) d[3 * i + a] *= scale[i];
      }
      const double size = static_cast<double>(d.size());
      if (f_.active()) {
        const double p = f_.at(lr, start_lr, labels.find_force), l2 = mean_square(d);
        loss += p * l2;
        out["rmse_f"] = std::sqrt(l2);
        for (std::size_t i = 0; gradient != nullptr && i < d.size(); ++i) {
          gradient->force[i] += 2 * p * d[i] * scale[i / 3] / size;
        }
      }
      if (pf_.active() && labels.find_atom_pref > 0) {
        const double p = pf_.at(lr, start_lr, labels.find_atom_pref);
        double l2 = 0;
        for (std::size_t i = 0; i < d.size(); ++i) {
          const double w = labels.atom_pref[i / 3];
          l2 += w * d[i] * d[i] / size;
          if (gradient != nullptr) gradient->force[i] += 2 * p * w * d[i] * scale[i / 3] / size;
        }
        loss += p * l2;
        out["rmse_pf"] = std::sqrt(l2);
      }
    }
  }
  out["rmse"] = std::sqrt(loss);
  return out;
}

}  // namespace dpcore
