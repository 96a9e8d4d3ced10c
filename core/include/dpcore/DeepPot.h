// SPDX-License-Identifier: LGPL-3.0-or-later
// Deep Potential for C++ programs: the interface that programs written for DeePMD-kit use, on dpcore::Model.
//
// Units A, eV. Coordinates, forces [n*3]; box empty (not periodic) or [9], rows are cell vectors; virial [9]
// = -dE/d(strain) row-major; types index the model's type map. VALUETYPE is double or float, energies are
// double. Several frames at once: give std::vector<double> for the energy; all arrays then hold the frames
// one after the other. Everything throws dpcore::Error. Several threads may use one object at the same time,
// except with `ago` > 0: calls with a neighbour list then take turns.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "dpcore/loaded_model.h"
#include "dpcore/version.h"

namespace dpcore {

/// A neighbour list in the layout of LAMMPS: full, indices include ghosts.
struct InputNlist {
  int inum = 0;                ///< number of centres
  int* ilist = nullptr;        ///< [inum] indices of the centres
  int* numneigh = nullptr;     ///< [inum]
  int** firstneigh = nullptr;  ///< [inum][numneigh]
  int mask = -1;               ///< bits of a neighbour that are its index
  InputNlist() = default;
  InputNlist(int inum_, int* ilist_, int* numneigh_, int** firstneigh_)
      : inum(inum_), ilist(ilist_), numneigh(numneigh_), firstneigh(firstneigh_) {}
  void set_mask(int mask_) { mask = mask_; }

  /// The list as dpcore::Model takes it, without atoms.
  Neighborhood neighborhood() const {
    Neighborhood n;
    n.n_centres = inum;
    n.centre = ilist;
    n.n_neighbors = numneigh;
    n.neighbors = firstneigh;
    n.neighbor_mask = mask;
    return n;
  }
};

class DeepPot {
 public:
  DeepPot() = default;
  /// `gpu_rank` is accepted and has no effect on a CPU; `file_content`, if not empty, is used instead of the
  /// file; `precision` is "high", "mixed" or "low" (dpcore/precision.h), or "": that of DP_INTERFACE_PREC.
  explicit DeepPot(const std::string& model, const int& gpu_rank = 0, const std::string& file_content = "",
                   const std::string& precision = "") {
    init(model, gpu_rank, file_content, precision);
  }
  void init(const std::string& model, const int& gpu_rank = 0, const std::string& file_content = "",
            const std::string& precision = "") {
    (void)gpu_rank;
    if (loaded_) throw Error("DeepPot: init was called twice; make a new object for another model");
    auto loaded = std::make_shared<detail::LoadedModel>(model, file_content, precision);
    loaded->require_kind(true);
    loaded_ = std::move(loaded);
  }

  void print_summary(const std::string& pre) const {
    std::printf("%sdpcore %s (%s): %s%s, rcut %g A, types %s\n", pre.c_str(), DPCORE_VERSION,
                DPCORE_BACKEND_NAME, loaded().path().c_str(), model().tables().empty() ? "" : " (compressed)",
                cutoff(), loaded().type_names().c_str());
  }
  double cutoff() const { return model().rcut(); }
  int numb_types() const { return model().ntypes(); }
  int dim_fparam() const { return model().dim_fparam(); }
  int dim_aparam() const { return model().dim_aparam(); }
  /// Whether aparam beside a neighbour list has the ghosts too: [natoms*dim_aparam]
  bool is_aparam_nall() const { return model().is_aparam_nall(); }
  /// Element names, separated by spaces.
  void get_type_map(std::string& type_map) const { type_map = loaded().type_names(); }

