// SPDX-License-Identifier: LGPL-3.0-or-later
// Deep Potential for C++ programs: the interface that programs written for DeePMD-kit use, on dpcore::Model.
//
// Units A, eV. Coordinates, forces [n*3]; box empty (not periodic) or [9], rows are cell vectors; virial [9] = -dE/d(strain)
// row-major; types index the model's type map. VALUETYPE is double or float, energies are double. Several frames at once:
// give std::vector<double> for the energy; all arrays then hold the frames one after the other.
// Everything throws dpcore::Error. One object may be used by several threads, except with `ago` > 0.
#pragma once

#include <cmath>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <vector>

#include "dpcore/model.h"
#include "dpcore/version.h"

namespace dpcore {

/// A neighbour list in the layout of LAMMPS: full, indices include ghosts.
struct InputNlist {
  int inum = 0;                ///< number of centres
  int* ilist = nullptr;        ///< [inum] indices of the centres
  int* numneigh = nullptr;     ///< [inum]
  int** firstneigh = nullptr;  ///< [inum][numneigh]
  InputNlist() = default;
  InputNlist(int inum_, int* ilist_, int* numneigh_, int** firstneigh_)
      : inum(inum_), ilist(ilist_), numneigh(numneigh_), firstneigh(firstneigh_) {}
};

class DeepPot {
 public:
  DeepPot() = default;
  /// `gpu_rank` is accepted and has no effect on a CPU; `file_content`, if not empty, is used instead of the file.
  explicit DeepPot(const std::string& model, const int& gpu_rank = 0, const std::string& file_content = "") {
    init(model, gpu_rank, file_content);
  }
  void init(const std::string& model, const int& gpu_rank = 0, const std::string& file_content = "") {
    (void)gpu_rank;
    if (shared_) throw Error("DeepPot: init was called twice; make a new object for another model");
    shared_ = std::make_shared<Shared>(file_content.empty() ? Model::read(model) : Model::parse(file_content, model));
    path_ = model;
  }

  void print_summary(const std::string& pre) const {
    std::string names;
    get_type_map(names);
    std::printf("%sdpcore %s (%s): %s, rcut %g A, types %s\n", pre.c_str(), DPCORE_VERSION, DPCORE_BACKEND_NAME,
                path_.c_str(), cutoff(), names.c_str());
  }
  double cutoff() const { return model().rcut(); }
  int numb_types() const { return model().ntypes(); }
  int dim_fparam() const { return model().dim_fparam(); }
  int dim_aparam() const { return model().dim_aparam(); }
  /// Element names, separated by spaces.
  void get_type_map(std::string& type_map) const {
    type_map.clear();
    for (const auto& name : model().type_map()) type_map += (type_map.empty() ? "" : " ") + name;
  }

