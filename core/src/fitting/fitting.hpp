// SPDX-License-Identifier: LGPL-3.0-or-later
// Interface of all fitting nets: from descriptors (and frame and atomic parameters) to one energy per centre.
//
// A State holds the centres of one type: of one tile in inference, of the whole batch in training, where a tile works
// on its rows and the weight gradients are formed afterwards over all rows, split into jobs.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/any_matrix.hpp"
#include "base/structure.hpp"
#include "nn/initialize.hpp"

namespace dpcore {

/// Frame and atomic parameters as the user gave them, in the memory of Exec.
struct FittingParams {
  DeviceArray<double> fparam;  // [n_frames * dim_fparam]
  DeviceArray<double> aparam;  // [n_local * dim_aparam]
};

class Fitting {
 public:
  struct State {
    virtual ~State() = default;
  };

  virtual ~Fitting() = default;
  virtual int dim_descriptor() const = 0;
  virtual int dim_fparam() const = 0;
  virtual int dim_aparam() const = 0;
  virtual bool is_float() const = 0;
  virtual ParameterBlock& parameters() = 0;

  /// A state is made once per worker (inference) or per type (training) and prepared for `n` rows of `type`. Before the
  /// tiles of a training state run, `begin` must have run on it.
  virtual std::unique_ptr<State> make_state() const = 0;
  virtual void prepare(int type, int n, bool training, State&, Workspace&) const = 0;
  /// What does not depend on the descriptor (vacuum energies of atom_ener); all rows of the state.
  virtual void begin(const Exec&, const DeviceStructure&, const Tile& whole_type, const FittingParams&, State&,
                     Workspace&) const = 0;

  /// energy [tile.size()], eV, of rows [row0, row0 + tile.size()) of the state
  virtual void forward(const Exec&, const DeviceStructure&, const Tile&, const AnyMatrix& descriptor,
                       const FittingParams&, int row0, State&, const Vector<double>& energy, Workspace&) const = 0;
  /// dE_i/dD_i [tile.size(), dim_descriptor]
  virtual AnyMatrix backward_inputs(const Exec&, const Tile&, int row0, State&, Workspace&) const = 0;
  /// D_bar for Phi = sum_i (energy_bar_i E_i + E_dot_i); d_dot = D_dot. Runs tangent and parameter adjoints of the rows.
  virtual AnyMatrix backward_params(const Exec&, const Tile&, const AnyMatrix& d_dot, const Vector<double>& energy_bar,
                                    int row0, State&, Workspace&) const = 0;

  /// The counterpart of `begin`, after the tiles' backward_params and before the gradient jobs.
  virtual void finish(const Exec&, State&, Workspace&) const = 0;
  /// Weight gradients of one type's state into slot 0: jobs 0..n-1 may run in parallel. Every job assigns.
  virtual int n_gradient_jobs(const State&) const = 0;
  virtual void run_gradient_job(const Exec&, int job, State&, Workspace&) const = 0;

  virtual void initialize() = 0;
  /// Fixed tensors by name: bias_atom_e [ntypes], fparam_avg, fparam_istd, aparam_avg, aparam_istd
  virtual std::map<std::string, std::vector<double>>& constants() = 0;
};

/// `config` is the normalised model/fitting_net section. Throws Error naming the key that is missing or wrong.
std::unique_ptr<Fitting> make_fitting(const nlohmann::json& config, int ntypes, int dim_descriptor);

}  // namespace dpcore
