// SPDX-License-Identifier: LGPL-3.0-or-later
// What descriptors with embedding nets of one number share: their keys, one net for each type of neighbour
// (and of centre unless type_one_side) or for each two types of neighbours, statistics per centre type, and
// tables of the nets. With type embedding there is one net for all, with the numbers of the types as further
// inputs, or with channels one that a layer of the types ends: for a pair of types it still is a function of
// one scalar.
#pragma once

#include <algorithm>
#include <atomic>
#include <limits>
#include <mutex>
#include <optional>

#include "descriptor/descriptor.hpp"
#include "env/env_matrix.hpp"
#include "env/radial_env.hpp"
#include "radial/double_nets.hpp"
#include "radial/piece_table.hpp"
#include "radial/quintic_table.hpp"
#include "radial/radial_table.hpp"
#include "radial/type_channels.hpp"

namespace dpcore {

struct TwoBodySpec {
  int ntypes = 0;
  int n_types = 0;  // numbers that stand for a type as inputs of the one net; 0: a net for each type
  std::vector<int> sel;
  double rcut = 6.0, rcut_smth = 0.5;
  EmbeddingSpec embedding;
  bool type_one_side = false;
  bool davg_zero = false;
  std::vector<bool> excluded;           // [ntypes * ntypes], symmetric
  std::optional<TableSpec> compress;    // evaluation by fixed tables
  std::optional<ChannelSpec> channels;  // with NetsFor::Channels
  bool single_tables = false;           // precision "mixed": their coefficients in float32
  /// Whether G of a pair of types is a function of one number, for which tables can stand.
  bool of_one_number() const { return !channels || channels->n_aparam == 0; }
  static TwoBodySpec from_json(const nlohmann::json& config, int ntypes, int n_types);
  bool is_excluded(int a, int b) const { return excluded[static_cast<std::size_t>(a * ntypes + b)]; }
  /// Whether there are no nets but only the tables of the model file.
  bool stored() const { return compress && compress->stored; }
  int n_slots() const;  // nnei = sum(sel)
};

/// What a descriptor has nets for.
enum class NetsFor {
  Neighbors,      // each type of neighbour of each type of centre, of all centres with type_one_side
  NeighborPairs,  // each two types of neighbours, net(a, b) with a <= b
  Channels,       // as Neighbors; one net with a last layer for each (radial/type_channels.hpp)
};

/// Pairs whose adjoints of G are formed and used at once: on a CPU few enough for a core's cache.
constexpr int kPairChunk = kExecOnHost ? 128 : 1 << 18;

template <class S>
class TwoBody : public SingleDescriptor {
 public:
  double rcut() const override { return cutoff_.rcut; }
  ParameterBlock& parameters() override { return store_; }
  EnvSpec env_spec() const override {
    return {spec_.sel, spec_.rcut, spec_.rcut_smth, n_components_, spec_.davg_zero};
  }

  void begin_step(const DeviceStructure&, const TilePlan&, const std::vector<Workspace*>& scratch) override;
  void finish_step(const std::vector<Workspace*>& scratch) override;
  void end_step() noexcept override;

  void finish_loading() override;
  void prepare_inference() const override;
  void forget_inference() override;
  std::vector<TableInfo> tables() const override;

  std::vector<std::string> stored_tables() const override;
  int table_width() const override { return spec_.embedding.neuron.back(); }
  void set_table(const std::string& net, const StoredTable&) override;
  StoredTable table(const std::string& net) const override;

  void set_types(const std::vector<double>& table) override;
  void add_type_gradients(std::vector<double>& te_bar) const override;
  void initialize() override;
  void set_statistics(const std::vector<double>& davg, const std::vector<double>& dstd) override;
  const std::vector<double>& davg() const override { return davg_; }
  const std::vector<double>& dstd() const override { return dstd_; }

 protected:
  TwoBody(const nlohmann::json& config, int ntypes, int n_components, int n_types = 0,
          NetsFor = NetsFor::Neighbors);

