// SPDX-License-Identifier: LGPL-3.0-or-later
// The chain rule of DPLR for C++ programs that compute the long-range electrostatics themselves, such as on a
// mesh: from electric forces on atoms and on the Wannier centroids beside them to forces on atoms alone.
// Names are those of DeePMD-kit's DipoleChargeModifier. Formulas: dpcore/modifier.h.
//
// Units A, eV. VALUETYPE is double or float. Everything throws dpcore::Error. Calls of several threads take
// turns.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dpcore/DeepPot.h"
#include "dpcore/modifier.h"

namespace dpcore {

class DipoleChargeModifier {
 public:
  DipoleChargeModifier() = default;
  /// `model`: an energy model with the modifier dipole_charge, or its model of dipoles alone. `gpu_rank` and
  /// `name_scope`, which is that of the dipole model in graphs of TensorFlow, are accepted and have no
  /// effect.
  explicit DipoleChargeModifier(const std::string& model, const int& gpu_rank = 0,
                                const std::string& name_scope = "") {
    init(model, gpu_rank, name_scope);
  }
  void init(const std::string& model, const int& gpu_rank = 0, const std::string& name_scope = "") {
    (void)gpu_rank;
    (void)name_scope;
    if (loaded_)
      throw Error("DipoleChargeModifier: init was called twice; make a new object for another model");
    loaded_ = std::make_shared<detail::LoadedModel>(model, std::move(read_dipole_charges(model).dipole));
  }

  void print_summary(const std::string& pre) const {
    std::printf("%sdpcore %s (%s): %s, dipole model, rcut %g A, types %s\n", pre.c_str(), DPCORE_VERSION,
                DPCORE_BACKEND_NAME, loaded().path().c_str(), cutoff(), loaded().type_names().c_str());
  }
  double cutoff() const { return model().rcut(); }
  int numb_types() const { return model().ntypes(); }
  /// Types that have a Wannier centroid, ascending.
  std::vector<int> sel_types() const { return model().sel_type(); }

  /// dfcorr [n_all*3] forces on atoms, those on ghosts on them, 0 on centroids; dvcorr [9] what the virial
  /// gets from the change of the dipoles with strain. coord, atype: local atoms, centroids among them, then
  /// nghost ghosts. pairs: local indices of (atom, centroid); delef [n_local*3] electric forces. Centroids
  /// must have types from numb_types() on. The box is not needed; the list is read in every call.
  template <class VALUETYPE>
  void compute(std::vector<VALUETYPE>& dfcorr, std::vector<VALUETYPE>& dvcorr,
               const std::vector<VALUETYPE>& coord, const std::vector<int>& atype,
               const std::vector<VALUETYPE>& box, const std::vector<std::pair<int, int>>& pairs,
               const std::vector<VALUETYPE>& delef, const int nghost, const InputNlist& list) const {
    (void)box;
    const std::size_t n_all = atype.size();
    require(coord.size() == 3 * n_all, "coord", 3 * n_all, coord.size());
    if (nghost < 0 || static_cast<std::size_t>(nghost) > n_all)
      throw Error("DipoleChargeModifier: nghost: " + std::to_string(nghost) + " ghosts of " +
                  std::to_string(n_all) + " atoms");
    const std::size_t n_local = n_all - static_cast<std::size_t>(nghost);
    require(delef.size() == 3 * n_local, "delef", 3 * n_local, delef.size());
    const detail::Doubles x(coord), force(delef);
    std::vector<int> flat;
    for (const auto& p : pairs) flat.insert(flat.end(), {p.first, p.second});
    Neighborhood in = list.neighborhood();
    in.n_local = static_cast<int>(n_local);
    in.n_all = static_cast<int>(n_all);
    in.coord = x.data();
    in.type = atype.data();
    loaded().in_turn(
        [&](Model::Session& session, Prediction& p) {
          dipole_charge_correction(model(), in, flat.data(), static_cast<int>(pairs.size()), force.data(),
                                   session, p);
        },
        [&](const Prediction& p) {
          dfcorr.assign(p.force.begin(), p.force.end());
          dvcorr.assign(p.virial.begin(), p.virial.end());
        });
  }

 private:
  detail::LoadedModel& loaded() const {
    if (!loaded_) throw Error("DipoleChargeModifier: no model; call init first");
    return *loaded_;
  }
  const Model& model() const { return loaded().model(); }
  static void require(bool ok, const char* name, std::size_t expected, std::size_t found) {
    if (ok) return;
    throw Error(std::string("DipoleChargeModifier: ") + name + ": expected " + std::to_string(expected) +
                " numbers, 3 for each atom, got " + std::to_string(found));
  }

  std::shared_ptr<detail::LoadedModel> loaded_;
};

}  // namespace dpcore
