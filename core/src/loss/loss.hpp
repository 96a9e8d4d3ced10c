// SPDX-License-Identifier: LGPL-3.0-or-later
// Interface of all losses: what training makes small, and its derivatives with respect to the model's
// outputs.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace dpcore {

/// Labels of a batch of frames of one system; an absent one has find = 0 and may be empty.
struct Labels {
  int n_frames = 0, n_atoms = 0;
  std::vector<double> energy;       // [n_frames] eV
  std::vector<double> force;        // [n_frames, n_atoms, 3] eV/A
  std::vector<double> virial;       // [n_frames, 9] eV
  std::vector<double> atom_ener;    // [n_frames, n_atoms] eV
  std::vector<double> atom_pref;    // [n_frames, n_atoms]
  std::vector<double> tensor;       // [n_frames, n_out]
  std::vector<double> atom_tensor;  // [n_frames, selected atoms, n_out]
  std::vector<int> selected;        // atoms of a frame that the fitting selects
  double find_energy = 0, find_force = 0, find_virial = 0, find_atom_ener = 0, find_atom_pref = 0;
  double find_tensor = 0, find_atom_tensor = 0;
};

/// Outputs as in Evaluation
struct Outputs {
  const std::vector<double>&energy, &force, &virial, &atom_energy;
};

/// dL/d(output); sizes as the outputs
struct LossGradient {
  std::vector<double> energy, force, virial, atom_energy;
};

class Loss {
 public:
  virtual ~Loss() = default;
  /// Whether forces and virials are looked at; if not, they need not be there.
  virtual bool needs_derivatives() const = 0;
  /// Prefactors follow lr/start_lr. Fills `gradient` unless it is null; returns the quantities of the
  /// learning curve by name, of active terms only, NaN without label.
  virtual std::map<std::string, double> compute(const Outputs&, const Labels&, float lr, float start_lr,
                                                LossGradient* gradient) const = 0;
};

/// `config`: the normalised loss section; `kind`: the model's fitting. Throws Error where the two do not go
/// together.
std::unique_ptr<Loss> make_loss(const nlohmann::json& config, const std::string& kind);

}  // namespace dpcore
