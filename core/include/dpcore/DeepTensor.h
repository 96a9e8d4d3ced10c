// SPDX-License-Identifier: LGPL-3.0-or-later
// Models of dipoles and polarizabilities for C++ programs, under the names of DeePMD-kit's DeepTensor.
//
// The k = output_dim() components of a tensor (x y z, or xx xy xz yx ...) are those of the labels in
// training, in their unit; lengths are A. Tensors of atoms: [n_selected, k], of the local atoms of the
// types sel_types(), in their order. force [k, n_all, 3] and virial [k, 9] are minus the derivatives of the
// components of the global tensor by positions and strain, atom_virial [k, n_all, 9]. One frame at a time;
// box empty (not periodic) or [9]. VALUETYPE is double or float. Everything throws dpcore::Error. With a
// neighbour list calls of several threads take turns.
#pragma once

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "dpcore/DeepPot.h"

namespace dpcore {

class DeepTensor {
 public:
  DeepTensor() = default;
  /// `gpu_rank` is accepted and has no effect on a CPU; `name_scope` must be empty; `precision` as for
  /// DeepPot.
  explicit DeepTensor(const std::string& model, const int& gpu_rank = 0, const std::string& name_scope = "",
                      const std::string& precision = "") {
    init(model, gpu_rank, name_scope, precision);
  }
  void init(const std::string& model, const int& gpu_rank = 0, const std::string& name_scope = "",
            const std::string& precision = "") {
    (void)gpu_rank;
    if (loaded_) throw Error("DeepTensor: init was called twice; make a new object for another model");
    if (!name_scope.empty()) {
      throw Error("DeepTensor: name_scope '" + name_scope + "': a model file holds one model");
    }
    auto loaded = std::make_shared<detail::LoadedModel>(model, "", precision);
    loaded->require_kind(false);
    loaded_ = std::move(loaded);
  }

  void print_summary(const std::string& pre) const {
    std::printf("%sdpcore %s (%s): %s, %s, rcut %g A, types %s\n", pre.c_str(), DPCORE_VERSION,
                DPCORE_BACKEND_NAME, loaded().path().c_str(), model().kind().c_str(), cutoff(),
                loaded().type_names().c_str());
  }
  double cutoff() const { return model().rcut(); }
  int numb_types() const { return model().ntypes(); }
  int output_dim() const { return model().n_out(); }
  /// Ascending.
  std::vector<int> sel_types() const { return model().sel_type(); }
  /// Element names, separated by spaces.
  void get_type_map(std::string& type_map) const { type_map = loaded().type_names(); }

  /// Tensors of atoms.
  template <class VALUETYPE>
  void compute(std::vector<VALUETYPE>& value, const std::vector<VALUETYPE>& coord,
               const std::vector<int>& atype, const std::vector<VALUETYPE>& box) const {
    Prediction p = frame(coord, atype, box, false, false);
    give_selected(p, atype, atype.size(), value);
  }
  /// The same with a neighbour list: `coord` and `atype` have the local atoms first, then nghost ghosts.
  /// Types from numb_types() on are not seen by the model. The box is not needed.
  template <class VALUETYPE>
  void compute(std::vector<VALUETYPE>& value, const std::vector<VALUETYPE>& coord,
               const std::vector<int>& atype, const std::vector<VALUETYPE>& box, const int nghost,
               const InputNlist& list) const {
    (void)box;
    with_list(coord, atype, nghost, list, false, false,
              [&](const Prediction& p, std::size_t n_local) { give_selected(p, atype, n_local, value); });
  }

