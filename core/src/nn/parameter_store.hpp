// SPDX-License-Identifier: LGPL-3.0-or-later
// The trainable numbers of one descriptor or fitting net: one flat array of scalars S with named parts, their
// gradients (one slot per worker that accumulates) and the two Adam moments, allocated only for training.
//
// Parts start at multiples of 64 bytes; the gaps are zero and stay zero.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/views.hpp"

namespace dpcore {

struct ParameterInfo {
  std::string name;                  // e.g. "net_0/layer_1/matrix"
  std::vector<std::int64_t> shape;   // row-major
  std::size_t offset = 0, size = 0;  // in elements
  bool trainable = true;
};

/// Elements [begin, end) of the flat array.
struct ParameterRange {
  std::size_t begin = 0, end = 0;
};

struct AdamSettings {
  // float32 constants promoted to the variable's type, as the reference keeps them (docs/theory/training.md)
  double beta1 = static_cast<double>(0.9F), beta2 = static_cast<double>(0.999F),
         epsilon = static_cast<double>(1e-8F);
};

/// What the optimiser, the model file and the checkpoint see of a store, whatever its precision.
class ParameterBlock {
 public:
  virtual ~ParameterBlock() = default;

  const std::vector<ParameterInfo>& parameters() const { return info_; }
  /// Parts made from other numbers: with values and gradients, but not trained and not in the model file.
  const std::vector<ParameterInfo>& derived() const { return derived_; }
  const ParameterInfo& find(const std::string& name) const;  // throws Error
  std::size_t size() const { return size_; }
  virtual bool is_float() const = 0;
  bool any_trainable() const;

  virtual void get(const ParameterInfo&, double* out) const = 0;
  virtual void set(const ParameterInfo&, const double* in) = 0;

  /// Allocate `slots` gradient arrays and the Adam moments (zero).
  virtual void prepare_training(int slots) = 0;
  /// Sum of the gradient slots of one part, for tests.
  virtual void get_gradient(const ParameterInfo&, double* out) const = 0;
  virtual void zero_gradients(int slot, ParameterRange) = 0;
  /// Room for `n` windows of `size` elements: slots -1 to -n, each of one range at a time, for gradients that
  /// are used at once and need no array of their own. Not from inside run_workers.
  virtual void prepare_windows(int n, std::size_t size) = 0;
  virtual void open_window(int slot, ParameterRange) = 0;
  void zero_gradients(int slot) { zero_gradients(slot, {0, size_}); }
  /// moment 0 or 1, the whole flat array as doubles [size()]
  virtual void get_moment(int moment, double* out) const = 0;
  virtual void set_moment(int moment, const double* in) = 0;
  /// One Adam step on a range with step size alpha = lr sqrt(1-beta2^t)/(1-beta1^t); gradients are summed
  /// over the slots in order, or those of a window.
  virtual void adam_step(double alpha, const AdamSettings&, ParameterRange, int window = 0) = 0;

 protected:
  std::vector<ParameterInfo> info_, derived_;
  std::size_t size_ = 0;
};

template <class S>
class ParameterStore final : public ParameterBlock {
 public:
  /// Register a part; returns its offset. A part of that name and shape that is there is shared. Call
  /// allocate() after the last.
  std::size_t add(const std::string& name, std::vector<std::int64_t> shape, bool trainable);
  /// The same for a derived part, which begins as zeros.
  std::size_t add_derived(const std::string& name, std::vector<std::int64_t> shape);
  void allocate();

  const S* value(std::size_t offset) const { return values_.data() + offset; }
  /// For who makes a derived part.
  S* derived_value(std::size_t offset) const { return values_.data() + offset; }
  S* gradient(int slot, std::size_t offset) const {
    if (slot < 0) {
      const Window& w = windows_[static_cast<std::size_t>(-1 - slot)];
      return w.room.data() + (offset - w.begin);
    }
    return gradients_.data() + static_cast<std::size_t>(slot) * size_ + offset;
  }
  int slots() const { return slots_; }

  bool is_float() const override { return sizeof(S) == 4; }
  void get(const ParameterInfo&, double* out) const override;
  void set(const ParameterInfo&, const double* in) override;
  void prepare_training(int slots) override;
  void get_gradient(const ParameterInfo&, double* out) const override;
  /// Add the gradients of all slots to slot 0, and clear the others.
  void sum_gradients(ParameterRange) const;
  using ParameterBlock::zero_gradients;
  void zero_gradients(int slot, ParameterRange) override;
  void prepare_windows(int n, std::size_t size) override;
  void open_window(int slot, ParameterRange) override;
  void get_moment(int moment, double* out) const override;
  void set_moment(int moment, const double* in) override;
  void adam_step(double alpha, const AdamSettings&, ParameterRange, int window = 0) override;

 private:
  std::size_t append(std::vector<ParameterInfo>& list, const std::string& name,
                     std::vector<std::int64_t> shape, bool trainable);
  /// Zeros; Error where there is no memory for them.
  DeviceArray<S> array(const std::string& label, std::size_t n) const;

  struct Window {
    DeviceArray<S> room;
    std::size_t begin = 0;
  };

  DeviceArray<S> values_, gradients_, moment1_, moment2_;
  std::vector<Window> windows_;
  int slots_ = 0;
};

}  // namespace dpcore