  /// Energy, forces, virial. fparam [dim_fparam] or per frame; aparam [n*dim_aparam] or per frame.
  template <class VALUETYPE, class ENERGY>
  void compute(ENERGY& energy, std::vector<VALUETYPE>& force, std::vector<VALUETYPE>& virial,
               const std::vector<VALUETYPE>& coord, const std::vector<int>& atype, const std::vector<VALUETYPE>& box,
               const std::vector<VALUETYPE>& fparam = {}, const std::vector<VALUETYPE>& aparam = {}) const {
    std::vector<VALUETYPE>* none = nullptr;
    frames(energy, force, virial, none, none, coord, atype, box, fparam, aparam);
  }
  /// The same with atomic energies [n] and atomic virials [n*9].
  template <class VALUETYPE, class ENERGY>
  void compute(ENERGY& energy, std::vector<VALUETYPE>& force, std::vector<VALUETYPE>& virial,
               std::vector<VALUETYPE>& atom_energy, std::vector<VALUETYPE>& atom_virial,
               const std::vector<VALUETYPE>& coord, const std::vector<int>& atype, const std::vector<VALUETYPE>& box,
               const std::vector<VALUETYPE>& fparam = {}, const std::vector<VALUETYPE>& aparam = {}) const {
    frames(energy, force, virial, &atom_energy, &atom_virial, coord, atype, box, fparam, aparam);
  }
  /// With a neighbour list and ghosts: coord and atype hold n local atoms, then nghost ghosts; forces and atomic virials
  /// of ghosts are returned on them, atomic energies of ghosts are 0. Types from numb_types() on are not seen by the
  /// model. ago = 0: the list is new; ago > 0: the previous one is used again. The box is not needed.
  template <class VALUETYPE>
  void compute(double& energy, std::vector<VALUETYPE>& force, std::vector<VALUETYPE>& virial,
               const std::vector<VALUETYPE>& coord, const std::vector<int>& atype, const std::vector<VALUETYPE>& box,
               const int nghost, const InputNlist& list, const int& ago, const std::vector<VALUETYPE>& fparam = {},
               const std::vector<VALUETYPE>& aparam = {}) const {
    std::vector<VALUETYPE>* none = nullptr;
    with_list(energy, force, virial, none, none, coord, atype, box, nghost, list, ago, fparam, aparam);
  }
  template <class VALUETYPE>
  void compute(double& energy, std::vector<VALUETYPE>& force, std::vector<VALUETYPE>& virial,
               std::vector<VALUETYPE>& atom_energy, std::vector<VALUETYPE>& atom_virial,
               const std::vector<VALUETYPE>& coord, const std::vector<int>& atype, const std::vector<VALUETYPE>& box,
               const int nghost, const InputNlist& list, const int& ago, const std::vector<VALUETYPE>& fparam = {},
               const std::vector<VALUETYPE>& aparam = {}) const {
    with_list(energy, force, virial, &atom_energy, &atom_virial, coord, atype, box, nghost, list, ago, fparam, aparam);
  }

 private:
  struct Shared {
    Model model;
    Model::Session session;  // of calls with a neighbour list
    std::mutex mutex;
    explicit Shared(Model&& m) : model(std::move(m)) {}
  };

  const Model& model() const {
    if (!shared_) throw Error("DeepPot: no model; call init first");
    return shared_->model;
  }

  template <class T>
  static std::vector<double> doubles(const std::vector<T>& v) {
    return std::vector<double>(v.begin(), v.end());
  }
  template <class T>
  static void give(const std::vector<double>& from, std::vector<T>& to) {
    to.assign(from.begin(), from.end());
  }
  static void give_energy(const std::vector<double>& from, double& to) { to = from.front(); }
  static void give_energy(const std::vector<double>& from, std::vector<double>& to) { to = from; }

  static void require(bool ok, const std::string& message) {
    if (!ok) throw Error("DeepPot: " + message);
  }
  static std::string count(std::size_t n) { return std::to_string(n); }

  /// Parameters for each of `copies` frames; `size` numbers may stand for all of them.
  static std::vector<double> repeated(std::vector<double> v, std::size_t size, std::size_t copies, const char* what) {
    require(v.size() == size || v.size() == size * copies, std::string(what) + ": expected " + count(size) + " numbers" +
                (copies > 1 ? " or " + count(size * copies) : "") + ", got " + count(v.size()));
    const std::vector<double> one = v;
    while (v.size() < size * copies) v.insert(v.end(), one.begin(), one.end());
    return v;
  }