  /// The global tensor [k] and its derivatives.
  template <class VALUETYPE>
  void compute(std::vector<VALUETYPE>& global_tensor, std::vector<VALUETYPE>& force,
               std::vector<VALUETYPE>& virial, const std::vector<VALUETYPE>& coord,
               const std::vector<int>& atype, const std::vector<VALUETYPE>& box) const {
    give_all(frame(coord, atype, box, false, true), global_tensor, force, virial);
  }
  template <class VALUETYPE>
  void compute(std::vector<VALUETYPE>& global_tensor, std::vector<VALUETYPE>& force,
               std::vector<VALUETYPE>& virial, const std::vector<VALUETYPE>& coord,
               const std::vector<int>& atype, const std::vector<VALUETYPE>& box, const int nghost,
               const InputNlist& list) const {
    (void)box;
    with_list(coord, atype, nghost, list, false, true,
              [&](const Prediction& p, std::size_t) { give_all(p, global_tensor, force, virial); });
  }
  /// And tensors and virials of atoms.
  template <class VALUETYPE>
  void compute(std::vector<VALUETYPE>& global_tensor, std::vector<VALUETYPE>& force,
               std::vector<VALUETYPE>& virial, std::vector<VALUETYPE>& atom_tensor,
               std::vector<VALUETYPE>& atom_virial, const std::vector<VALUETYPE>& coord,
               const std::vector<int>& atype, const std::vector<VALUETYPE>& box) const {
    const Prediction p = frame(coord, atype, box, true, true);
    give_all(p, global_tensor, force, virial);
    give(p.atom_virial, atom_virial);
    give_selected(p, atype, atype.size(), atom_tensor);
  }
  template <class VALUETYPE>
  void compute(std::vector<VALUETYPE>& global_tensor, std::vector<VALUETYPE>& force,
               std::vector<VALUETYPE>& virial, std::vector<VALUETYPE>& atom_tensor,
               std::vector<VALUETYPE>& atom_virial, const std::vector<VALUETYPE>& coord,
               const std::vector<int>& atype, const std::vector<VALUETYPE>& box, const int nghost,
               const InputNlist& list) const {
    (void)box;
    with_list(coord, atype, nghost, list, true, true, [&](const Prediction& p, std::size_t n_local) {
      give_all(p, global_tensor, force, virial);
      give(p.atom_virial, atom_virial);
      give_selected(p, atype, n_local, atom_tensor);
    });
  }

 private:
  detail::LoadedModel& loaded() const {
    if (!loaded_) throw Error("DeepTensor: no model; call init first");
    return *loaded_;
  }
  const Model& model() const { return loaded().model(); }

  static void require(bool ok, const std::string& message) {
    if (!ok) throw Error("DeepTensor: " + message);
  }
  template <class VALUETYPE>
  static void give(const std::vector<double>& from, std::vector<VALUETYPE>& to) {
    to.assign(from.begin(), from.end());
  }
  template <class VALUETYPE>
  static void give_all(const Prediction& from, std::vector<VALUETYPE>& tensor, std::vector<VALUETYPE>& force,
                       std::vector<VALUETYPE>& virial) {
    give(from.energy, tensor);
    give(from.force, force);
    give(from.virial, virial);
  }
  template <class VALUETYPE>
  void give_selected(const Prediction& from, const std::vector<int>& atype, std::size_t n_local,
                     std::vector<VALUETYPE>& to) const {
    std::vector<double> selected;
    detail::append_selected(model(), from, atype.data(), n_local, selected);
    give(selected, to);
  }

  template <class VALUETYPE>
  void check(const std::vector<VALUETYPE>& coord, const std::vector<int>& atype) const {
    require(coord.size() == 3 * atype.size(), "coord: expected 3 numbers for each of " +
                                                  std::to_string(atype.size()) + " atoms, got " +
                                                  std::to_string(coord.size()));
  }

  template <class VALUETYPE>
  Prediction frame(const std::vector<VALUETYPE>& coord, const std::vector<int>& atype,
                   const std::vector<VALUETYPE>& box, bool atomic, bool derivatives) const {
    check(coord, atype);
    require(box.empty() || box.size() == 9,
            "box: expected nothing or 9 numbers, got " + std::to_string(box.size()));
    const detail::Doubles x(coord), cell(box);
    Frames in;
    in.n_frames = 1;
    in.n_atoms = static_cast<int>(atype.size());
    in.coord = x.data();
    in.type = atype.data();
    in.box = cell.data();
    return loaded().predict(in, atomic, derivatives);
  }

  template <class VALUETYPE, class F>
  void with_list(const std::vector<VALUETYPE>& coord, const std::vector<int>& atype, int nghost,
                 const InputNlist& list, bool atomic, bool derivatives, const F& use) const {
    check(coord, atype);
    require(nghost >= 0 && static_cast<std::size_t>(nghost) <= atype.size(),
            "nghost: " + std::to_string(nghost) + " ghosts of " + std::to_string(atype.size()) + " atoms");
    const std::size_t n_local = atype.size() - static_cast<std::size_t>(nghost);
    const detail::Doubles x(coord);
    Neighborhood in = list.neighborhood();
    in.n_local = static_cast<int>(n_local);
    in.n_all = static_cast<int>(atype.size());
    in.coord = x.data();
    in.type = atype.data();
    loaded().predict(in, atomic, [&](Prediction& out) { use(out, n_local); }, derivatives);
  }

  std::shared_ptr<detail::LoadedModel> loaded_;
};

}  // namespace dpcore
