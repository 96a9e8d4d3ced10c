// SPDX-License-Identifier: LGPL-3.0-or-later
// What DeepPot.h, DeepPotModelDevi.h, DeepTensor.h and the C interface have in common. Not meant for
// programs.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "dpcore/model.h"

namespace dpcore::detail {

/// n numbers as double: the caller's own memory if it holds doubles, else a converted copy.
class Doubles {
 public:
  Doubles(const double* p, std::size_t n) : data_(p), size_(n) {}
  Doubles(const float* p, std::size_t n) : copy_(p, p + n), data_(copy_.data()), size_(n) {}
  template <class T>
  explicit Doubles(const std::vector<T>& v) : Doubles(v.data(), v.size()) {}
  Doubles(const Doubles&) = delete;
  Doubles& operator=(const Doubles&) = delete;

  std::size_t size() const { return size_; }
  const double* data() const { return size_ == 0 ? nullptr : data_; }  ///< null if there are none

  /// Make them size * copies numbers, of which `size` may stand for all. Throws Error: `name` has another
  /// number.
  void repeat(std::size_t size, std::size_t copies, const std::string& name) {
    if (size_ == size * copies) return;
    if (size_ != size) {
      throw Error(name + ": expected " + std::to_string(size) + " numbers" +
                  (copies > 1 ? " or " + std::to_string(size * copies) : "") + ", got " +
                  std::to_string(size_));
    }
    std::vector<double> all;
    all.reserve(size * copies);
    for (std::size_t k = 0; k < copies; ++k) all.insert(all.end(), data_, data_ + size);
    copy_ = std::move(all);
    data_ = copy_.data();
    size_ = copy_.size();
  }

 private:
  std::vector<double> copy_;
  const double* data_;
  std::size_t size_;
};

/// A model with its file's name and the memory of its calls with a neighbour list. Safe for concurrent calls.
class LoadedModel {
 public:
  /// The bytes `content`, if there are any, are taken instead of the file.
  /// `precision` as precision_from takes it.
  LoadedModel(const std::string& path, const std::string& content, const std::string& precision = "")
      : path_(path),
        model_(content.empty() ? Model::read(path, precision_from(precision))
                               : Model::parse(content, path, precision_from(precision))) {}

  /// A model that was read already; `path` stands in messages.
  LoadedModel(const std::string& path, Model&& model) : path_(path), model_(std::move(model)) {}

  /// Throws Error where the model predicts tensors, or with `energies` = false where it does not.
  void require_kind(bool energies) const {
    const std::string kind = model_.kind();
    if ((kind == "ener") == energies) return;
    throw Error(path_ + ": this is a model of kind " + kind + "; " +
                (energies ? "DeepTensor evaluates it, not DeepPot" : "DeepPot evaluates it, not DeepTensor"));
  }

  const std::string& path() const { return path_; }
  const Model& model() const { return model_; }
  /// Element names, separated by spaces.
  std::string type_names() const {
    std::string names;
    for (const auto& name : model_.type_map()) names += (names.empty() ? "" : " ") + name;
    return names;
  }

  Prediction predict(const Frames& frames, bool atomic, bool derivatives = true) {
    Prediction out = model_.predict(frames, atomic, derivatives);
    warn(out);
    return out;
  }
  /// use(Prediction&) gets the result, and may swap arrays with it: they are used again in the next call.
  template <class F>
  void predict(const Neighborhood& atoms, bool atomic, const F& use, bool derivatives = true) {
    in_turn([&](Model::Session& s, Prediction& p) { model_.predict(atoms, atomic, s, p, derivatives); }, use);
  }
  /// run(session, prediction), then use(prediction), one thread at a time.
  template <class G, class F>
  void in_turn(const G& run, const F& use) {
    const std::lock_guard<std::mutex> one_list_at_a_time(mutex_);
    run(session_, prediction_);
    warn(prediction_);
    use(prediction_);
  }

 private:
  void warn(const Prediction& p) {
    if (!p.notice.empty()) std::fprintf(stderr, "dpcore: %s: %s\n", path_.c_str(), p.notice.c_str());
    if (p.overflow_atoms == 0 || warned_.exchange(true)) return;
    std::fprintf(stderr,
                 "dpcore: %s: %ld atom(s) have more neighbours of a type than the model's sel, by up to %d: "
                 "the farthest "
                 "are left out, and energies are not smooth there. DP_STRICT_SEL=1 makes this an error. "
                 "(Said once.)\n",
                 path_.c_str(), p.overflow_atoms, p.overflow_worst);
  }

  std::string path_;
  Model model_;
  std::mutex mutex_;
  Model::Session session_;
  Prediction prediction_;
  std::atomic<bool> warned_{false};
};

/// Append the tensors of the first n_local atoms [n_local, n_out] whose types the model selects.
inline void append_selected(const Model& model, const Prediction& from, const int* type, std::size_t n_local,
                            std::vector<double>& to) {
  const std::vector<int> selected = model.sel_type();
  const auto n_out = static_cast<std::ptrdiff_t>(model.n_out());
  for (std::size_t i = 0; i < n_local; ++i) {
    if (std::find(selected.begin(), selected.end(), type[i]) == selected.end()) continue;
    const auto begin = from.atom_energy.begin() + static_cast<std::ptrdiff_t>(i) * n_out;
    to.insert(to.end(), begin, begin + n_out);
  }
}

/// Throws Error where two models cannot take the same atoms or list; it names both files, path_a and path_b.
inline void require_alike(const std::string& path_a, const Model& a, const std::string& path_b,
                          const Model& b) {
  const auto compare = [&](bool same, const char* what, const std::string& of_a, const std::string& of_b) {
    if (same) return;
    throw Error("the models of a deviation must agree in " + std::string(what) + ": " + path_a + " has " +
                of_a + ", " + path_b + " has " + of_b);
  };
  const auto number = [](double x) {
    char text[32];
    std::snprintf(text, sizeof text, "%.9g", x);
    return std::string(text);
  };
  const auto names = [](const Model& m) {
    std::string all;
    for (const auto& name : m.type_map()) all += (all.empty() ? "" : " ") + name;
    return all;
  };
  compare(a.type_map() == b.type_map(), "their types", names(a), names(b));
  // the cut-off of an imported graph was rounded to single precision
  compare(std::fabs(a.rcut() - b.rcut()) <= 1e-6, "rcut", number(a.rcut()) + " A", number(b.rcut()) + " A");
  compare(a.dim_fparam() == b.dim_fparam(), "the number of frame parameters", number(a.dim_fparam()),
          number(b.dim_fparam()));
  compare(a.dim_aparam() == b.dim_aparam(), "the number of atomic parameters", number(a.dim_aparam()),
          number(b.dim_aparam()));
  const auto reader = [](const Model& m) { return m.is_aparam_nall() ? "neighbours too" : "the atom alone"; };
  compare(a.is_aparam_nall() == b.is_aparam_nall(), "whose atomic parameters they take", reader(a),
          reader(b));
}
inline void require_alike(const LoadedModel& a, const LoadedModel& b) {
  require_alike(a.path(), a.model(), b.path(), b.model());
}

}  // namespace dpcore::detail
