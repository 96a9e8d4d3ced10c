// SPDX-License-Identifier: LGPL-3.0-or-later
#include "nn/dense_stack.hpp"

#include <algorithm>

#include "base/any_matrix.hpp"
#include "nn/activate.hpp"

namespace dpcore {

namespace {

/// x = skip(x_in) + h * idt, h on entry in x
template <class S>
void add_skip(const Exec& exec, const LayerSpec& layer, const S* idt, const Matrix<const S>& x_in,
              const Matrix<S>& x) {
  const int n = static_cast<int>(x.extent(0)), n_in = layer.n_in;
  const bool scaled = layer.time_step;
  for (int part = 0; part < (layer.skip == Skip::Twice ? 2 : 1); ++part) {
    const int shift = part * n_in;
    for_each_element(
        exec, "dpcore::add_skip", n, n_in, KOKKOS_LAMBDA(const int i, const int j) {
          const S h = x(i, j + shift);
          x(i, j + shift) = x_in(i, j) + (scaled ? h * idt[j + shift] : h);
        });
  }
}

/// x_bar of the layer's input gets the skip's share of the output's adjoint.
template <class S>
void add_skip_adjoint(const Exec& exec, const LayerSpec& layer, const Matrix<const S>& x_bar_out,
                      const Matrix<S>& x_bar_in) {
  const int n_in = layer.n_in;
  const bool twice = layer.skip == Skip::Twice;
  for_each_element(
      exec, "dpcore::add_skip_adjoint", static_cast<int>(x_bar_in.extent(0)), n_in,
      KOKKOS_LAMBDA(const int i, const int j) {
        S sum = x_bar_out(i, j);
        if (twice) sum += x_bar_out(i, j + n_in);
        x_bar_in(i, j) += sum;
      });
}

/// to [n, m] = column [n, 1] w^T [1, m]: a product would mostly be preparation.
template <class S>
void multiply_by_column(const Exec& exec, const Matrix<S>& column, const Matrix<const S>& w,
                        const Matrix<S>& to) {
  for_each_element(
      exec, "dpcore::multiply_by_column", static_cast<int>(to.extent(0)), static_cast<int>(to.extent(1)),
      KOKKOS_LAMBDA(const int i, const int j) { to(i, j) = column(i, 0) * w(j, 0); });
}

}  // namespace

template <class S>
DenseStack<S>::DenseStack(ParameterStore<S>& store, const std::string& prefix, std::vector<LayerSpec> layers,
                          const std::vector<bool>& trainable, const std::vector<SymmetricBlock>& symmetric)
    : store_(&store), layers_(std::move(layers)), pieces_(folded_pieces(layers_.front().n_in, symmetric)) {
  for (const FoldedPiece& p : pieces_) n_folded_ += p.n > 0 ? p.n_columns : 0;
  for (std::size_t k = 0; k < layers_.size(); ++k) {
    auto& layer = layers_[k];
    if (layer.derived) continue;
    const std::string name = prefix + "layer_" + std::to_string(k) + "/";
    layer.matrix = store.add(name + "matrix", {layer.n_in, layer.n_out}, trainable[k]);
    layer.bias = layer.has_bias ? store.add(name + "bias", {layer.n_out}, trainable[k])
                                : store.add_derived(name + "bias", {layer.n_out});
    if (layer.time_step) layer.idt = store.add(name + "idt", {layer.n_out}, trainable[k]);
  }
}

template <class S>
void DenseStack<S>::refresh() {
  if (n_folded_ == 0) return;
  const int m = layers_.front().n_out;
  const std::size_t size = 2 * static_cast<std::size_t>(n_folded_) * static_cast<std::size_t>(m);
  if (folded_.extent(0) != size) folded_ = DeviceArray<S>("dpcore::DenseStack::folded", size);
  for (const FoldedPiece& p : pieces_) {
    if (p.n == 0) continue;
    const S* const w = store_->value(layers_.front().matrix) + static_cast<std::ptrdiff_t>(p.row) * m;
    S* const sums = folded_.data() + static_cast<std::ptrdiff_t>(p.folded) * m;
    const int n = p.n;
    for_each_element(
        Exec(), "dpcore::fold_rows", n * n, m, KOKKOS_LAMBDA(const int k, const int j) {
          const int a = k / n, b = k % n;
          if (b <= a)
            sums[(a * (a + 1) / 2 + b) * m + j] = w[k * m + j] + (b < a ? w[(b * n + a) * m + j] : S(0));
        });
  }
}

template <class S>
void DenseStack<S>::apply(const Exec& exec, int k, const Matrix<S>& x, const S* bias,
                          const Matrix<S>& z) const {
  const int n = static_cast<int>(z.extent(0)), m = static_cast<int>(z.extent(1)),
            width = static_cast<int>(x.extent(1));
  const auto add = [&](const S* columns, int n_columns, const S* w, bool first) {
    if (first && bias != nullptr) {
      gemm_with_row(exec, n, m, n_columns, columns, width, w, m, bias, z.data(), m);
    } else {
      gemm(exec, Op::None, Op::None, n, m, n_columns, columns, width, w, m, first ? 0 : 1, z.data(), m);
    }
  };
  if (k > 0) return add(x.data(), width, store_->value(layers_[static_cast<std::size_t>(k)].matrix), true);
  for (const FoldedPiece& p : pieces_) add(x.data() + p.column, p.n_columns, rows_of(p), p.column == 0);
}

template <class S>
void DenseStack<S>::apply_transposed(const Exec& exec, int k, const Matrix<S>& z_bar,
                                     const Matrix<S>& x_bar) const {
  if (k > 0 && layers_[static_cast<std::size_t>(k)].n_out == 1)
    return multiply_by_column<S>(exec, z_bar, matrix(k), x_bar);
  if (k > 0) return multiply_transposed<S>(exec, z_bar, matrix(k), 0, x_bar);
  const int n = static_cast<int>(x_bar.extent(0)), m = layers_.front().n_out,
            width = static_cast<int>(x_bar.extent(1));
  for (const FoldedPiece& p : pieces_) {
    gemm<S>(exec, Op::None, Op::Transpose, n, p.n_columns, m, z_bar.data(), m, rows_of(p), m, 0,
            x_bar.data() + p.column, width);
  }
}

template <class S>
void DenseStack<S>::prepare(int n, bool training, StackState<S>& state, Workspace& ws) const {
  state.n = n;
  state.layers.resize(layers_.size());
  const auto rows = static_cast<std::size_t>(n);
  for (std::size_t k = 0; k < layers_.size(); ++k) {
    auto& s = state.layers[k];
    const auto m = static_cast<std::size_t>(layers_[k].n_out);
    s = LayerState<S>();
    s.d1 = ws.matrix<S>(rows, m);
    if (!training) s.x = ws.matrix<S>(rows, m);
    if (training) {
      // values above tangents: one product gives the weight gradients of both
      stacked(n, layers_[k].n_out, s.x, s.x_dot, ws);
      stacked(n, layers_[k].n_out, s.z_bar, s.z_dot_bar, ws);
      s.d2 = ws.matrix<S>(rows, m);
      if (layers_[k].time_step) s.phi = ws.matrix<S>(rows, m);
      s.z_dot = ws.matrix<S>(rows, m);
      s.x_dot_bar = ws.matrix<S>(rows, m);
    }
  }
}

template <class S>
void DenseStack<S>::forward(const Exec& exec, const Matrix<S>& input, StackState<S>& state,
                            bool training) const {
  state.input = input;
  Matrix<S> x_in = input;
  for (std::size_t k = 0; k < layers_.size(); ++k) {
    const auto& layer = layers_[k];
    auto& s = state.layers[k];
    const S* bias = store_->value(layer.bias);
    const Matrix<S> z = s.x;
    if (layer.n_in == 1) {
      const S* w = store_->value(layer.matrix);
      for_each_element(
          exec, "dpcore::dense_single_input", state.n, layer.n_out,
          KOKKOS_LAMBDA(const int i, const int j) { z(i, j) = x_in(i, 0) * w[j] + bias[j]; });
    } else {
      apply(exec, static_cast<int>(k), x_in, bias, z);
    }
    const S* idt = store_->value(layer.idt);
    const std::size_t size = static_cast<std::size_t>(state.n) * static_cast<std::size_t>(layer.n_out);
    activate(exec, layer.activation, size, z.data(), s.d1.data(), training ? s.d2.data() : nullptr);
    if (training && layer.time_step) copy_matrix<S, S>(exec, z, s.phi);
    if (layer.skip != Skip::None) add_skip<S>(exec, layer, idt, x_in, z);
    x_in = s.x;
  }
}

template <class S>
void DenseStack<S>::tangent(const Exec& exec, const Matrix<S>* input_dot, StackState<S>& state,
                            Workspace& ws) const {
  Matrix<S> x_in;
  if (input_dot != nullptr) {
    x_in = *input_dot;
  } else {
    x_in = ws.matrix<S>(static_cast<std::size_t>(state.n), static_cast<std::size_t>(n_in()));
    for_each_element(
        exec, "dpcore::unit_tangent", state.n, n_in(),
        KOKKOS_LAMBDA(const int i, const int j) { x_in(i, j) = j == 0 ? S(1) : S(0); });
  }
  state.input_dot = x_in;
  for (std::size_t k = 0; k < layers_.size(); ++k) {
    const auto& layer = layers_[k];
    auto& s = state.layers[k];
    // without training buffers z_dot is formed in place of x_dot
    const Matrix<S> x_dot = s.x_dot, z_dot = s.z_dot.data() != nullptr ? s.z_dot : s.x_dot, d1 = s.d1;
    if (layer.n_in == 1) {
      const S* w = store_->value(layer.matrix);
      for_each_element(
          exec, "dpcore::tangent_single_input", state.n, layer.n_out,
          KOKKOS_LAMBDA(const int i, const int j) { z_dot(i, j) = x_in(i, 0) * w[j]; });
    } else {
      apply(exec, static_cast<int>(k), x_in, nullptr, z_dot);
    }
    const S* idt = store_->value(layer.idt);
    for_each_element(
        exec, "dpcore::tangent", state.n, layer.n_out,
        KOKKOS_LAMBDA(const int i, const int j) { x_dot(i, j) = d1(i, j) * z_dot(i, j); });
    if (layer.skip != Skip::None) add_skip<S>(exec, layer, idt, x_in, x_dot);
    x_in = s.x_dot;
  }
}

// x_ddot = skip(x_ddot_in) + idt (phi' z_ddot + phi'' z_dot^2),  z_ddot = x_ddot_in W
template <class S>
void DenseStack<S>::second_tangent(const Exec& exec, const StackState<S>& state, const Matrix<S>& x_ddot_last,
                                   Workspace& ws) const {
  Workspace::Scope scope(ws);
  Matrix<S> x_in = ws.matrix<S>(static_cast<std::size_t>(state.n), static_cast<std::size_t>(n_in()));
  for_each_element(
      exec, "dpcore::straight_on", state.n, n_in(),
      KOKKOS_LAMBDA(const int i, const int j) { x_in(i, j) = S(0); });
  for (std::size_t k = 0; k < layers_.size(); ++k) {
    const auto& layer = layers_[k];
    const auto& s = state.layers[k];
    const Matrix<S> x_ddot = k + 1 == layers_.size()
                                 ? x_ddot_last
                                 : ws.matrix<S>(static_cast<std::size_t>(state.n), s.x.extent(1));
    apply(exec, static_cast<int>(k), x_in, nullptr, x_ddot);
    const Matrix<S> d1 = s.d1, d2 = s.d2, z_dot = s.z_dot;
    for_each_element(
        exec, "dpcore::second_tangent", state.n, layer.n_out, KOKKOS_LAMBDA(const int i, const int j) {
          x_ddot(i, j) = d1(i, j) * x_ddot(i, j) + d2(i, j) * z_dot(i, j) * z_dot(i, j);
        });
    if (layer.skip != Skip::None) add_skip<S>(exec, layer, store_->value(layer.idt), x_in, x_ddot);
    x_in = x_ddot;
  }
}

template <class S>
void DenseStack<S>::backward_inputs(const Exec& exec, const Matrix<S>& x_bar_last, StackState<S>& state,
                                    bool keep, const Matrix<S>* d_input, Workspace& ws) const {
  Workspace::Scope scope(ws);
  const auto n = static_cast<std::size_t>(state.n);
  int widest = 0;
  for (const LayerSpec& layer : layers_) widest = std::max(widest, layer.n_out);
  S* const room = keep ? nullptr : ws.take<S>(n * static_cast<std::size_t>(widest));
  Matrix<S> x_bar = x_bar_last;
  for (int k = static_cast<int>(layers_.size()) - 1; k >= 0; --k) {
    const auto& layer = layers_[static_cast<std::size_t>(k)];
    auto& s = state.layers[static_cast<std::size_t>(k)];
    const Matrix<S> z_bar = keep ? s.z_dot_bar : Matrix<S>(room, n, static_cast<std::size_t>(layer.n_out));
    const S* idt = store_->value(layer.idt);
    const bool scaled = layer.time_step;
    const Matrix<S> d1 = s.d1, out = x_bar;
    for_each_element(
        exec, "dpcore::backward_activation", state.n, layer.n_out, KOKKOS_LAMBDA(const int i, const int j) {
          const S h_bar = scaled ? out(i, j) * idt[j] : out(i, j);
          z_bar(i, j) = d1(i, j) * h_bar;
        });
    if (keep) s.x_dot_bar = x_bar;
    if (k == 0 && d_input == nullptr) return;
    // with `keep` the adjoints of the layers live as long as the state: prepare() reserved room for them
    Matrix<S> x_bar_in;
    if (k == 0) {
      x_bar_in = *d_input;
    } else if (keep) {
      x_bar_in = state.layers[static_cast<std::size_t>(k - 1)].x_dot_bar;
    } else {
      x_bar_in = ws.matrix<S>(n, static_cast<std::size_t>(layer.n_in));
    }
    apply_transposed(exec, k, z_bar, x_bar_in);
    if (layer.skip != Skip::None) add_skip_adjoint<S>(exec, layer, x_bar, x_bar_in);
    x_bar = x_bar_in;
  }
}

template <class S>
void DenseStack<S>::backward_params(const Exec& exec, const Matrix<S>& y_bar, StackState<S>& state,
                                    const Matrix<S>* d_input, Workspace& ws) const {
  Workspace::Scope scope(ws);
  Matrix<S> x_bar = y_bar;
  for (int k = static_cast<int>(layers_.size()) - 1; k >= 0; --k) {
    const auto& layer = layers_[static_cast<std::size_t>(k)];
    const auto& s = state.layers[static_cast<std::size_t>(k)];
    const S* idt = store_->value(layer.idt);
    const bool scaled = layer.time_step;
    const Matrix<S> d1 = s.d1, d2 = s.d2, z_dot = s.z_dot, x_dot_bar = s.x_dot_bar, z_bar = s.z_bar,
                    phi = s.phi, out = x_bar;
    for_each_element(
        exec, "dpcore::backward_activation_dual", state.n, layer.n_out,
        KOKKOS_LAMBDA(const int i, const int j) {
          S h_bar = out(i, j), h_dot_bar = x_dot_bar(i, j);
          if (scaled) {
            // phi becomes the summand of idt_bar
            phi(i, j) = h_bar * phi(i, j) + h_dot_bar * d1(i, j) * z_dot(i, j);
            h_bar *= idt[j];
            h_dot_bar *= idt[j];
          }
          z_bar(i, j) = d1(i, j) * h_bar + d2(i, j) * z_dot(i, j) * h_dot_bar;
        });
    if (k == 0 && d_input == nullptr) return;
    const Matrix<S> x_bar_in =
        k == 0 ? *d_input
               : ws.matrix<S>(static_cast<std::size_t>(state.n), static_cast<std::size_t>(layer.n_in));
    apply_transposed(exec, k, z_bar, x_bar_in);
    if (layer.skip != Skip::None) add_skip_adjoint<S>(exec, layer, x_bar, x_bar_in);
    x_bar = x_bar_in;
  }
}

template <class S>
void DenseStack<S>::backward_values(const Exec& exec, const Matrix<S>& y_bar, StackState<S>& state,
                                    const Matrix<S>* d_input, Workspace& ws) const {
  Workspace::Scope scope(ws);
  Matrix<S> x_bar = y_bar;
  state.input_dot = Matrix<S>();  // no tangents: accumulate_gradients leaves their share out
  for (int k = static_cast<int>(layers_.size()) - 1; k >= 0; --k) {
    const auto& layer = layers_[static_cast<std::size_t>(k)];
    const auto& s = state.layers[static_cast<std::size_t>(k)];
    const S* idt = store_->value(layer.idt);
    const bool scaled = layer.time_step;
    const Matrix<S> d1 = s.d1, z_bar = s.z_bar, phi = s.phi, out = x_bar;
    for_each_element(
        exec, "dpcore::backward_values", state.n, layer.n_out, KOKKOS_LAMBDA(const int i, const int j) {
          S h_bar = out(i, j);
          if (scaled) {
            phi(i, j) *= h_bar;
            h_bar *= idt[j];
          }
          z_bar(i, j) = d1(i, j) * h_bar;
        });
    if (k == 0 && d_input == nullptr) return;
    const Matrix<S> x_bar_in =
        k == 0 ? *d_input
               : ws.matrix<S>(static_cast<std::size_t>(state.n), static_cast<std::size_t>(layer.n_in));
    apply_transposed(exec, k, z_bar, x_bar_in);
    if (layer.skip != Skip::None) add_skip_adjoint<S>(exec, layer, x_bar, x_bar_in);
    x_bar = x_bar_in;
  }
}

// z_bar summed over the rows, times W^T; behind the blocks columns are rows of W, shifted
template <class S>
void DenseStack<S>::backward_constants(const Exec& exec, const StackState<S>& state, int first,
                                       const Vector<S>& bar) const {
  const Matrix<const S> w = matrix(0);
  const Matrix<S> z_bar = state.layers.front().z_bar;
  const int n = state.n, m = layers_.front().n_out, row = first + layers_.front().n_in - n_in();
  for_each(
      exec, "dpcore::backward_constants", static_cast<int>(bar.extent(0)), KOKKOS_LAMBDA(const int k) {
        S sum = S(0);
        for (int i = 0; i < n; ++i) {
          for (int j = 0; j < m; ++j) sum += w(row + k, j) * z_bar(i, j);
        }
        bar(k) = sum;
      });
}

template class DenseStack<double>;
template class DenseStack<float>;

}  // namespace dpcore