  /// Energy, forces, virial. fparam [dim_fparam] or per frame; aparam [n*dim_aparam] or per frame.
  template <class VALUETYPE, class ENERGY>
  void compute(ENERGY& energy, std::vector<VALUETYPE>& force, std::vector<VALUETYPE>& virial,
               const std::vector<VALUETYPE>& coord, const std::vector<int>& atype,
               const std::vector<VALUETYPE>& box, const std::vector<VALUETYPE>& fparam = {},
               const std::vector<VALUETYPE>& aparam = {}) const {
    std::vector<VALUETYPE>* none = nullptr;
    frames(energy, force, virial, none, none, coord, atype, box, fparam, aparam);
  }
  /// The same with atomic energies [n] and atomic virials [n*9].
  template <class VALUETYPE, class ENERGY>
  void compute(ENERGY& energy, std::vector<VALUETYPE>& force, std::vector<VALUETYPE>& virial,
               std::vector<VALUETYPE>& atom_energy, std::vector<VALUETYPE>& atom_virial,
               const std::vector<VALUETYPE>& coord, const std::vector<int>& atype,
               const std::vector<VALUETYPE>& box, const std::vector<VALUETYPE>& fparam = {},
               const std::vector<VALUETYPE>& aparam = {}) const {
    frames(energy, force, virial, &atom_energy, &atom_virial, coord, atype, box, fparam, aparam);
  }
  /// With a neighbour list and ghosts: coord and atype hold n local atoms, then nghost ghosts; forces and
  /// atomic virials of ghosts are returned on them, atomic energies of ghosts are 0. Types from numb_types()
  /// on are not seen by the model. ago = 0: the list is new; ago > 0: the previous one is used again. The box
  /// is not needed.
  template <class VALUETYPE>
  void compute(double& energy, std::vector<VALUETYPE>& force, std::vector<VALUETYPE>& virial,
               const std::vector<VALUETYPE>& coord, const std::vector<int>& atype,
               const std::vector<VALUETYPE>& box, const int nghost, const InputNlist& list, const int& ago,
               const std::vector<VALUETYPE>& fparam = {}, const std::vector<VALUETYPE>& aparam = {}) const {
    std::vector<VALUETYPE>* none = nullptr;
    with_list(energy, force, virial, none, none, coord, atype, box, nghost, list, ago, fparam, aparam);
  }
  template <class VALUETYPE>
  void compute(double& energy, std::vector<VALUETYPE>& force, std::vector<VALUETYPE>& virial,
               std::vector<VALUETYPE>& atom_energy, std::vector<VALUETYPE>& atom_virial,
               const std::vector<VALUETYPE>& coord, const std::vector<int>& atype,
               const std::vector<VALUETYPE>& box, const int nghost, const InputNlist& list, const int& ago,
               const std::vector<VALUETYPE>& fparam = {}, const std::vector<VALUETYPE>& aparam = {}) const {
    with_list(energy, force, virial, &atom_energy, &atom_virial, coord, atype, box, nghost, list, ago, fparam,
              aparam);
  }

 private:
  friend class DeepPotModelDevi;

  detail::LoadedModel& loaded() const {
    if (!loaded_) throw Error("DeepPot: no model; call init first");
    return *loaded_;
  }
  const Model& model() const { return loaded().model(); }

  static void require(bool ok, const std::string& message) {
    if (!ok) throw Error("DeepPot: " + message);
  }
  static std::string count(std::size_t n) { return std::to_string(n); }

  static void give(std::vector<double>& from, std::vector<double>& to) { to.swap(from); }
  static void give(const std::vector<double>& from, std::vector<float>& to) {
    to.assign(from.begin(), from.end());
  }
  static void give_energy(const std::vector<double>& from, double& to) { to = from.front(); }
  static void give_energy(const std::vector<double>& from, std::vector<double>& to) { to = from; }
  template <class ENERGY, class VALUETYPE>
  static void give_all(Prediction& from, ENERGY& energy, std::vector<VALUETYPE>& force,
                       std::vector<VALUETYPE>& virial, std::vector<VALUETYPE>* atom_energy,
                       std::vector<VALUETYPE>* atom_virial) {
    give_energy(from.energy, energy);
    give(from.force, force);
    give(from.virial, virial);
    if (atom_energy != nullptr) give(from.atom_energy, *atom_energy);
    if (atom_virial != nullptr) give(from.atom_virial, *atom_virial);
  }

