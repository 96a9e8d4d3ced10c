// SPDX-License-Identifier: LGPL-3.0-or-later
// Several models of the same kind on the same atoms, and how far they differ: the measure of their error in
// active learning.
//
// Arguments as those of DeepPot, results model by model: all_energy [n_models], the others [n_models][...] of
// one frame. For M models, d runs over the `stride` numbers of an item (3 of an atom's force):
//
//   compute_avg           avg_k = sum_m x_mk / M
//   compute_std           std_i = sqrt( sum_m sum_d (x_m,id - avg_id)^2 / M )
//   compute_relative_std  std_i / ( |avg_i| + eps ),  |avg_i| the norm of its `stride` numbers
//
// Everything throws dpcore::Error. Threads as with DeepPot.
#pragma once

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "dpcore/DeepPot.h"

namespace dpcore {

class DeepPotModelDevi {
 public:
  DeepPotModelDevi() = default;
  /// The models must have the same types, rcut and numbers of parameters; the Error names two that do not.
  /// `file_contents`, if not empty, has one entry for each model, used instead of the file if it is not
  /// empty. `precision` as for DeepPot.
  explicit DeepPotModelDevi(const std::vector<std::string>& models, const int& gpu_rank = 0,
                            const std::vector<std::string>& file_contents = {},
                            const std::string& precision = "") {
    init(models, gpu_rank, file_contents, precision);
  }
  void init(const std::vector<std::string>& models, const int& gpu_rank = 0,
            const std::vector<std::string>& file_contents = {}, const std::string& precision = "") {
    require(models_.empty(), "init was called twice; make a new object for other models");
    require(!models.empty(), "no model files were given");
    require(file_contents.empty() || file_contents.size() == models.size(),
            "file_contents: expected nothing or " + count(models.size()) + " entries, got " +
                count(file_contents.size()));
    std::vector<DeepPot> loaded;
    for (std::size_t k = 0; k < models.size(); ++k) {
      loaded.emplace_back(models[k], gpu_rank, file_contents.empty() ? std::string() : file_contents[k],
                          precision);
      detail::require_alike(loaded.front().loaded(), loaded.back().loaded());
    }
    models_.swap(loaded);
  }

  void print_summary(const std::string& pre) const {
    for (const auto& m : models_) m.print_summary(pre);
  }
  int numb_models() const { return static_cast<int>(models_.size()); }
  double cutoff() const { return first().cutoff(); }
  int numb_types() const { return first().numb_types(); }
  int dim_fparam() const { return first().dim_fparam(); }
  int dim_aparam() const { return first().dim_aparam(); }
  bool is_aparam_nall() const { return first().is_aparam_nall(); }
  void get_type_map(std::string& type_map) const { first().get_type_map(type_map); }

  template <class VALUETYPE>
  void compute(std::vector<double>& all_energy, std::vector<std::vector<VALUETYPE>>& all_force,
               std::vector<std::vector<VALUETYPE>>& all_virial, const std::vector<VALUETYPE>& coord,
               const std::vector<int>& atype, const std::vector<VALUETYPE>& box,
               const std::vector<VALUETYPE>& fparam = {}, const std::vector<VALUETYPE>& aparam = {}) const {
    resize(all_energy, all_force, all_virial);
    for (std::size_t k = 0; k < models_.size(); ++k) {
      models_[k].compute(all_energy[k], all_force[k], all_virial[k], coord, atype, box, fparam, aparam);
    }
  }
  template <class VALUETYPE>
  void compute(std::vector<double>& all_energy, std::vector<std::vector<VALUETYPE>>& all_force,
               std::vector<std::vector<VALUETYPE>>& all_virial,
               std::vector<std::vector<VALUETYPE>>& all_atom_energy,
               std::vector<std::vector<VALUETYPE>>& all_atom_virial, const std::vector<VALUETYPE>& coord,
               const std::vector<int>& atype, const std::vector<VALUETYPE>& box,
               const std::vector<VALUETYPE>& fparam = {}, const std::vector<VALUETYPE>& aparam = {}) const {
    resize(all_energy, all_force, all_virial, all_atom_energy, all_atom_virial);
    for (std::size_t k = 0; k < models_.size(); ++k) {
      models_[k].compute(all_energy[k], all_force[k], all_virial[k], all_atom_energy[k], all_atom_virial[k],
                         coord, atype, box, fparam, aparam);
    }
  }
  template <class VALUETYPE>
  void compute(std::vector<double>& all_energy, std::vector<std::vector<VALUETYPE>>& all_force,
               std::vector<std::vector<VALUETYPE>>& all_virial, const std::vector<VALUETYPE>& coord,
               const std::vector<int>& atype, const std::vector<VALUETYPE>& box, const int nghost,
               const InputNlist& list, const int& ago, const std::vector<VALUETYPE>& fparam = {},
               const std::vector<VALUETYPE>& aparam = {}) const {
    resize(all_energy, all_force, all_virial);
    for (std::size_t k = 0; k < models_.size(); ++k) {
      models_[k].compute(all_energy[k], all_force[k], all_virial[k], coord, atype, box, nghost, list, ago,
                         fparam, aparam);
    }
  }
  template <class VALUETYPE>
  void compute(std::vector<double>& all_energy, std::vector<std::vector<VALUETYPE>>& all_force,
               std::vector<std::vector<VALUETYPE>>& all_virial,
               std::vector<std::vector<VALUETYPE>>& all_atom_energy,
               std::vector<std::vector<VALUETYPE>>& all_atom_virial, const std::vector<VALUETYPE>& coord,
               const std::vector<int>& atype, const std::vector<VALUETYPE>& box, const int nghost,
               const InputNlist& list, const int& ago, const std::vector<VALUETYPE>& fparam = {},
               const std::vector<VALUETYPE>& aparam = {}) const {
    resize(all_energy, all_force, all_virial, all_atom_energy, all_atom_virial);
    for (std::size_t k = 0; k < models_.size(); ++k) {
      models_[k].compute(all_energy[k], all_force[k], all_virial[k], all_atom_energy[k], all_atom_virial[k],
                         coord, atype, box, nghost, list, ago, fparam, aparam);
    }
  }

