// SPDX-License-Identifier: LGPL-3.0-or-later
// The weight products of a stack of dense layers.
#include "nn/dense_stack.hpp"

namespace dpcore {

template <class S>
void DenseStack<S>::unfold_gradients(const Exec& exec, const FoldedPiece& p, int slot) const {
  if (p.n == 0) return;
  const int m = layers_.front().n_out, n = p.n;
  const S* const from = gradients_of(p, 0, slot);
  S* const to = store_->gradient(slot, layers_.front().matrix) + static_cast<std::ptrdiff_t>(p.row) * m;
  for_each_element(
      exec, "dpcore::unfold_gradients", p.n_rows, m, KOKKOS_LAMBDA(const int k, const int j) {
        to[k * m + j] = from[(p.column_of(k / n, k % n) - p.column) * m + j];
      });
}

template <class S>
void DenseStack<S>::accumulate_gradients(const Exec& exec, const StackState<S>& state, int k,
                                         const FoldedPiece& part, int slot, bool assign) const {
  const auto& layer = layers_[static_cast<std::size_t>(k)];
  const auto& s = state.layers[static_cast<std::size_t>(k)];
  const Matrix<S>& x = k == 0 ? state.input : state.layers[static_cast<std::size_t>(k - 1)].x;
  const Matrix<S>& x_dot = k == 0 ? state.input_dot : state.layers[static_cast<std::size_t>(k - 1)].x_dot;
  S* w_bar = gradients_of(part, k, slot);
  const int m = layer.n_out, width = static_cast<int>(x.extent(1));
  const bool moves = state.input_dot.data() != nullptr;
  const auto below = [&](const Matrix<S>& upper, const Matrix<S>& lower) {
    return lower.data() == upper.data() + upper.extent(0) * upper.extent(1);
  };
  const bool joined =
      moves && (k > 0 || state.stacked_input) && below(x, x_dot) && below(s.z_bar, s.z_dot_bar);
  gemm<S>(exec, Op::Transpose, Op::None, part.n_columns, m, joined ? 2 * state.n : state.n,
          x.data() + part.column, width, s.z_bar.data(), m, assign ? 0 : 1, w_bar, m);
  if (moves && !joined) {
    gemm<S>(exec, Op::Transpose, Op::None, part.n_columns, m, state.n, x_dot.data() + part.column, width,
            s.z_dot_bar.data(), m, 1, w_bar, m);
  }
  if (part.row + part.n_rows != layer.n_in) return;
  S* b_bar = store_->gradient(slot, layer.bias);
  S* idt_bar = store_->gradient(slot, layer.idt);
  const bool scaled = layer.time_step;
  const int n = state.n;
  const Matrix<S> z_bar = s.z_bar, phi = s.phi;
  if constexpr (kExecOnHost) {
    if (assign) {
      for (int j = 0; j < m; ++j) b_bar[j] = S(0);
      for (int j = 0; scaled && j < m; ++j) idt_bar[j] = S(0);
    }
    for (int i = 0; i < n; ++i) {
#pragma omp simd
      for (int j = 0; j < m; ++j) b_bar[j] += z_bar(i, j);
      if (!scaled) continue;
#pragma omp simd
      for (int j = 0; j < m; ++j) idt_bar[j] += phi(i, j);
    }
  } else {
    for_each_sum<S, 2>(
        exec, "dpcore::bias_gradient", m, n,
        KOKKOS_LAMBDA(const int j, const int i, Sums<S, 2>& sum) {
          sum.at[0] += z_bar(i, j);
          if (scaled) sum.at[1] += phi(i, j);
        },
        KOKKOS_LAMBDA(const int j, const Sums<S, 2>& sum) {
          b_bar[j] = (assign ? S(0) : b_bar[j]) + sum.at[0];
          if (scaled) idt_bar[j] = (assign ? S(0) : idt_bar[j]) + sum.at[1];
        });
  }
}

template <class S>
void DenseStack<S>::accumulate_all(const Exec& exec, const StackState<S>& state, int slot,
                                   bool assign) const {
  for (int k = 0; k < static_cast<int>(layers_.size()); ++k) {
    for (const FoldedPiece& p : pieces(k)) {
      accumulate_gradients(exec, state, k, p, slot, assign);
      unfold_gradients(exec, p, slot);
    }
  }
}

#define DPCORE_INSTANTIATE(S)                                                                \
  template void DenseStack<S>::unfold_gradients(const Exec&, const FoldedPiece&, int) const; \
  template void DenseStack<S>::accumulate_gradients(const Exec&, const StackState<S>&, int,  \
                                                    const FoldedPiece&, int, bool) const;    \
  template void DenseStack<S>::accumulate_all(const Exec&, const StackState<S>&, int, bool) const;
DPCORE_INSTANTIATE(double)
DPCORE_INSTANTIATE(float)
#undef DPCORE_INSTANTIATE

}  // namespace dpcore
