// SPDX-License-Identifier: LGPL-3.0-or-later
// A stack of dense layers with optional skip connections and time steps: the embedding nets and the fitting
// nets.
//
// Layer k, rows are samples, x_{-1} the input:
//     z = x_{k-1} W + b,  h = phi(z) * idt,  x_k = skip(x_{k-1}) + h,   skip in {none, x, [x, x]}
// Four passes, each written once under its forward. Adjoints of a scalar E are E-derivatives; `dot` marks the
// tangent of a direction in the input:
//     forward           x, phi'(z), [phi''(z)]
//     backward_inputs   from x_bar = dE/dx_last: x_bar of every layer, the input's included
//     tangent           from input_dot: z_dot, x_dot of every layer
//     second_tangent    the second derivative of x_last along input_dot, for an input that moves straight on
//     backward_params   the adjoint of  Phi = <y_bar, x_last> + <y_dot_bar, x_dot_last>,  where
//     backward_inputs was
//                       run with y_dot_bar (its x_bar are the adjoints of x_dot): z_bar of every layer, x_bar
//                       of the input
// and accumulate_gradients, the weight products, kept apart so that they can run over all samples at once:
//     W_bar += x^T z_bar + x_dot^T z_dot_bar,  b_bar += sum z_bar,  idt_bar += sum x_bar phi + x_dot_bar phi'
//     z_dot
// with z_dot_bar = phi' idt x_dot_bar and z_bar = phi' idt x_bar + phi'' z_dot idt x_dot_bar
// (Pearlmutter, Neural Computation 6, 147 (1994), written out for one layer).
#pragma once

#include <string>
#include <vector>

#include "base/workspace.hpp"
#include "linalg/gemm.hpp"
#include "nn/activation.hpp"
#include "nn/parameter_store.hpp"
#include "nn/symmetric_blocks.hpp"

namespace dpcore {

enum class Skip { None, Add, Twice };

struct LayerSpec {
  int n_in = 0, n_out = 0;
  Activation activation = Activation::Linear;
  Skip skip = Skip::None;
  bool time_step = false;                     // multiply by idt; only with a skip
  bool has_bias = true;                       // else b = 0, no parameter
  bool derived = false;                       // matrix and bias are offsets that stand: of derived parts
  std::size_t matrix = 0, bias = 0, idt = 0;  // offsets in the store
};

/// What one layer remembers between passes; all matrices [n_rows, n_out]. Unused ones are empty.
template <class S>
struct LayerState {
  Matrix<S> x;             // output
  Matrix<S> phi;           // phi(z); only with a time step and for training
  Matrix<S> d1, d2;        // phi'(z), phi''(z)
  Matrix<S> x_dot, z_dot;  // tangents
  Matrix<S> x_dot_bar;     // adjoint of x_dot (plain dE/dx when y_dot_bar = dE/dy)
  Matrix<S> z_dot_bar, z_bar;
};

/// Room for two matrices [n, m], the second right below the first.
template <class S>
void stacked(int n, int m, Matrix<S>& upper, Matrix<S>& lower, Workspace& ws) {
  const auto both = ws.matrix<S>(2 * static_cast<std::size_t>(n), static_cast<std::size_t>(m));
  upper = rows(both, 0, n);
  lower = rows(both, n, 2 * n);
}

template <class S>
struct StackState {
  int n = 0;  // rows
  Matrix<S> input, input_dot;
  bool stacked_input = false;  // input_dot lies right below input, and not by chance
  std::vector<LayerState<S>> layers;
};

template <class S>
class DenseStack {
 public:
  /// Register the layers' parameters as `prefix`layer_k/{matrix,bias,idt}; trainable per layer. With
  /// symmetric blocks in its input the net takes and gives back folded rows (nn/symmetric_blocks.hpp): layer
  /// 0, which has no skip then, multiplies by sums of rows of its matrix, which `refresh` makes.
  DenseStack(ParameterStore<S>& store, const std::string& prefix, std::vector<LayerSpec> layers,
             const std::vector<bool>& trainable, const std::vector<SymmetricBlock>& symmetric = {});

  /// After each change of the parameters. Not from inside run_workers.
  void refresh();

  /// Columns of the input: fewer than rows of the first matrix where these are folded.
  int n_in() const { return pieces_.back().column + pieces_.back().n_columns; }
  int n_out() const { return layers_.back().n_out; }
  const std::vector<LayerSpec>& layers() const { return layers_; }

