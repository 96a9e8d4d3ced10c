// SPDX-License-Identifier: LGPL-3.0-or-later
#include "radial/radial_net.hpp"

#include <algorithm>

namespace dpcore {

namespace {

/// Rows worked on together: on a CPU so many that the layers' arrays stay in a core's cache.
constexpr int kChunk = kExecOnHost ? 128 : 1 << 20;

/// f(begin, end) for chunks of n rows; what f takes from `ws` is given back after each.
template <class F>
void for_chunks(int n, Workspace& ws, const F& f) {
  for (int begin = 0; begin < n; begin += kChunk) {
    const Workspace::Scope scope(ws);
    f(begin, std::min(n, begin + kChunk));
  }
}

}  // namespace

std::vector<LayerSpec> embedding_layers(int n_in, const EmbeddingSpec& spec) {
  std::vector<LayerSpec> layers;
  for (const int n : spec.neuron) {
    LayerSpec layer;
    layer.n_in = n_in;
    layer.n_out = n;
    layer.activation = spec.activation;
    layer.skip = n == n_in ? Skip::Add : (n == 2 * n_in ? Skip::Twice : Skip::None);
    layer.time_step = spec.resnet_dt && layer.skip != Skip::None;
    layers.push_back(layer);
    n_in = n;
  }
  return layers;
}

template <class S>
void RadialNet<S>::forward(const Exec& exec, const Vector<S>& s, const Matrix<S>& g, const Matrix<S>& g_prime,
                           Workspace& ws) const {
  StackState<S> state;
  for_chunks(static_cast<int>(s.extent(0)), ws, [&](int begin, int end) {
    stack_.prepare(end - begin, false, state, ws);
    for (std::size_t k = 0; k < state.layers.size(); ++k) {
      state.layers[k].x_dot = ws.matrix<S>(state.layers[k].x.extent(0), state.layers[k].x.extent(1));
    }
    state.layers.back().x = rows(g, begin, end);
    state.layers.back().x_dot = rows(g_prime, begin, end);
    stack_.forward(exec, Matrix<S>(s.data() + begin, end - begin, 1), state, false);
    stack_.tangent(exec, nullptr, state, ws);
  });
}

template <class S>
void RadialNet<S>::backward_params(const Exec& exec, const Vector<S>& s, const Matrix<S>& g_bar,
                                   const Matrix<S>& g_prime_bar, int slot, Workspace& ws) const {
  StackState<S> state;
  for_chunks(static_cast<int>(s.extent(0)), ws, [&](int begin, int end) {
    stack_.prepare(end - begin, true, state, ws);
    stack_.forward(exec, Matrix<S>(s.data() + begin, end - begin, 1), state, true);
    stack_.tangent(exec, nullptr, state, ws);
    stack_.backward_inputs(exec, rows(g_prime_bar, begin, end), state, true, nullptr, ws);
    stack_.backward_params(exec, rows(g_bar, begin, end), state, nullptr, ws);
    for (std::size_t k = 0; k < state.layers.size(); ++k) {
      stack_.accumulate_gradients(exec, state, static_cast<int>(k), 0, stack_.layers()[k].n_in, slot, false);
    }
  });
}

template <class S>
void RadialNet<S>::second_order(const Exec& exec, const Vector<S>& s, const Matrix<S>& g,
                                const Matrix<S>& g_prime, const Matrix<S>& g_second, Workspace& ws) const {
  StackState<S> state;
  for_chunks(static_cast<int>(s.extent(0)), ws, [&](int begin, int end) {
    stack_.prepare(end - begin, true, state, ws);
    state.layers.back().x = rows(g, begin, end);
    state.layers.back().x_dot = rows(g_prime, begin, end);
    stack_.forward(exec, Matrix<S>(s.data() + begin, end - begin, 1), state, true);
    stack_.tangent(exec, nullptr, state, ws);
    stack_.second_tangent(exec, state, rows(g_second, begin, end), ws);
  });
}

template <class S>
void RadialNet<S>::values(const Exec& exec, const Vector<S>& s, const Matrix<S>& g, Workspace& ws) const {
  StackState<S> state;
  for_chunks(static_cast<int>(s.extent(0)), ws, [&](int begin, int end) {
    stack_.prepare(end - begin, false, state, ws);
    state.layers.back().x = rows(g, begin, end);
    stack_.forward(exec, Matrix<S>(s.data() + begin, end - begin, 1), state, false);
  });
}

template <class S>
void RadialNet<S>::backward_values(const Exec& exec, const Vector<S>& s, const Matrix<S>& g_bar, int slot,
                                   Workspace& ws) const {
  StackState<S> state;
  for_chunks(static_cast<int>(s.extent(0)), ws, [&](int begin, int end) {
    stack_.prepare(end - begin, true, state, ws);
    stack_.forward(exec, Matrix<S>(s.data() + begin, end - begin, 1), state, true);
    stack_.backward_values(exec, rows(g_bar, begin, end), state, nullptr, ws);
    for (std::size_t k = 0; k < state.layers.size(); ++k) {
      stack_.accumulate_gradients(exec, state, static_cast<int>(k), 0, stack_.layers()[k].n_in, slot, false);
    }
  });
}

template class RadialNet<double>;
template class RadialNet<float>;

}  // namespace dpcore
