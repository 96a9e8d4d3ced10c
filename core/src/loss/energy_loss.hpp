// SPDX-License-Identifier: LGPL-3.0-or-later
// The loss on energies, forces, virials, atomic energies and weighted forces, and what training needs of it: its
// derivatives with respect to the model's outputs. See docs/training.md.
//
//     L = p_e <dE^2>/N + p_f <dF^2> + p_v <dV^2>/N + p_ae <dE_i^2> + p_pf <w_i dF_i^2>
//     p(t) = find (limit + (start - limit) lr(t)/lr(0)),   evaluated in float32 as the reference does
// N atoms per frame, averages over frames, atoms and components. relative_f = eps divides dF_i by |F_i label| + eps.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace dpcore {

/// Labels of a batch of frames of one system; an absent one has find = 0 and may be empty.
struct Labels {
  int n_frames = 0, n_atoms = 0;
  std::vector<double> energy;       // [n_frames] eV
  std::vector<double> force;        // [n_frames, n_atoms, 3] eV/A
  std::vector<double> virial;       // [n_frames, 9] eV
  std::vector<double> atom_ener;    // [n_frames, n_atoms] eV
  std::vector<double> atom_pref;    // [n_frames, n_atoms]
  double find_energy = 0, find_force = 0, find_virial = 0, find_atom_ener = 0, find_atom_pref = 0;
};

/// dL/d(output); sizes as the outputs
struct LossGradient {
  std::vector<double> energy, force, virial, atom_energy;
};

class EnergyLoss {
 public:
  /// `config`: the normalised loss section
  explicit EnergyLoss(const nlohmann::json& config);

  /// Outputs as in Evaluation. lr_ratio = lr(t)/lr(0). Fills `gradient` unless it is null; returns the quantities of
  /// the learning curve by name (rmse, rmse_e, rmse_ae, rmse_f, rmse_v, rmse_pf), of active terms only, NaN without label.
  std::map<std::string, double> compute(const std::vector<double>& energy, const std::vector<double>& force,
                                        const std::vector<double>& virial, const std::vector<double>& atom_energy,
                                        const Labels&, float lr, float start_lr, LossGradient* gradient) const;

 private:
  struct Prefactor {
    double start = 0, limit = 0;
    bool active() const { return start != 0 || limit != 0; }
    double at(float lr, float start_lr, double find) const;
  };
  Prefactor e_, f_, v_, ae_, pf_;
  double relative_f_ = -1;  // negative: off
};

}  // namespace dpcore
