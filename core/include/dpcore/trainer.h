// SPDX-License-Identifier: LGPL-3.0-or-later
// Training steps on a model.
#pragma once

#include "dpcore/model.h"

namespace dpcore {

/// Labels of frames; a null pointer is an absent label.
struct FrameLabels {
  const double* energy = nullptr;       ///< [n_frames] eV
  const double* force = nullptr;        ///< [n_frames, n_atoms, 3] eV/A
  const double* virial = nullptr;       ///< [n_frames, 9] eV
  const double* atom_ener = nullptr;    ///< [n_frames, n_atoms] eV
  const double* atom_pref = nullptr;    ///< [n_frames, n_atoms] weight of the atom's force
  const double* tensor = nullptr;       ///< [n_frames, n_out] dipoles or polarizabilities of frames
  const double* atom_tensor = nullptr;  ///< [n_frames, atoms of selected types in their order, n_out]
};

class DPCORE_API Trainer {
 public:
  /// The model must outlive the trainer and has one trainer at a time (Error). `loss`: the normalised loss
  /// section, JSON.
  Trainer(Model& model, const std::string& loss);
  ~Trainer();

  /// One Adam step with learning rate lr (float32 arithmetic, as the reference); start_lr is the schedule's
  /// first rate. Returns the terms of the loss before the step. Throws Error where labels or the result are
  /// not finite.
  std::map<std::string, double> step(const Frames&, const FrameLabels&, double lr, double start_lr);
  /// Terms of the loss: rmse, rmse_e, rmse_ae, rmse_f, rmse_v, rmse_pf, rmse_lc, rmse_gl as far as active;
  /// NaN without label.
  std::map<std::string, double> losses(const Frames&, const FrameLabels&, double lr, double start_lr);

  /// Gradient of the loss for each trainable tensor of the model, for tests; no step is taken.
  std::map<std::string, Tensor> gradients(const Frames&, const FrameLabels&, double lr, double start_lr);

  /// Bytes kept of frames that come again: neighbour lists, pairs and environment matrices. The environment
  /// variable DP_TRAIN_CACHE limits them, in MiB.
  std::size_t kept_bytes() const;

  /// Adam's moments and counters, and back: a restart goes on as if nothing had happened.
  std::map<std::string, Tensor> state() const;
  void load_state(const std::map<std::string, Tensor>&);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dpcore