  /// Mean of one number of each model.
  template <class VALUETYPE>
  static void compute_avg(VALUETYPE& avg, const std::vector<VALUETYPE>& xx) {
    require(!xx.empty(), "compute_avg: there are no values");
    double sum = 0.0;
    for (const VALUETYPE x : xx) sum += static_cast<double>(x);
    avg = static_cast<VALUETYPE>(sum / static_cast<double>(xx.size()));
  }
  /// [n_models][n] to [n]
  template <class VALUETYPE>
  static void compute_avg(std::vector<VALUETYPE>& avg, const std::vector<std::vector<VALUETYPE>>& xx) {
    require(!xx.empty(), "compute_avg: there are no values");
    avg.assign(xx.front().size(), VALUETYPE(0));
    require_rows(xx, avg.size());
    for (std::size_t k = 0; k < avg.size(); ++k) {
      double sum = 0.0;
      for (const auto& x : xx) sum += static_cast<double>(x[k]);
      avg[k] = static_cast<VALUETYPE>(sum / static_cast<double>(xx.size()));
    }
  }
  /// [n*stride], [n_models][n*stride] to [n]
  template <class VALUETYPE>
  static void compute_std(std::vector<VALUETYPE>& deviation, const std::vector<VALUETYPE>& avg,
                          const std::vector<std::vector<VALUETYPE>>& xx, const int& stride) {
    require(!xx.empty(), "compute_std: there are no values");
    require_rows(xx, avg.size());
    const std::size_t width = width_of(avg.size(), stride);
    deviation.assign(avg.size() / width, VALUETYPE(0));
    for (std::size_t i = 0; i < deviation.size(); ++i) {
      double sum = 0.0;
      for (const auto& x : xx) {
        for (std::size_t k = i * width; k < (i + 1) * width; ++k) {
          const double d = static_cast<double>(x[k]) - static_cast<double>(avg[k]);
          sum += d * d;
        }
      }
      deviation[i] = static_cast<VALUETYPE>(std::sqrt(sum / static_cast<double>(xx.size())));
    }
  }
  /// deviation [n], made relative in place; avg [n*stride]
  template <class VALUETYPE>
  static void compute_relative_std(std::vector<VALUETYPE>& deviation, const std::vector<VALUETYPE>& avg,
                                   const VALUETYPE eps, const int& stride) {
    const std::size_t width = width_of(avg.size(), stride);
    require(deviation.size() == avg.size() / width,
            "compute_relative_std: expected " + count(avg.size() / width) + " deviations for " +
                count(avg.size()) + " means, got " + count(deviation.size()));
    for (std::size_t i = 0; i < deviation.size(); ++i) {
      double sum = 0.0;
      for (std::size_t k = i * width; k < (i + 1) * width; ++k)
        sum += static_cast<double>(avg[k]) * static_cast<double>(avg[k]);
      deviation[i] = static_cast<VALUETYPE>(static_cast<double>(deviation[i]) /
                                            (std::sqrt(sum) + static_cast<double>(eps)));
    }
  }
  /// Of atomic energies.
  template <class VALUETYPE>
  static void compute_std_e(std::vector<VALUETYPE>& deviation, const std::vector<VALUETYPE>& avg,
                            const std::vector<std::vector<VALUETYPE>>& xx) {
    compute_std(deviation, avg, xx, 1);
  }
  /// Of forces.
  template <class VALUETYPE>
  static void compute_std_f(std::vector<VALUETYPE>& deviation, const std::vector<VALUETYPE>& avg,
                            const std::vector<std::vector<VALUETYPE>>& xx) {
    compute_std(deviation, avg, xx, 3);
  }
  template <class VALUETYPE>
  static void compute_relative_std_f(std::vector<VALUETYPE>& deviation, const std::vector<VALUETYPE>& avg,
                                     const VALUETYPE eps) {
    compute_relative_std(deviation, avg, eps, 3);
  }

 private:
  const DeepPot& first() const {
    require(!models_.empty(), "no models; call init first");
    return models_.front();
  }
  template <class... ARRAYS>
  void resize(ARRAYS&... arrays) const {
    first();
    (arrays.resize(models_.size()), ...);
  }

  static void require(bool ok, const std::string& message) {
    if (!ok) throw Error("DeepPotModelDevi: " + message);
  }
  static std::string count(std::size_t n) { return std::to_string(n); }
  static std::size_t width_of(std::size_t size, int stride) {
    require(stride > 0 && size % static_cast<std::size_t>(stride) == 0,
            count(size) + " means are not a multiple of the stride " + std::to_string(stride));
    return static_cast<std::size_t>(stride);
  }
  template <class VALUETYPE>
  static void require_rows(const std::vector<std::vector<VALUETYPE>>& xx, std::size_t size) {
    for (std::size_t m = 0; m < xx.size(); ++m) {
      require(xx[m].size() == size,
              "model " + count(m) + " has " + count(xx[m].size()) + " values, expected " + count(size));
    }
  }

  std::vector<DeepPot> models_;
};

}  // namespace dpcore
