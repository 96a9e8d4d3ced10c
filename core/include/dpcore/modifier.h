// SPDX-License-Identifier: LGPL-3.0-or-later
// Modifiers: energies that stand beside a potential, such as the long-range part of DPLR.
#pragma once

#include "dpcore/model.h"

namespace dpcore {

/// Safe for concurrent calls on one object.
class DPCORE_API DataModifier {
 public:
  /// From the section model/modifier of a model file (JSON), the type map of the potential it stands beside,
  /// and its tensors. Throws Error.
  DataModifier(const std::string& config, const std::vector<std::string>& type_map,
               const std::map<std::string, Tensor>& tensors);
  ~DataModifier();
  DataModifier(DataModifier&&) noexcept;
  DataModifier& operator=(DataModifier&&) noexcept;

  double rcut() const;  ///< A
  std::map<std::string, Tensor> tensors() const;

  /// Energy, force and virial of the modifier alone. Throws Error for frames that are not periodic in all
  /// directions.
  Prediction predict(const Frames&, bool derivatives = true) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The reciprocal part of the Ewald sum of n_sites charges in each frame: position [n_frames, n_sites, 3] A,
/// charge [n_frames, n_sites] e, box [n_frames, 9] A; h in A, beta in 1/A. Energy, force and virial as in
/// Prediction.
DPCORE_API Prediction ewald_recp(int n_frames, int n_sites, const double* position, const double* charge,
                                 const double* box, double h, double beta);

}  // namespace dpcore