  template <class VALUETYPE, class ENERGY>
  void frames(ENERGY& energy, std::vector<VALUETYPE>& force, std::vector<VALUETYPE>& virial,
              std::vector<VALUETYPE>* atom_energy, std::vector<VALUETYPE>* atom_virial,
              const std::vector<VALUETYPE>& coord, const std::vector<int>& atype,
              const std::vector<VALUETYPE>& box, const std::vector<VALUETYPE>& fparam,
              const std::vector<VALUETYPE>& aparam) const {
    const std::size_t n = atype.size();
    const std::size_t n_frames = std::is_same<ENERGY, double>::value || n == 0 ? 1 : coord.size() / (3 * n);
    require(n_frames > 0 && coord.size() == 3 * n * n_frames, "coord: expected 3 numbers for each of " +
                                                                  count(n) + " atoms of every frame, got " +
                                                                  count(coord.size()));
    require(box.empty() || box.size() == 9 * n_frames,
            "box: expected nothing or 9 numbers per frame, got " + count(box.size()));
    const detail::Doubles x(coord), cell(box);
    detail::Doubles f(fparam), a(aparam);
    f.repeat(static_cast<std::size_t>(dim_fparam()), n_frames, "DeepPot: fparam");
    a.repeat(n * static_cast<std::size_t>(dim_aparam()), n_frames, "DeepPot: aparam");
    Frames in;
    in.n_frames = static_cast<int>(n_frames);
    in.n_atoms = static_cast<int>(n);
    in.coord = x.data();
    in.type = atype.data();
    in.box = cell.data();
    in.fparam = f.data();
    in.aparam = a.data();
    Prediction out = loaded().predict(in, atom_virial != nullptr);
    give_all(out, energy, force, virial, atom_energy, atom_virial);
  }

  template <class VALUETYPE>
  void with_list(double& energy, std::vector<VALUETYPE>& force, std::vector<VALUETYPE>& virial,
                 std::vector<VALUETYPE>* atom_energy, std::vector<VALUETYPE>* atom_virial,
                 const std::vector<VALUETYPE>& coord, const std::vector<int>& atype,
                 const std::vector<VALUETYPE>& box, int nghost, const InputNlist& list, int ago,
                 const std::vector<VALUETYPE>& fparam, const std::vector<VALUETYPE>& aparam) const {
    (void)box;
    const std::size_t n_all = atype.size();
    require(nghost >= 0 && static_cast<std::size_t>(nghost) <= n_all,
            "nghost: " + std::to_string(nghost) + " ghosts of " + count(n_all) + " atoms");
    require(coord.size() == 3 * n_all,
            "coord: expected 3 numbers for each of " + count(n_all) + " atoms, got " + count(coord.size()));
    const std::size_t n_local = n_all - static_cast<std::size_t>(nghost);
    const detail::Doubles x(coord);
    detail::Doubles f(fparam), a(aparam);
    f.repeat(static_cast<std::size_t>(dim_fparam()), 1, "DeepPot: fparam");
    a.repeat((is_aparam_nall() ? n_all : n_local) * static_cast<std::size_t>(dim_aparam()), 1,
             "DeepPot: aparam");
    Neighborhood in = list.neighborhood();
    in.n_local = static_cast<int>(n_local);
    in.n_all = static_cast<int>(n_all);
    in.coord = x.data();
    in.type = atype.data();
    in.rebuilt = ago == 0;
    in.fparam = f.data();
    in.aparam = a.data();
    loaded().predict(in, atom_virial != nullptr, [&](Prediction& out) {
      give_all(out, energy, force, virial, atom_energy, atom_virial);
    });
    if (atom_energy != nullptr) atom_energy->resize(n_all, VALUETYPE(0));
  }

  std::shared_ptr<detail::LoadedModel> loaded_;
};

}  // namespace dpcore
