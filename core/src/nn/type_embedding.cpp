// SPDX-License-Identifier: LGPL-3.0-or-later
#include "nn/type_embedding.hpp"

#include "base/json_config.hpp"
#include "nn/embedding_layers.hpp"

namespace dpcore {

namespace {

EmbeddingSpec spec_of(const ConfigReader& in) {
  EmbeddingSpec s;
  s.neuron = in.get<std::vector<int>>("neuron");
  in.require(!s.neuron.empty(), "neuron", "expected at least one layer");
  for (const int n : s.neuron) in.require(n > 0, "neuron", "expected positive layer sizes");
  s.activation = activation_from_name(in.get<std::string>("activation_function"));
  s.resnet_dt = in.get_or<bool>("resnet_dt", false);
  s.trainable = in.get_or<bool>("trainable", true);
  return s;
}

std::vector<LayerSpec> layers_of(const ConfigReader& in, int ntypes) {
  auto layers = embedding_layers(ntypes, spec_of(in));
  for (auto& layer : layers) layer.has_bias = in.get_or<bool>("use_tebd_bias", false);
  return layers;
}

/// x (=) the unit matrix
template <class S>
void unit_vectors(const Exec& exec, const Matrix<S>& x) {
  for_each_element(
      exec, "dpcore::unit_vectors", static_cast<int>(x.extent(0)), static_cast<int>(x.extent(1)),
      KOKKOS_LAMBDA(const int i, const int j) { x(i, j) = i == j ? S(1) : S(0); });
}

template <class S>
class TypeNet final : public TypeEmbedding {
 public:
  TypeNet(const nlohmann::json& config, int ntypes)
      : config_(config),
        ntypes_(static_cast<std::size_t>(ntypes)),
        net_(store_, "", layers_of(ConfigReader(config, "model/type_embedding"), ntypes),
             std::vector<bool>(config.at("neuron").size(), config.value("trainable", true))) {
    store_.allocate();
  }

  int n_out() const override { return net_.n_out(); }
  ParameterBlock& parameters() override { return store_; }
  void initialize() override {
    auto generator = network_generator(config_, 3);
    initialize_network(store_, generator, 1.0);
  }

  std::vector<double> table() const override {
    Workspace ws;
    StackState<S> state;
    forward(state, ws, false);
    const auto te = Kokkos::create_mirror_view(state.layers.back().x);
    mirror_copy(Exec(), te, state.layers.back().x);
    std::vector<double> out;
    for (std::size_t t = 0; t < ntypes_; ++t) {
      for (std::size_t k = 0; k < te.extent(1); ++k) out.push_back(static_cast<double>(te(t, k)));
    }
    return out;
  }

  void backward(const std::vector<double>& te_bar) override {
    Workspace ws;
    StackState<S> state;
    forward(state, ws, true);
    const Matrix<S> bar = ws.matrix<S>(ntypes_, static_cast<std::size_t>(n_out()));
    const auto host = Kokkos::create_mirror_view(bar);
    for (std::size_t k = 0; k < te_bar.size(); ++k) host.data()[k] = static_cast<S>(te_bar[k]);
    mirror_copy(Exec(), bar, host);
    net_.backward_values(Exec(), bar, state, nullptr, ws);
    net_.accumulate_all(Exec(), state, 0, true);
  }

 private:
  void forward(StackState<S>& state, Workspace& ws, bool training) const {
    net_.prepare(static_cast<int>(ntypes_), training, state, ws);
    const Matrix<S> x = ws.matrix<S>(ntypes_, ntypes_);
    unit_vectors(Exec(), x);
    net_.forward(Exec(), x, state, training);
  }

  nlohmann::json config_;
  std::size_t ntypes_;
  ParameterStore<S> store_;
  DenseStack<S> net_;
};

}  // namespace

std::unique_ptr<TypeEmbedding> make_type_embedding(const nlohmann::json& config, int ntypes) {
  const std::string precision =
      ConfigReader(config, "model/type_embedding").get_or<std::string>("precision", "float64");
  if (precision == "float64" || precision == "default")
    return std::make_unique<TypeNet<double>>(config, ntypes);
  if (precision == "float32") return std::make_unique<TypeNet<float>>(config, ntypes);
  throw Error("model/type_embedding/precision: expected float64 or float32, got '" + precision + "'");
}

}  // namespace dpcore
