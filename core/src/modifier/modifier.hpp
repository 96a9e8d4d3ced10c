// SPDX-License-Identifier: LGPL-3.0-or-later
// Interface of all modifiers: an energy with its derivatives that stands beside a potential. Training
// subtracts it from the labels, predictions of whole frames add it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/structure.hpp"
#include "env/pairs.hpp"
#include "model/model_file.hpp"

namespace dpcore {

struct Correction {
  std::vector<double> energy;  // [n_frames] eV
  std::vector<double> force;   // [n_frames, n_atoms, 3] eV/A
  std::vector<double> virial;  // [n_frames, 9] eV, -dE/d(strain)
  SelOverflow overflow;
};

class Modifier {
 public:
  /// What a sequence of calls keeps; one for each concurrent user.
  struct State {
    virtual ~State() = default;
  };

  virtual ~Modifier() = default;
  /// The neighbours that the structures must have, A
  virtual double rcut() const = 0;
  virtual std::unique_ptr<State> make_state() const = 0;
  /// Frames of one composition without ghosts of others: n_local = n_force atoms, all of them centres; boxes
  /// [n_frames, 9] A, rows are cell vectors. Without `derivatives` energies alone. Throws Error,
  /// OverlappingAtoms.
  virtual void compute(const Structure&, const double* boxes, bool derivatives, State&,
                       Correction&) const = 0;
  /// Its arrays as the model file has them, without the prefix "modifier/"
  virtual std::map<std::string, Tensor> tensors() const = 0;
};

/// `config`: the section model/modifier of the model file; `type_map` that of the potential. Throws Error
/// naming the key that is missing or wrong.
std::unique_ptr<Modifier> make_modifier(const nlohmann::json& config,
                                        const std::vector<std::string>& type_map,
                                        const std::map<std::string, Tensor>& tensors);

}  // namespace dpcore