  template <class VALUETYPE, class ENERGY>
  void frames(ENERGY& energy, std::vector<VALUETYPE>& force, std::vector<VALUETYPE>& virial,
              std::vector<VALUETYPE>* atom_energy, std::vector<VALUETYPE>* atom_virial,
              const std::vector<VALUETYPE>& coord, const std::vector<int>& atype, const std::vector<VALUETYPE>& box,
              const std::vector<VALUETYPE>& fparam, const std::vector<VALUETYPE>& aparam) const {
    const std::size_t n = atype.size();
    const std::size_t n_frames = std::is_same<ENERGY, double>::value || n == 0 ? 1 : coord.size() / (3 * n);
    require(n_frames > 0 && coord.size() == 3 * n * n_frames,
            "coord: expected 3 numbers for each of " + count(n) + " atoms of every frame, got " + count(coord.size()));
    require(box.empty() || box.size() == 9 * n_frames,
            "box: expected nothing or 9 numbers per frame, got " + count(box.size()));
    const auto c = doubles(coord), b = doubles(box);
    const auto f = repeated(doubles(fparam), static_cast<std::size_t>(dim_fparam()), n_frames, "fparam");
    const auto a = repeated(doubles(aparam), n * static_cast<std::size_t>(dim_aparam()), n_frames, "aparam");
    Frames in;
    in.n_frames = static_cast<int>(n_frames);
    in.n_atoms = static_cast<int>(n);
    in.coord = c.data();
    in.type = atype.data();
    in.box = b.empty() ? nullptr : b.data();
    in.fparam = f.empty() ? nullptr : f.data();
    in.aparam = a.empty() ? nullptr : a.data();
    const Prediction out = model().predict(in, atom_virial != nullptr);
    give_energy(out.energy, energy);
    give(out.force, force);
    give(out.virial, virial);
    if (atom_energy != nullptr) give(out.atom_energy, *atom_energy);
    if (atom_virial != nullptr) give(out.atom_virial, *atom_virial);
  }

  template <class VALUETYPE>
  void with_list(double& energy, std::vector<VALUETYPE>& force, std::vector<VALUETYPE>& virial,
                 std::vector<VALUETYPE>* atom_energy, std::vector<VALUETYPE>* atom_virial,
                 const std::vector<VALUETYPE>& coord, const std::vector<int>& atype, const std::vector<VALUETYPE>& box,
                 int nghost, const InputNlist& list, int ago, const std::vector<VALUETYPE>& fparam,
                 const std::vector<VALUETYPE>& aparam) const {
    (void)box;
    const std::size_t n_all = atype.size();
    require(nghost >= 0 && static_cast<std::size_t>(nghost) <= n_all,
            "nghost: " + std::to_string(nghost) + " ghosts of " + count(n_all) + " atoms");
    require(coord.size() == 3 * n_all, "coord: expected 3 numbers for each of " + count(n_all) + " atoms, got " + count(coord.size()));
    const std::size_t n_local = n_all - static_cast<std::size_t>(nghost);
    const auto c = doubles(coord);
    const auto f = repeated(doubles(fparam), static_cast<std::size_t>(dim_fparam()), 1, "fparam");
    const auto a = repeated(doubles(aparam), n_local * static_cast<std::size_t>(dim_aparam()), 1, "aparam");
    Neighborhood in;
    in.n_local = static_cast<int>(n_local);
    in.n_all = static_cast<int>(n_all);
    in.coord = c.data();
    in.type = atype.data();
    in.n_centres = list.inum;
    in.centre = list.ilist;
    in.n_neighbors = list.numneigh;
    in.neighbors = list.firstneigh;
    in.rebuilt = ago == 0;
    in.fparam = f.empty() ? nullptr : f.data();
    in.aparam = a.empty() ? nullptr : a.data();
    Prediction out;
    {
      const Model& m = model();
      const std::lock_guard<std::mutex> one_list_at_a_time(shared_->mutex);
      m.predict(in, atom_virial != nullptr, shared_->session, out);
    }
    energy = out.energy.front();
    give(out.force, force);
    give(out.virial, virial);
    if (atom_energy != nullptr) {
      give(out.atom_energy, *atom_energy);
      atom_energy->resize(n_all, VALUETYPE(0));
    }
    if (atom_virial != nullptr) give(out.atom_virial, *atom_virial);
  }

  std::shared_ptr<Shared> shared_;
  std::string path_;
};

}  // namespace dpcore