  /// Reserve the state for n rows. `training` also reserves what the parameter passes need. A caller may
  /// replace layers.back().x and x_dot by its own matrices afterwards.
  void prepare(int n, bool training, StackState<S>&, Workspace&) const;

  void forward(const Exec&, const Matrix<S>& input, StackState<S>&, bool training) const;
  /// input_dot = nullptr stands for a tangent of 1 in the first input column, and 0 in the others.
  void tangent(const Exec&, const Matrix<S>* input_dot, StackState<S>&, Workspace&) const;
  /// After forward and tangent with `training`: x_ddot [n, n_out] of the last layer, where input_ddot = 0.
  void second_tangent(const Exec&, const StackState<S>&, const Matrix<S>& x_ddot, Workspace&) const;
  /// d_input may be nullptr. Keeps x_dot_bar and z_dot_bar in the state if `keep`.
  void backward_inputs(const Exec&, const Matrix<S>& x_bar, StackState<S>&, bool keep,
                       const Matrix<S>* d_input, Workspace&) const;
  void backward_params(const Exec&, const Matrix<S>& y_bar, StackState<S>&, const Matrix<S>* d_input,
                       Workspace&) const;
  /// backward_params for rows whose input does not move: no tangent and no backward_inputs needed before.
  /// d_input may be nullptr.
  void backward_values(const Exec&, const Matrix<S>& y_bar, StackState<S>&, const Matrix<S>* d_input,
                       Workspace&) const;
  /// bar (=) adjoints of the input columns from `first` on, which hold the same numbers in all rows and lie
  /// behind all blocks; after backward_params or backward_values, for a layer 0 without skip.
  void backward_constants(const Exec&, const StackState<S>&, int first, const Vector<S>& bar) const;
  /// The rows of W of layer k as its input has them.
  std::vector<FoldedPiece> pieces(int k) const {
    if (k == 0) return pieces_;
    return folded_pieces(layers_[static_cast<std::size_t>(k)].n_in, {});
  }
  /// A piece of W_bar of layer k, or a part of one without fold; bias and idt with the last row. `slot` of
  /// the store; += or, if `assign`, =. A fold is assigned first, and complete after unfold_gradients.
  void accumulate_gradients(const Exec&, const StackState<S>&, int k, const FoldedPiece&, int slot,
                            bool assign) const;
  /// After the last of them.
  void unfold_gradients(const Exec&, const FoldedPiece&, int slot) const;
  /// All layers at once; += only for nets without folds.
  void accumulate_all(const Exec&, const StackState<S>&, int slot, bool assign) const;

 private:
  /// z = x W (+ bias in each row) and x_bar = z_bar W^T of layer k
  void apply(const Exec&, int k, const Matrix<S>& x, const S* bias, const Matrix<S>& z) const;
  void apply_transposed(const Exec&, int k, const Matrix<S>& z_bar, const Matrix<S>& x_bar) const;
  /// The rows of W of layer 0 that belong to a piece, folded or in the store.
  const S* rows_of(const FoldedPiece& p) const {
    const std::ptrdiff_t m = layers_.front().n_out;
    return p.n > 0 ? folded_.data() + p.folded * m : store_->value(layers_.front().matrix) + p.row * m;
  }
  /// Gradients of a piece: folded ones stand behind the folded weights.
  S* gradients_of(const FoldedPiece& p, int k, int slot) const {
    const auto& l = layers_[static_cast<std::size_t>(k)];
    return p.n > 0 ? folded_.data() + (n_folded_ + p.folded) * static_cast<std::ptrdiff_t>(l.n_out)
                   : store_->gradient(slot, l.matrix) + p.row * static_cast<std::ptrdiff_t>(l.n_out);
  }
  Matrix<const S> matrix(int k) const {
    const auto& l = layers_[static_cast<std::size_t>(k)];
    return Matrix<const S>(store_->value(l.matrix), l.n_in, l.n_out);
  }

  ParameterStore<S>* store_;
  std::vector<LayerSpec> layers_;
  std::vector<FoldedPiece> pieces_;  // of the input of layer 0
  int n_folded_ = 0;                 // rows in all folds
  DeviceArray<S> folded_;            // [2 n_folded, n_out]: weights, gradients
};

}  // namespace dpcore
