// SPDX-License-Identifier: LGPL-3.0-or-later
// Interface of all fitting nets: from descriptors (and frame and atomic parameters) to n_out numbers per
// centre: an energy, a dipole or a polarizability. What a model predicts for a frame is their sum over the
// centres.
//
// Tensors need the rotation matrix of the descriptor: the last 3 n_radial columns of D
// (Descriptor::append_rotation). Matrices of D and of its adjoints and tangents have folded rows
// (nn/symmetric_blocks.hpp), the nets' weights do not. A State holds the centres of one type: of one tile in
// inference, of the whole batch in training, where a tile works on its rows and the weight gradients are
// formed afterwards over all rows, split into jobs.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/any_matrix.hpp"
#include "base/structure.hpp"
#include "nn/initialize.hpp"
#include "nn/symmetric_blocks.hpp"

namespace dpcore {

/// Frame and atomic parameters as the user gave them, in the memory of Exec.
struct FittingParams {
  DeviceArray<double> fparam;  // [n_frames * dim_fparam]
  DeviceArray<double> aparam;  // [n_local * dim_aparam]
};

/// What a fitting has to know of the model.
struct FittingSizes {
  int ntypes = 0;
  int dim_descriptor = 0;
  int n_radial = 0;  // of the rotation matrix, where the descriptor appended it, else 0
  int n_types = 0;   // width of the table of types (model/type_embedding), or 0: a net for each type
  std::vector<SymmetricBlock> symmetric = {};  // of D
  int n_columns() const { return folded_width(dim_descriptor, symmetric); }
};

class Fitting {
 public:
  struct State {
    virtual ~State() = default;
    int type = 0;
    std::vector<double> type_bar;  // [n_types] adjoint of te[type], after finish
    /// [rows of the state, n_out], set after `prepare`: backward_inputs differentiates sum_c weight_ic
    /// value_ic instead of one component, and of energies E_dot of backward_params has this factor. Empty: 1.
    Matrix<double> weight;
  };

  virtual ~Fitting() = default;
  /// Columns of D as the passes have it.
  virtual int dim_descriptor() const = 0;
  virtual int dim_fparam() const = 0;
  virtual int dim_aparam() const = 0;
  virtual bool is_float() const = 0;
  virtual ParameterBlock& parameters() = 0;
  virtual int n_out() const { return 1; }
  /// Whether centres of this type have an output; the others have none of the passes below, and zeros.
  virtual bool selects(int type) const {
    (void)type;
    return true;
  }

  /// The table te [ntypes, n_types] of a model with type embedding, whenever it has changed.
  virtual void set_types(const std::vector<double>& table) = 0;
  /// Whenever the parameters have changed. Not from inside run_workers.
  virtual void refresh_derived() = 0;

  /// A state is made once per worker (inference) or per type (training) and prepared for `n` rows of `type`.
  /// Before the tiles of a training state run, `begin` must have run on it.
  virtual std::unique_ptr<State> make_state() const = 0;
  virtual void prepare(int type, int n, bool training, State&, Workspace&) const = 0;
  /// What does not depend on the descriptor (vacuum energies of atom_ener); all rows of the state.
  virtual void begin(const Exec&, const DeviceStructure&, const Tile& whole_type, const FittingParams&,
                     State&, Workspace&) const = 0;

  /// Of a training state: where D (or D_dot) of its rows may be put, [n, dim_descriptor], before forward (or
  /// backward_params) is given just that; empty: nowhere.
  virtual AnyMatrix descriptor_rows(const State&, bool dot) const {
    (void)dot;
    return {};
  }
  /// value [tile.size(), n_out] of rows [row0, row0 + tile.size()) of the state; eV, or the unit of the
  /// labels
  virtual void forward(const Exec&, const DeviceStructure&, const Tile&, const AnyMatrix& descriptor,
                       const FittingParams&, int row0, State&, const Matrix<double>& value,
                       Workspace&) const = 0;
  /// d value_i[component]/dD_i [tile.size(), dim_descriptor]. With one component and outside of training they
  /// may take the place of the descriptor that forward() was given, which the caches still hold in part.
  virtual AnyMatrix backward_inputs(const Exec&, const Tile&, int component, int row0, State&,
                                    Workspace&) const = 0;
  /// D_bar for Phi = sum_i (<value_bar_i, value_i> + E_dot_i); d_dot = D_dot, or empty: without the second
  /// term. Runs tangent and parameter adjoints of the rows.
  virtual AnyMatrix backward_params(const Exec&, const Tile&, const AnyMatrix& d_dot,
                                    const Matrix<double>& value_bar, int row0, State&, Workspace&) const = 0;

  /// The counterpart of `begin`, after the tiles' backward_params and before the gradient jobs.
  virtual void finish(const Exec&, State&, Workspace&) const = 0;
  /// Weight gradients of the types of `states` into slot `slot`, 0 or a window of the job's range: jobs
  /// 0..n-1 may run in parallel. Every job assigns; what no job does, of nets of other types, is left as it
  /// is.
  virtual int n_gradient_jobs(const std::vector<State*>& states) const = 0;
  virtual void run_gradient_job(const Exec&, int job, const std::vector<State*>& states, int slot) const = 0;
  struct GradientWork {
    ParameterRange range;  // the parameters whose gradients a job makes; no two jobs share one
    int n_rows;            // of all its states
  };
  virtual GradientWork gradient_work(int job, const std::vector<State*>& states) const = 0;

  virtual void initialize() = 0;
  /// Fixed tensors by name: bias_atom_e [ntypes], fparam_avg, fparam_istd, aparam_avg, aparam_istd; of polar
  /// constant_matrix [ntypes]
  virtual std::map<std::string, std::vector<double>>& constants() = 0;
};

/// Whether the fitting of this model/fitting_net section takes a rotation matrix with D.
bool needs_rotation(const nlohmann::json& config);

/// `config` is the normalised model/fitting_net section. Throws Error naming the key that is missing or
/// wrong.
std::unique_ptr<Fitting> make_fitting(const nlohmann::json& config, const FittingSizes&);

}  // namespace dpcore
