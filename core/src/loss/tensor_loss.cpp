// SPDX-License-Identifier: LGPL-3.0-or-later
#include "loss/tensor_loss.hpp"

#include <cmath>
#include <limits>

#include "base/json_config.hpp"

namespace dpcore {

TensorLoss::TensorLoss(const nlohmann::json& config) {
  const ConfigReader in(config, "loss");
  const auto read = [&](const char* key) {
    const auto p = in.get<double>(key);
    in.require(p >= 0 && std::isfinite(p), key, "expected a prefactor >= 0");
    return p;
  };
  pref_ = read("pref");
  pref_atomic_ = read("pref_atomic");
  in.require(pref_ > 0 || pref_atomic_ > 0, "pref",
             "pref and pref_atomic are both 0: there is nothing to train on");
}

std::map<std::string, double> TensorLoss::compute(const Outputs& out, const Labels& labels, float, float,
                                                  LossGradient* gradient) const {
  const auto n_frames = static_cast<std::size_t>(labels.n_frames),
             n_atoms = static_cast<std::size_t>(labels.n_atoms);
  const std::size_t n_out = out.energy.size() / n_frames, n_selected = labels.selected.size();
  std::map<std::string, double> terms;
  if (gradient != nullptr) {
    gradient->energy.assign(out.energy.size(), 0.0);
    gradient->atom_energy.assign(out.atom_energy.size(), 0.0);
    gradient->force.clear();
    gradient->virial.clear();
  }
  double loss = 0;
  const auto absent = std::numeric_limits<double>::quiet_NaN();
  if (pref_atomic_ > 0) {
    terms["rmse_lc"] = absent;
    if (labels.find_atom_tensor > 0 && n_selected > 0) {
      const auto size = static_cast<double>(n_frames * n_selected * n_out);
      double l2 = 0;
      for (std::size_t f = 0; f < n_frames; ++f) {
        for (std::size_t k = 0; k < n_selected; ++k) {
          for (std::size_t c = 0; c < n_out; ++c) {
            const std::size_t at = (f * n_atoms + static_cast<std::size_t>(labels.selected[k])) * n_out + c;
            const double d = out.atom_energy[at] - labels.atom_tensor[(f * n_selected + k) * n_out + c];
            l2 += d * d / size;
            if (gradient != nullptr) gradient->atom_energy[at] += 2 * pref_atomic_ * d / size;
          }
        }
      }
      loss += pref_atomic_ * l2;
      terms["rmse_lc"] = std::sqrt(l2);
    }
  }
  if (pref_ > 0) {
    terms["rmse_gl"] = absent;
    if (labels.find_tensor > 0 && n_selected > 0) {
      const auto size = static_cast<double>(n_frames * n_out), atoms = static_cast<double>(n_selected);
      double l2 = 0;
      for (std::size_t i = 0; i < out.energy.size(); ++i) {
        const double d = out.energy[i] - labels.tensor[i];
        l2 += d * d / size;
        if (gradient != nullptr) gradient->energy[i] += 2 * pref_ * d / (size * atoms);
      }
      loss += pref_ * l2 / atoms;
      terms["rmse_gl"] = std::sqrt(l2) / atoms;
    }
  }
  terms["rmse"] = std::sqrt(loss);
  return terms;
}

}  // namespace dpcore
