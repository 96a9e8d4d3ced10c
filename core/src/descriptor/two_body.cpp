// SPDX-License-Identifier: LGPL-3.0-or-later
#include "descriptor/two_body.hpp"

#include <limits>
#include <numeric>

#include "base/json_config.hpp"
#include "base/runtime.hpp"

namespace dpcore {

TwoBodySpec TwoBodySpec::from_json(const nlohmann::json& config, int ntypes, int n_types) {
  const ConfigReader in(config, "model/descriptor");
  TwoBodySpec s;
  s.ntypes = ntypes;
  s.n_types = n_types;
  s.sel = in.get<std::vector<int>>("sel");
  in.require(
      static_cast<int>(s.sel.size()) == ntypes, "sel",
      "expected one number per type (" + std::to_string(ntypes) + "), got " + std::to_string(s.sel.size()));
  for (const int n : s.sel) in.require(n >= 0, "sel", "expected numbers >= 0, got " + std::to_string(n));
  const double slots = std::accumulate(s.sel.begin(), s.sel.end(), 0.0);
  in.require(slots > 0, "sel", "expected at least one neighbour slot");
  in.require(slots <= 2147483647.0, "sel", "expected fewer slots than 32 bits can count");
  s.rcut = in.get<double>("rcut");
  s.rcut_smth = in.get<double>("rcut_smth");
  in.require(s.rcut > 0 && s.rcut_smth >= 0 && s.rcut_smth < s.rcut, "rcut_smth",
             "expected 0 <= rcut_smth < rcut");
  in.require(s.rcut <= 1e4, "rcut", "expected at most 10,000 A");
  s.embedding.neuron = in.get<std::vector<int>>("neuron");
  in.require(!s.embedding.neuron.empty(), "neuron", "expected at least one layer");
  for (const int n : s.embedding.neuron) in.require(n > 0, "neuron", "expected positive layer sizes");
  s.embedding.activation = activation_from_name(in.get<std::string>("activation_function"));
  s.embedding.resnet_dt = in.get_or<bool>("resnet_dt", false);
  s.embedding.trainable = in.get_or<bool>("trainable", true);
  s.embedding.online_table = in.get_or<bool>("online_table", true);
  s.type_one_side = in.get_or<bool>("type_one_side", false);
  s.davg_zero = in.get_or<bool>("set_davg_zero", false);
  s.single_tables = in.get_or<std::string>("precision", "float64") == "mixed";
  const auto compress = config.find("compress");
  if (compress != config.end() && !compress->is_null()) {
    s.compress = TableSpec::from_json(*compress, "model/descriptor/compress");
    in.require(s.compress->min_nbor_dist < s.rcut, "compress", "expected min_nbor_dist below rcut");
    in.require(!s.stored() || n_types == 0, "compress",
               "stored tables are for models without type embedding");
  }
  s.excluded.assign(static_cast<std::size_t>(ntypes * ntypes), false);
  for (const auto& pair : in.get_or<std::vector<std::vector<int>>>("exclude_types", {})) {
    in.require(pair.size() == 2 && pair[0] >= 0 && pair[0] < ntypes && pair[1] >= 0 && pair[1] < ntypes,
               "exclude_types", "expected pairs of type indices below " + std::to_string(ntypes));
    s.excluded[static_cast<std::size_t>(pair[0] * ntypes + pair[1])] = true;
    s.excluded[static_cast<std::size_t>(pair[1] * ntypes + pair[0])] = true;
  }
  return s;
}

int TwoBodySpec::n_slots() const { return std::accumulate(sel.begin(), sel.end(), 0); }

template <class S>
TwoBody<S>::TwoBody(const nlohmann::json& config, int ntypes, int n_components, int n_types, NetsFor nets_for)
    : spec_(TwoBodySpec::from_json(config, ntypes, n_types)),
      cutoff_(spec_.rcut, spec_.rcut_smth),
      config_(config),
      n_components_(n_components),
      nets_for_(nets_for) {
  if (nets_for == NetsFor::Channels) {
    if (spec_.stored()) throw Error("model/descriptor/compress: se_a_tpe has no stored tables");
    spec_.channels = ChannelSpec::from_json(config, ntypes, spec_.embedding, spec_.type_one_side);
    if (spec_.compress && !spec_.of_one_number()) {
      throw Error(
          "model/descriptor/compress: with numb_aparam the embedding is no function of one number, so that "
          "there are no tables of it");
    }
  }
  nets_ = make_nets<S>(store_);
  store_.allocate();
  davg_.assign(static_cast<std::size_t>(n_components * ntypes), 0.0);
  dstd_.assign(static_cast<std::size_t>(n_components * ntypes), 1.0);
}

template <class S>
template <class T>
auto TwoBody<S>::make_nets(ParameterStore<T>& store) const -> Nets<T> {
  TypeInputs types;
  types.width = spec_.n_types;
  if (types.width > 0) types.table = store.add_derived("types", {spec_.ntypes, types.width});
  std::optional<TypeChannels<T>> channels;
  if (spec_.channels) channels.emplace(store, *spec_.channels);
  Nets<T> nets;
  if (spec_.stored())
    nets.resize(static_cast<std::size_t>((spec_.type_one_side ? 1 : spec_.ntypes) * spec_.ntypes));
  if (spec_.stored()) return nets;
  for (int a = 0; a < (spec_.type_one_side ? 1 : spec_.ntypes); ++a) {
    for (int b = 0; b < spec_.ntypes; ++b) {
      nets.emplace_back();
      const bool exists =
          nets_for_ == NetsFor::NeighborPairs ? a <= b : spec_.type_one_side || !spec_.is_excluded(a, b);
      if (!exists) continue;
      types.types = spec_.type_one_side ? std::vector<int>{b} : std::vector<int>{b, a};
      const std::string name = types.width > 0 || channels ? "net" : net_name(a, b);
      std::optional<LayerSpec> last;
      if (channels) last = channels->layer(net_index(a, b));
      nets.back() = std::make_unique<RadialNet<T>>(store, name + "/", spec_.embedding, types, last);
    }
  }
  return nets;
}

template <class S>
void TwoBody<S>::set_types(const std::vector<double>& table) {
  if (spec_.n_types > 0) store_.set(store_.derived().front(), table.data());
}

template <class S>
void TwoBody<S>::add_type_gradients(std::vector<double>& te_bar) const {
  if (spec_.n_types == 0) return;
  std::vector<double> mine(te_bar.size());
  store_.get_gradient(store_.derived().front(), mine.data());
  for (std::size_t k = 0; k < mine.size(); ++k) te_bar[k] += mine[k];
}

template <class S>
void TwoBody<S>::initialize() {
  auto generator = network_generator(config_, 1);
  initialize_network(store_, generator, 1.0);
}

template <class S>
void TwoBody<S>::set_statistics(const std::vector<double>& davg, const std::vector<double>& dstd) {
  davg_ = davg;
  dstd_ = dstd;
}

template <class S>
EnvNorm TwoBody<S>::env_norm(int type) const {
  EnvNorm n;
  for (int c = 0; c < 4; ++c) {
    const RadialNorm one = norm(type, c);
    n.avg[c] = one.avg;
    n.inverse_std[c] = one.inverse_std;
  }
  return n;
}

template <class S>
std::vector<bool> TwoBody<S>::wanted(int type) const {
  std::vector<bool> w(static_cast<std::size_t>(spec_.ntypes));
  for (int b = 0; b < spec_.ntypes; ++b) w[static_cast<std::size_t>(b)] = !spec_.is_excluded(type, b);
  return w;
}

template <class S>
std::string TwoBody<S>::net_name(int a, int b) const {
  return "net_" + (spec_.type_one_side ? "" : std::to_string(a) + "_") + std::to_string(b);
}

template <class S>
std::string TwoBody<S>::net_name(std::size_t k) const {
  const auto n = static_cast<std::size_t>(spec_.ntypes);
  return net_name(static_cast<int>(k / n), static_cast<int>(k % n));
}

template class TwoBody<double>;
template class TwoBody<float>;

}  // namespace dpcore
