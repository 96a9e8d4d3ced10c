// SPDX-License-Identifier: LGPL-3.0-or-later
#include "descriptor/hybrid.hpp"

#include <algorithm>

#include "base/json_config.hpp"

namespace dpcore {

struct Hybrid::State final : Descriptor::State {
  std::vector<std::unique_ptr<Descriptor::State>> list;
};

Hybrid::Hybrid(const nlohmann::json& config, int ntypes, int n_types) {
  const ConfigReader in(config, "model/descriptor");
  const auto list = in.get<std::vector<nlohmann::json>>("list");
  in.require(!list.empty(), "list", "expected at least one descriptor");
  for (std::size_t k = 0; k < list.size(); ++k) {
    try {
      list_.push_back(make_descriptor(list[k], ntypes, n_types));
    } catch (const Error& e) {
      throw Error("model/descriptor/list[" + std::to_string(k) + "]: " + e.what());
    }
  }
  for (const auto& one : list_) {
    const int mine = one->dim_aparam();
    in.require(mine == 0 || mine == dim_aparam(), "list",
               "its parts have different numb_aparam, " + std::to_string(dim_aparam()) + " and " +
                   std::to_string(mine) + "; expected one number, or 0");
  }
}

int Hybrid::dim_out() const {
  int n = 0;
  for (const auto& one : list_) n += one->dim_out();
  return n;
}

std::vector<SymmetricBlock> Hybrid::symmetric() const {
  std::vector<SymmetricBlock> out;
  int at = 0;
  for (const auto& one : list_) {
    for (const SymmetricBlock& b : one->symmetric()) out.push_back({at + b.first, b.n});
    at += one->dim_out();
  }
  return out;
}

double Hybrid::rcut() const {
  double most = 0;
  for (const auto& one : list_) most = std::max(most, one->rcut());
  return most;
}

int Hybrid::dim_aparam() const {
  int most = 0;
  for (const auto& one : list_) most = std::max(most, one->dim_aparam());
  return most;
}

std::vector<Descriptor::Part> Hybrid::parts() {
  std::vector<Part> out;
  for (std::size_t k = 0; k < list_.size(); ++k) {
    for (const Part& part : list_[k]->parts())
      out.push_back({"part_" + std::to_string(k) + "/" + part.prefix, part.descriptor});
  }
  return out;
}

void Hybrid::set_types(const std::vector<double>& table) {
  for (const auto& one : list_) one->set_types(table);
}

void Hybrid::refresh_derived() {
  for (const auto& one : list_) one->refresh_derived();
}

void Hybrid::add_type_gradients(std::vector<double>& te_bar) const {
  for (const auto& one : list_) one->add_type_gradients(te_bar);
}

std::unique_ptr<Descriptor::State> Hybrid::make_state() const {
  auto state = std::make_unique<State>();
  state->parts.clear();
  for (const auto& one : list_) {
    state->list.push_back(one->make_state());
    for (Descriptor::State* part : state->list.back()->parts) state->parts.push_back(part);
  }
  return state;
}

namespace {

/// to[i][at + k] = from[i][k]
template <class S>
void put_columns(const Exec& exec, const Matrix<S>& from, int at, const Matrix<double>& to) {
  for_each_element(
      exec, "dpcore::put_columns", static_cast<int>(from.extent(0)), static_cast<int>(from.extent(1)),
      KOKKOS_LAMBDA(const int i, const int k) { to(i, at + k) = static_cast<double>(from(i, k)); });
}

/// to[i][k] = from[i][at + k]
void take_columns(const Exec& exec, const Matrix<double>& from, int at, const Matrix<double>& to) {
  for_each_element(
      exec, "dpcore::take_columns", static_cast<int>(to.extent(0)), static_cast<int>(to.extent(1)),
      KOKKOS_LAMBDA(const int i, const int k) { to(i, k) = from(i, at + k); });
}

/// All parts side by side in double, which holds the numbers of either precision.
AnyMatrix join(const Exec& exec, const std::vector<AnyMatrix>& parts, int n_rows, int width, Workspace& ws) {
  const Matrix<double> all =
      ws.matrix<double>(static_cast<std::size_t>(n_rows), static_cast<std::size_t>(width));
  int at = 0;
  for (const AnyMatrix& part : parts) {
    if (part.is_float()) {
      put_columns(exec, part.f32, at, all);
      at += static_cast<int>(part.f32.extent(1));
    } else {
      put_columns(exec, part.f64, at, all);
      at += static_cast<int>(part.f64.extent(1));
    }
  }
  return all;
}

AnyMatrix columns(const Exec& exec, const Matrix<double>& all, int at, int width, Workspace& ws) {
  const Matrix<double> part = ws.matrix<double>(all.extent(0), static_cast<std::size_t>(width));
  take_columns(exec, all, at, part);
  return part;
}

}  // namespace

AnyMatrix Hybrid::forward(const Exec& exec, const DeviceStructure& structure, const Tile& tile,
                          Descriptor::State& base, Workspace& ws) const {
  auto& state = static_cast<State&>(base);
  for (const auto& one : state.list) one->for_training = state.for_training;
  std::vector<AnyMatrix> d;
  for (std::size_t k = 0; k < list_.size(); ++k)
    d.push_back(list_[k]->forward(exec, structure, tile, *state.list[k], ws));
  return join(exec, d, tile.size(), n_columns(), ws);
}

void Hybrid::backward_inputs(const Exec& exec, const Tile& tile, const AnyMatrix& d_descriptor,
                             Descriptor::State& base, Workspace& ws) const {
  auto& state = static_cast<State&>(base);
  Workspace::Scope scope(ws);
  const Matrix<double> all = as<double>(exec, d_descriptor, ws);
  int at = 0;
  for (std::size_t k = 0; k < list_.size(); ++k) {
    const int width = list_[k]->n_columns();
    list_[k]->backward_inputs(exec, tile, columns(exec, all, at, width, ws), *state.list[k], ws);
    at += width;
  }
}

AnyMatrix Hybrid::tangent(const Exec& exec, const Tile& tile, Descriptor::State& base, Workspace& ws) const {
  auto& state = static_cast<State&>(base);
  std::vector<AnyMatrix> d_dot;
  for (std::size_t k = 0; k < list_.size(); ++k)
    d_dot.push_back(list_[k]->tangent(exec, tile, *state.list[k], ws));
  return join(exec, d_dot, tile.size(), n_columns(), ws);
}

void Hybrid::backward_params(const Exec& exec, const Tile& tile, const AnyMatrix& d_bar,
                             const AnyMatrix& d_dot_bar, Descriptor::State& base, int slot,
                             Workspace& ws) const {
  auto& state = static_cast<State&>(base);
  Workspace::Scope scope(ws);
  const Matrix<double> bar = as<double>(exec, d_bar, ws), dot_bar = as<double>(exec, d_dot_bar, ws);
  int at = 0;
  for (std::size_t k = 0; k < list_.size(); ++k) {
    const int width = list_[k]->n_columns();
    list_[k]->backward_params(exec, tile, columns(exec, bar, at, width, ws),
                              columns(exec, dot_bar, at, width, ws), *state.list[k], slot, ws);
    at += width;
  }
}

void Hybrid::begin_step(const DeviceStructure& structure, const TilePlan& plan,
                        const std::vector<Workspace*>& scratch) {
  for (const auto& one : list_) one->begin_step(structure, plan, scratch);
}

void Hybrid::finish_step(const std::vector<Workspace*>& scratch) {
  for (const auto& one : list_) one->finish_step(scratch);
}

void Hybrid::end_step() noexcept {
  for (const auto& one : list_) one->end_step();
}

void Hybrid::finish_loading() {
  for (const auto& one : list_) one->finish_loading();
}

void Hybrid::prepare_inference() const {
  for (const auto& one : list_) one->prepare_inference();
}

void Hybrid::forget_inference() {
  for (const auto& one : list_) one->forget_inference();
}

std::vector<TableInfo> Hybrid::tables() const {
  std::vector<TableInfo> out;
  for (std::size_t k = 0; k < list_.size(); ++k) {
    for (TableInfo table : list_[k]->tables()) {
      table.net = "part_" + std::to_string(k) + "/" + table.net;
      out.push_back(std::move(table));
    }
  }
  return out;
}

void Hybrid::initialize() {
  for (const auto& one : list_) one->initialize();
}

}  // namespace dpcore
