// SPDX-License-Identifier: LGPL-3.0-or-later
#include "radial/radial_net.hpp"

#include <algorithm>

namespace dpcore {

namespace {

/// Rows worked on together: on a CPU so many that the layers' arrays stay in a core's cache.
constexpr int kChunk = kExecOnHost ? 128 : 1 << 20;

/// Columns 1 + shift + k of x (=) row[k]
template <class S>
void write_constants(const Exec& exec, const S* row, int width, int shift, const Matrix<S>& x) {
  for_each_element(
      exec, "dpcore::write_constants", static_cast<int>(x.extent(0)), width,
      KOKKOS_LAMBDA(const int i, const int k) { x(i, 1 + shift + k) = row[k]; });
}

/// row_bar[k] += the sum of column 1 + shift + k of d_input
template <class S>
void constants_backward(const Exec& exec, const Matrix<S>& d_input, int width, int shift, S* row_bar) {
  const int n = static_cast<int>(d_input.extent(0));
  for_each(
      exec, "dpcore::constants_backward", width, KOKKOS_LAMBDA(const int k) {
        S sum = S(0);
        for (int i = 0; i < n; ++i) sum += d_input(i, 1 + shift + k);
        row_bar[k] += sum;
      });
}

template <class S>
void write_radial(const Exec& exec, const S* s, const Matrix<S>& x) {
  for_each(
      exec, "dpcore::write_radial", static_cast<int>(x.extent(0)),
      KOKKOS_LAMBDA(const int i) { x(i, 0) = s[i]; });
}

}  // namespace

template <class S>
Matrix<S> RadialNet<S>::inputs(const Exec& exec, S* s, int n, Workspace& ws) const {
  if (types_.size() == 0) return Matrix<S>(s, n, 1);
  const Matrix<S> x = ws.matrix<S>(static_cast<std::size_t>(n), static_cast<std::size_t>(stack_.n_in()));
  write_radial(exec, s, x);
  for (std::size_t t = 0; t < types_.types.size(); ++t) {
    const std::size_t row = static_cast<std::size_t>(types_.types[t] * types_.width);
    write_constants(exec, store_->value(types_.table + row), types_.width, static_cast<int>(t) * types_.width,
                    x);
  }
  return x;
}

template <class S>
Matrix<S> RadialNet<S>::input_room(int n, Workspace& ws) const {
  if (types_.size() == 0) return Matrix<S>();
  return ws.matrix<S>(static_cast<std::size_t>(n), static_cast<std::size_t>(stack_.n_in()));
}

template <class S>
void RadialNet<S>::add_type_gradients(const Exec& exec, const Matrix<S>& d_input, int slot) const {
  for (std::size_t t = 0; t < types_.types.size(); ++t) {
    const std::size_t row = static_cast<std::size_t>(types_.types[t] * types_.width);
    constants_backward(exec, d_input, types_.width, static_cast<int>(t) * types_.width,
                       store_->gradient(slot, types_.table + row));
  }
}

template <class S>
void RadialNet<S>::forward(const Exec& exec, const Vector<S>& s, const Matrix<S>& g, const Matrix<S>& g_prime,
                           Workspace& ws) const {
  StackState<S> state;
  for_chunks(static_cast<int>(s.extent(0)), kChunk, ws, [&](int begin, int end) {
    stack_.prepare(end - begin, false, state, ws);
    for (std::size_t k = 0; k < state.layers.size(); ++k) {
      state.layers[k].x_dot = ws.matrix<S>(state.layers[k].x.extent(0), state.layers[k].x.extent(1));
    }
    state.layers.back().x = rows(g, begin, end);
    state.layers.back().x_dot = rows(g_prime, begin, end);
    stack_.forward(exec, inputs(exec, s.data() + begin, end - begin, ws), state, false);
    stack_.tangent(exec, nullptr, state, ws);
  });
}

template <class S>
void RadialNet<S>::backward_params(const Exec& exec, const Vector<S>& s, const Matrix<S>& g_bar,
                                   const Matrix<S>& g_prime_bar, int slot, Workspace& ws) const {
  StackState<S> state;
  for_chunks(static_cast<int>(s.extent(0)), kChunk, ws, [&](int begin, int end) {
    stack_.prepare(end - begin, true, state, ws);
    stack_.forward(exec, inputs(exec, s.data() + begin, end - begin, ws), state, true);
    stack_.tangent(exec, nullptr, state, ws);
    stack_.backward_inputs(exec, rows(g_prime_bar, begin, end), state, true, nullptr, ws);
    const Matrix<S> d_input = input_room(end - begin, ws);
    stack_.backward_params(exec, rows(g_bar, begin, end), state, d_input.data() ? &d_input : nullptr, ws);
    add_type_gradients(exec, d_input, slot);
    stack_.accumulate_all(exec, state, slot, false);
  });
}

template <class S>
void RadialNet<S>::second_order(const Exec& exec, const Vector<S>& s, const Matrix<S>& g,
                                const Matrix<S>& g_prime, const Matrix<S>& g_second, Workspace& ws) const {
  StackState<S> state;
  for_chunks(static_cast<int>(s.extent(0)), kChunk, ws, [&](int begin, int end) {
    stack_.prepare(end - begin, true, state, ws);
    state.layers.back().x = rows(g, begin, end);
    state.layers.back().x_dot = rows(g_prime, begin, end);
    stack_.forward(exec, inputs(exec, s.data() + begin, end - begin, ws), state, true);
    stack_.tangent(exec, nullptr, state, ws);
    stack_.second_tangent(exec, state, rows(g_second, begin, end), ws);
  });
}

template <class S>
void RadialNet<S>::values(const Exec& exec, const Vector<S>& s, const Matrix<S>& g, Workspace& ws) const {
  StackState<S> state;
  for_chunks(static_cast<int>(s.extent(0)), kChunk, ws, [&](int begin, int end) {
    stack_.prepare(end - begin, false, state, ws);
    state.layers.back().x = rows(g, begin, end);
    stack_.forward(exec, inputs(exec, s.data() + begin, end - begin, ws), state, false);
  });
}

template <class S>
void RadialNet<S>::backward_values(const Exec& exec, const Vector<S>& s, const Matrix<S>& g_bar, int slot,
                                   Workspace& ws) const {
  StackState<S> state;
  for_chunks(static_cast<int>(s.extent(0)), kChunk, ws, [&](int begin, int end) {
    stack_.prepare(end - begin, true, state, ws);
    stack_.forward(exec, inputs(exec, s.data() + begin, end - begin, ws), state, true);
    const Matrix<S> d_input = input_room(end - begin, ws);
    stack_.backward_values(exec, rows(g_bar, begin, end), state, d_input.data() ? &d_input : nullptr, ws);
    add_type_gradients(exec, d_input, slot);
    stack_.accumulate_all(exec, state, slot, false);
  });
}

template class RadialNet<double>;
template class RadialNet<float>;

}  // namespace dpcore