  ParameterStore<S>& store() { return store_; }
  /// The net of a pair of types, nullptr where it is excluded and nets belong to pairs, or in models without
  /// nets.
  const RadialNet<S>* net(int a, int b) const { return nets_[net_index(a, b)].get(); }
  /// The quintic table of a pair of types; null where there is none.
  const QuinticTable<S>* fixed_table(int a, int b) const {
    const std::size_t k = net_index(a, b);
    return fixed_tables_.size() > k ? fixed_tables_[k].get() : nullptr;
  }
  /// Its copy in single precision, for fused kernels of precision "mixed"; null where there is none.
  const SingleTable* single_table(int a, int b) const {
    const std::size_t k = net_index(a, b);
    return single_tables_.size() > k ? single_tables_[k].get() : nullptr;
  }
  /// The piece table of a pair of types; null where there is none.
  const PieceTable<S>* piece_table(int a, int b) const {
    const std::size_t k = net_index(a, b);
    return pieces_.size() > k ? pieces_[k].get() : nullptr;
  }
  /// Whether the descriptor works with piece tables.
  virtual bool takes_pieces() const { return false; }
  bool has_fixed_tables() const { return !fixed_tables_.empty(); }
  /// G and G' at s of the pairs [first, last) of neighbour type b.
  virtual void evaluate_radial(const Exec&, int a, int b, int first, int last, const Vector<S>& s,
                               const Matrix<S>& g, const Matrix<S>& g_prime, Descriptor::State&,
                               Workspace&) const;
  /// The same for pairs among them that the piece table does not hold: by the net, or by the coarse steps of
  /// a compressed model, which counts the pairs beyond these.
  void evaluate_beyond_pieces(const Exec&, int a, int b, int first, int last, const Vector<S>& s,
                              const Matrix<S>& g, const Matrix<S>& g_prime, Descriptor::State&,
                              Workspace&) const;
  /// Its gradients from the adjoints of G and G'.
  virtual void radial_gradients(const Exec& exec, const TilePairs&, int a, int b, int /*first*/, int /*last*/,
                                const Vector<S>& s, const Matrix<S>& g_bar, const Matrix<S>& g_prime_bar,
                                int slot, Workspace& ws) const {
    radial(a, b)->backward_params(exec, s, g_bar, g_prime_bar, slot, ws);
  }
  /// The net, or its table where begin_step, finish_loading or prepare_inference made one.
  const Radial<S>* radial(int a, int b) const {
    const std::size_t k = net_index(a, b);
    if (fixed_table(a, b) != nullptr) return fixed_table(a, b);
    const RadialTable<S>* table = step_table(a, b);
    return table != nullptr ? static_cast<const Radial<S>*>(table) : nets_[k].get();
  }
  /// The table of begin_step; null where there is none.
  const RadialTable<S>* step_table(int a, int b) const {
    const std::size_t k = net_index(a, b);
    return tables_.size() > k ? tables_[k].get() : nullptr;
  }
  RadialNorm norm(int type, int component) const {
    const auto k = static_cast<std::size_t>(n_components_ * type + component);
    return {davg_[k], 1.0 / dstd_[k]};
  }
  EnvNorm env_norm(int type) const;
  std::vector<bool> wanted(int type) const;

  /// Whether the parameter pass has anything to give: to the nets, or through them to the types.
  bool has_gradients() const { return spec_.embedding.trainable || spec_.n_types > 0; }

  /// The inputs of one net in a training step.
  struct TableUse {
    double lower = std::numeric_limits<double>::max(), upper = std::numeric_limits<double>::lowest();
    double n_inputs = 0;  // about
    bool whole = true;    // no input is outside of [lower, upper]
  };
  /// By net_index.
  virtual std::vector<TableUse> table_uses(const PairRanges&, const TilePlan&) const;
  /// The range of each net's fixed table, by net_index; none where a net has no inputs.
  virtual std::vector<std::optional<TableGrid>> table_grids(const TableSpec&) const;
  std::size_t net_index(int a, int b) const {
    return static_cast<std::size_t>(spec_.type_one_side ? b : a * spec_.ntypes + b);
  }

  /// Call f(b, first pair, end pair) for every neighbour type with pairs.
  template <class F>
  void for_segments(const TilePairs& pairs, const F& f) const {
    for (int b = 0; b < spec_.ntypes; ++b) {
      const int first = pairs.segment[static_cast<std::size_t>(b)],
                last = pairs.segment[static_cast<std::size_t>(b) + 1];
      if (last > first) f(b, first, last);
    }
  }

