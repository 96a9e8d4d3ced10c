// SPDX-License-Identifier: LGPL-3.0-or-later
// se_e2_a (DeepPot-SE, two-body embedding with angles; Zhang et al., NeurIPS 2018).
//
//     G_j = N_ab(Rn_j0),  T = (1/nnei) sum_j Rn_j (x) G_j,  D = T^T T_<        nnei = sum(sel)
// and, where asked for, the rotation matrix Q[m][a] = T[1 + a][m] as further columns of D.
// The reference fills all sum(sel) slots, empty ones with Rn = (-davg/dstd): these `sel_b - n_b` equal rows are added as
// one product, so that numbers agree while only real neighbours are stored. Excluded pairs of types contribute nothing.
// Derivations: docs/theory/se_e2_a.md.
#pragma once

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>

#include "descriptor/descriptor.hpp"
#include "descriptor/table_moment.hpp"
#include "env/env_matrix.hpp"
#include "radial/double_nets.hpp"
#include "radial/quintic_table.hpp"
#include "radial/radial_table.hpp"

namespace dpcore {

struct SeE2ASpec {
  int ntypes = 0;
  std::vector<int> sel;
  double rcut = 6.0, rcut_smth = 0.5;
  EmbeddingSpec embedding;
  int axis_neuron = 4;
  bool type_one_side = false;
  std::vector<bool> excluded;  // [ntypes * ntypes], symmetric
  std::optional<TableSpec> compress;  // evaluation by fixed tables
  static SeE2ASpec from_json(const nlohmann::json& config, int ntypes);
  bool is_excluded(int a, int b) const { return excluded[static_cast<std::size_t>(a * ntypes + b)]; }
};

template <class S>
class SeE2A final : public Descriptor {
 public:
  SeE2A(const nlohmann::json& config, int ntypes);

  int dim_out() const override { return dim_axes() + (rotation_ ? 3 * n_radial() : 0); }
  double rcut() const override { return cutoff_.rcut; }
  bool is_float() const override { return sizeof(S) == 4; }
  ParameterBlock& parameters() override { return store_; }
  int append_rotation() override {
    rotation_ = true;
    return n_radial();
  }
  std::unique_ptr<Descriptor::State> make_state() const override { return std::make_unique<State>(); }

  AnyMatrix forward(const Exec&, const DeviceStructure&, const Tile&, Descriptor::State&, Workspace&) const override;
  void backward_inputs(const Exec&, const Tile&, const AnyMatrix& d_descriptor, Descriptor::State&,
                       Workspace&) const override;
  AnyMatrix tangent(const Exec&, const Tile&, Descriptor::State&, Workspace&) const override;
  void backward_params(const Exec&, const Tile&, const AnyMatrix& d_bar, const AnyMatrix& d_dot_bar,
                       Descriptor::State&, int slot, Workspace&) const override;

  void begin_step(const DeviceStructure&, const TilePlan&, const std::vector<Workspace*>& scratch) override;
  void finish_step(const std::vector<Workspace*>& scratch) override;
  void end_step() noexcept override;

  void finish_loading() override;
  void prepare_inference() const override;
  void forget_inference() override;
  std::vector<TableInfo> tables() const override;

  void initialize() override;
  void set_statistics(const std::vector<double>& davg, const std::vector<double>& dstd) override;
  const std::vector<double>& davg() const override { return davg_; }
  const std::vector<double>& dstd() const override { return dstd_; }

 private:
  struct State final : Descriptor::State {
    EnvMatrix<S> env;
    Matrix<S> g, g_prime;      // [n_pairs, n_radial], of types with stored[b]
    TablePlaces<S> places;     // of the other types
    std::vector<char> stored;  // [ntypes]
    Tensor3<S> moment, moment_dot;  // [n_rows, 4, n_radial]
  };

  /// The k-th net in double; `copies` holds those of float nets.
  const RadialNet<double>& double_net(std::size_t k, const DoubleNets& copies) const {
    if constexpr (sizeof(S) == 8) {
      (void)copies;
      return *nets_[k];
    } else {
      const auto begin = nets_.begin();  // excluded pairs have no net
      const auto before = std::count_if(begin, begin + static_cast<std::ptrdiff_t>(k), [](const auto& n) { return n != nullptr; });
      return copies.net(static_cast<std::size_t>(before));
    }
  }

  std::size_t net_index(int a, int b) const {
    return static_cast<std::size_t>(spec_.type_one_side ? b : a * spec_.ntypes + b);
  }
  /// The net, or its table where begin_step or finish_loading made one.
  const Radial<S>* radial(int a, int b) const {
    const std::size_t k = net_index(a, b);
    if (fixed_table(a, b) != nullptr) return fixed_table(a, b);
    return tables_.size() > k && tables_[k] ? static_cast<const Radial<S>*>(tables_[k].get()) : nets_[k].get();
  }
  std::string net_name(int a, int b) const;
  /// The quintic table of a pair of types; null where there is none.
  const QuinticTable<S>* fixed_table(int a, int b) const {
    const std::size_t k = net_index(a, b);
    return fixed_tables_.size() > k ? fixed_tables_[k].get() : nullptr;
  }
  using QuinticTables = std::vector<std::unique_ptr<QuinticTable<S>>>;
  /// By net_index; none for nets whose pairs are all excluded.
  std::vector<std::optional<TableGrid>> table_grids(const TableSpec&) const;
  QuinticTables exact_tables() const;
  QuinticTables make_tables(const std::vector<std::optional<TableGrid>>&, Outside) const;
  /// G and G' of the pairs [first, last) of neighbour type b.
  void evaluate_radial(const Exec&, int a, int b, int first, int last, State&, Workspace&) const;
  int n_radial() const { return spec_.embedding.neuron.back(); }
  int dim_axes() const { return n_radial() * spec_.axis_neuron; }
  /// D and, if asked for, Q of the moment, or their tangents
  void contract(const Exec&, const Tensor3<S>& a, const Tensor3<S>& b, bool tangent, const Matrix<S>& out) const;
  /// moment_bar (=) the adjoint of the moment in <D_bar, D>
  void contract_backward(const Exec&, const Matrix<S>& d_bar, const Tensor3<S>& moment,
                         const Tensor3<S>& moment_bar) const;
  S scale() const { return static_cast<S>(inverse_nnei_); }
  EnvNorm norm(int type) const;
  /// Rn of an empty slot of a centre of this type; false if it is zero and contributes nothing.
  bool padding(int type, S value[4]) const;
  std::vector<bool> wanted(int type) const;

  /// Call f(b, first pair, end pair) for every neighbour type with pairs.
  template <class F>
  void for_segments(const State&, const F& f) const;

  SeE2ASpec spec_;
  nlohmann::json config_;
  Cutoff cutoff_;
  double inverse_nnei_;
  bool rotation_ = false;
  ParameterStore<S> store_;
  std::vector<std::unique_ptr<RadialNet<S>>> nets_;
  std::vector<std::unique_ptr<RadialTable<S>>> tables_, spare_tables_;  // by net_index; tables_ only within a step
  mutable QuinticTables fixed_tables_;  // by net_index: of a compressed model, or made by prepare_inference
  mutable std::mutex preparing_;
  mutable std::atomic<bool> prepared_{false};
  DoubleNets double_nets_;  // for the tables of float32 nets
  std::vector<double> davg_, dstd_;
};

}  // namespace dpcore
