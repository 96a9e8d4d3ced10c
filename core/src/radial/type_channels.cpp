// SPDX-License-Identifier: LGPL-3.0-or-later
#include "radial/type_channels.hpp"

#include <limits>

#include "base/json_config.hpp"

namespace dpcore {

namespace {

std::vector<LayerSpec> layers_of_types(const ChannelSpec& spec) {
  std::vector<LayerSpec> layers(static_cast<std::size_t>(spec.n_layers) + 1);
  for (auto& layer : layers) {
    layer.n_in = layer.n_out = spec.n_channels;
    layer.activation = spec.activation;
  }
  layers.front().n_in = 1 + spec.n_aparam;
  layers.back().activation = Activation::Linear;
  return layers;
}

/// x[t] (=) [t/ntypes, 0 ...]
template <class S>
void write_types(const Exec& exec, const Matrix<S>& x) {
  const int n = static_cast<int>(x.extent(0));
  for_each_element(
      exec, "dpcore::write_types", n, static_cast<int>(x.extent(1)), KOKKOS_LAMBDA(const int t, const int k) {
        x(t, k) = k == 0 ? static_cast<S>(t) / static_cast<S>(n) : S(0);
      });
}

/// out[pair][c] (=) q_c / K
template <class S>
void write_products(const Exec& exec, const Matrix<S>& channels, bool one_side, const Matrix<S>& out) {
  const int n_types = static_cast<int>(channels.extent(0)), n = static_cast<int>(channels.extent(1));
  const S scale = S(1) / static_cast<S>(out.extent(1));
  for_each_element(
      exec, "dpcore::write_products", static_cast<int>(out.extent(0)), static_cast<int>(out.extent(1)),
      KOKKOS_LAMBDA(const int p, const int c) {
        out(p, c) = one_side ? scale * channels(p, c)
                             : scale * channels(p / n_types, c / n) * channels(p % n_types, c % n);
      });
}

/// channels_bar[t][c] (=) the adjoint of write_products
template <class S>
void products_backward(const Exec& exec, const Matrix<S>& bar, const Matrix<S>& channels, bool one_side,
                       const Matrix<S>& channels_bar) {
  const int n_types = static_cast<int>(channels.extent(0)), n = static_cast<int>(channels.extent(1));
  const S scale = S(1) / static_cast<S>(bar.extent(1));
  for_each_element(
      exec, "dpcore::products_backward", n_types, n, KOKKOS_LAMBDA(const int t, const int c) {
        if (one_side) {
          channels_bar(t, c) = scale * bar(t, c);
          return;
        }
        S sum = S(0);
        for (int u = 0; u < n_types; ++u) {
          for (int d = 0; d < n; ++d)
            sum += (bar(t * n_types + u, c * n + d) + bar(u * n_types + t, d * n + c)) * channels(u, d);
        }
        channels_bar(t, c) = scale * sum;
      });
}

}  // namespace

ChannelSpec ChannelSpec::from_json(const nlohmann::json& config, int ntypes, const EmbeddingSpec& embedding,
                                   bool one_side) {
  const ConfigReader in(config, "model/descriptor");
  ChannelSpec s;
  s.ntypes = ntypes;
  s.width = embedding.neuron.back();
  s.n_channels = in.get<int>("type_nchanl");
  s.n_layers = in.get<int>("type_nlayer");
  s.one_side = one_side;
  s.activation = embedding.activation;
  s.trainable = embedding.trainable;
  in.require(s.n_channels > 0, "type_nchanl", "expected at least one channel");
  in.require(s.n_layers > 0, "type_nlayer", "expected at least one layer");
  s.n_aparam = in.get_or<int>("numb_aparam", 0);
  in.require(s.n_aparam >= 0, "numb_aparam", "expected a number >= 0");
  in.require(s.n_aparam == 0 || one_side, "numb_aparam",
             "expected 0: the channels depend on atomic parameters of neighbours only with type_one_side");
  const double square = static_cast<double>(s.width) * s.width, channels = s.n_channels;
  const double most = square * (one_side ? channels : channels * channels);
  in.require(most <= std::numeric_limits<int>::max(), "type_nchanl",
             "expected fewer weights than 32 bits can count");
  return s;
}

template <class S>
TypeChannels<S>::TypeChannels(ParameterStore<S>& store, const ChannelSpec& spec)
    : store_(&store),
      spec_(spec),
      net_(store, "types/", layers_of_types(spec),
           std::vector<bool>(static_cast<std::size_t>(spec.n_layers) + 1, spec.trainable)) {
  const std::int64_t m = spec.width, k = spec.n_products(), n = spec.n_pairs();
  weight_ = store.add("amplify/layer_0/matrix", {m, m * k}, spec.trainable);
  offset_ = store.add("amplify/layer_0/bias", {m * k}, spec.trainable);
  matrix_ = store.add_derived("pairs/matrix", {n, m, m});
  bias_ = store.add_derived("pairs/bias", {n, m});
}

template <class S>
LayerSpec TypeChannels<S>::layer(std::size_t pair) const {
  const auto m = static_cast<std::size_t>(spec_.width);
  LayerSpec layer;
  layer.n_in = layer.n_out = spec_.width;
  layer.derived = true;
  layer.matrix = matrix_ + pair * m * m;
  layer.bias = bias_ + pair * m;
  return layer;
}

template <class S>
LayerSpec TypeChannels<S>::amplify() const {
  LayerSpec layer;
  layer.n_in = spec_.width;
  layer.n_out = spec_.width * spec_.n_products();
  layer.derived = true;
  layer.matrix = weight_;
  layer.bias = offset_;
  return layer;
}

template <class S>
Matrix<S> TypeChannels<S>::evaluate(const Exec& exec, StackState<S>& state, bool training) {
  const auto n_types = static_cast<std::size_t>(spec_.ntypes);
  net_.prepare(spec_.ntypes, training, state, ws_);
  const Matrix<S> x = ws_.matrix<S>(n_types, 1 + static_cast<std::size_t>(spec_.n_aparam));
  write_types(exec, x);
  net_.forward(exec, x, state, training);
  const Matrix<S> products =
      ws_.matrix<S>(static_cast<std::size_t>(spec_.n_pairs()), static_cast<std::size_t>(spec_.n_products()));
  write_products(exec, state.layers.back().x, spec_.one_side, products);
  return products;
}

template <class S>
void TypeChannels<S>::refresh() {
  const Exec exec;
  const Workspace::Scope scope(ws_);
  StackState<S> state;
  const Matrix<S> q = evaluate(exec, state, false);
  const int n = spec_.n_pairs(), k = spec_.n_products(), m = spec_.width;
  gemm<S>(exec, Op::None, Op::Transpose, n, m * m, k, q.data(), k, store_->value(weight_), k, 0,
          store_->derived_value(matrix_), m * m);
  gemm<S>(exec, Op::None, Op::Transpose, n, m, k, q.data(), k, store_->value(offset_), k, 0,
          store_->derived_value(bias_), m);
}

// W_bar += M_bar^T q, b_bar += v_bar^T q, q_bar = M_bar W + v_bar b, with k m as one index of W
template <class S>
void TypeChannels<S>::backward() {
  const Exec exec;
  const Workspace::Scope scope(ws_);
  StackState<S> state;
  const Matrix<S> q = evaluate(exec, state, true);
  const int n = spec_.n_pairs(), k = spec_.n_products(), m = spec_.width;
  const auto size = static_cast<std::size_t>(n) * static_cast<std::size_t>(m);
  store_->sum_gradients({matrix_, matrix_ + size * static_cast<std::size_t>(m)});
  store_->sum_gradients({bias_, bias_ + size});
  const S *const matrix_bar = store_->gradient(0, matrix_), *const bias_bar = store_->gradient(0, bias_);
  gemm<S>(exec, Op::Transpose, Op::None, m * m, k, n, matrix_bar, m * m, q.data(), k, 1,
          store_->gradient(0, weight_), k);
  gemm<S>(exec, Op::Transpose, Op::None, m, k, n, bias_bar, m, q.data(), k, 1, store_->gradient(0, offset_),
          k);
  const Matrix<S> q_bar = ws_.matrix<S>(q.extent(0), q.extent(1));
  gemm<S>(exec, Op::None, Op::None, n, k, m * m, matrix_bar, m * m, store_->value(weight_), k, 0,
          q_bar.data(), k);
  gemm<S>(exec, Op::None, Op::None, n, k, m, bias_bar, m, store_->value(offset_), k, 1, q_bar.data(), k);
  const Matrix<S> channels = state.layers.back().x;
  const Matrix<S> channels_bar = ws_.matrix<S>(channels.extent(0), channels.extent(1));
  products_backward(exec, q_bar, channels, spec_.one_side, channels_bar);
  net_.backward_values(exec, channels_bar, state, nullptr, ws_);
  net_.accumulate_all(exec, state, 0, false);
}

template class TypeChannels<double>;
template class TypeChannels<float>;

}  // namespace dpcore