  /// Gradients of the nets of centre type a: adjoints(first, last, g_bar, g_prime_bar) forms the adjoints of
  /// G and G' of a chunk of pairs, small enough that they stay in a core's cache. s [n_pairs]: the nets'
  /// inputs.
  template <class F>
  void backward_radial(const Exec& exec, const TilePairs& pairs, int a, const Vector<S>& s, int slot,
                       Workspace& ws, const F& adjoints) const {
    for_segments(pairs, [&](int b, int begin, int end) {
      backward_segment(exec, pairs, a, b, begin, end, s, slot, ws, adjoints);
    });
  }
  /// The same for the pairs [begin, end) of neighbour type b.
  template <class F>
  void backward_segment(const Exec& exec, const TilePairs& pairs, int a, int b, int begin, int end,
                        const Vector<S>& s, int slot, Workspace& ws, const F& adjoints) const {
    const Workspace::Scope scope(ws);
    const auto m = static_cast<std::size_t>(spec_.embedding.neuron.back());
    const Matrix<S> g_bar_room = ws.matrix<S>(kPairChunk, m), g_prime_bar_room = ws.matrix<S>(kPairChunk, m);
    for (int first = begin; first < end; first += kPairChunk) {
      const int last = std::min(end, first + kPairChunk);
      const Matrix<S> g_bar = rows(g_bar_room, 0, last - first),
                      g_prime_bar = rows(g_prime_bar_room, 0, last - first);
      adjoints(first, last, g_bar, g_prime_bar);
      const Vector<S> inputs(s.data() + first, static_cast<std::size_t>(last - first));
      radial_gradients(exec, pairs, a, b, first, last, inputs, g_bar, g_prime_bar, slot, ws);
    }
  }

  TwoBodySpec spec_;
  Cutoff cutoff_;

 private:
  template <class T>
  using Nets = std::vector<std::unique_ptr<RadialNet<T>>>;
  /// The nets by net_index, registered in a store; null for excluded pairs where nets belong to pairs.
  template <class T>
  Nets<T> make_nets(ParameterStore<T>&) const;
  void refresh(DoubleNets& copies) const {
    if constexpr (sizeof(S) == 4) {
      copies.refresh(store_, [this](ParameterStore<double>& store) { return make_nets<double>(store); });
    }
  }
  /// The k-th net in double; `copies` holds those of float nets.
  const RadialNet<double>& double_net(std::size_t k, const DoubleNets& copies) const {
    if constexpr (sizeof(S) == 8) {
      (void)copies;
      return *nets_[k];
    } else {
      return copies.net(k);
    }
  }

  std::string net_name(int a, int b) const;
  std::string net_name(std::size_t k) const;
  using QuinticTables = std::vector<std::unique_ptr<QuinticTable<S>>>;
  QuinticTables exact_tables() const;
  QuinticTables make_tables(const std::vector<std::optional<TableGrid>>&, Outside) const;
  void make_single_tables() const;
  using PieceTables = std::vector<std::unique_ptr<PieceTable<S>>>;
  bool may_take_pieces() const;
  /// Piece tables of all nets for [lower, upper] of these; none where the nets are too steep for them, or the
  /// tables of a compressed model further from the nets than pieces may be from the tables.
  PieceTables make_pieces(const std::vector<std::optional<TableGrid>>&) const;
  void prepare_compressed() const;

  nlohmann::json config_;
  int n_components_;
  NetsFor nets_for_;
  ParameterStore<S> store_;
  Nets<S> nets_;
  std::vector<std::unique_ptr<RadialTable<S>>> tables_,
      spare_tables_;  // by net_index; tables_ only within a step
  // by net_index; finish_loading or prepare_inference makes them
  mutable QuinticTables fixed_tables_;
  mutable std::vector<std::unique_ptr<SingleTable>> single_tables_;
  mutable PieceTables pieces_;           // in their place, by net_index
  mutable QuinticTables coarse_tables_;  // of a compressed model with pieces: its coarse steps
  mutable std::mutex preparing_;
  mutable std::atomic<bool> prepared_{false};
  DoubleNets double_nets_;  // for the tables of float32 nets
  std::vector<double> davg_, dstd_;
};

/// [1] the value, on the device.
template <class S>
Vector<S> single(const Exec& exec, S value, Workspace& ws) {
  const Vector<S> v = ws.vector<S>(1);
  for_each(exec, "dpcore::single", 1, KOKKOS_LAMBDA(const int) { v(0) = value; });
  return v;
}

}  // namespace dpcore
