// SPDX-License-Identifier: LGPL-3.0-or-later
#include "nn/parameter_store.hpp"

#include <algorithm>
#include <exception>

#include "base/huge_pages.hpp"
#include "dpcore/errors.h"

namespace dpcore {

namespace {

template <class S>
void copy_out(const S* from, std::size_t n, double* out) {
  std::vector<S> host(n);
  Kokkos::deep_copy(
      Kokkos::View<S*, Kokkos::HostSpace, Kokkos::MemoryTraits<Kokkos::Unmanaged>>(host.data(), n),
      Vector<const S>(from, n));
  for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<double>(host[i]);
}

template <class S>
void copy_in(const double* in, std::size_t n, S* to) {
  std::vector<S> host(n);
  for (std::size_t i = 0; i < n; ++i) host[i] = static_cast<S>(in[i]);
  Kokkos::deep_copy(
      Vector<S>(to, n),
      Kokkos::View<const S*, Kokkos::HostSpace, Kokkos::MemoryTraits<Kokkos::Unmanaged>>(host.data(), n));
}

}  // namespace

const ParameterInfo& ParameterBlock::find(const std::string& name) const {
  for (const auto& p : info_) {
    if (p.name == name) return p;
  }
  throw Error("no parameter named '" + name + "' in this network");
}

bool ParameterBlock::any_trainable() const {
  return std::any_of(info_.begin(), info_.end(), [](const ParameterInfo& p) { return p.trainable; });
}

template <class S>
std::size_t ParameterStore<S>::append(std::vector<ParameterInfo>& list, const std::string& name,
                                      std::vector<std::int64_t> shape, bool trainable) {
  for (const auto& p : list) {
    if (p.name == name && p.shape == shape) return p.offset;
  }
  ParameterInfo p;
  p.name = name;
  p.size = 1;
  for (const auto n : shape) p.size *= static_cast<std::size_t>(n);
  p.shape = std::move(shape);
  p.offset = size_;
  p.trainable = trainable;
  constexpr std::size_t align = 64 / sizeof(S);
  size_ += (p.size + align - 1) / align * align;
  list.push_back(p);
  return p.offset;
}

template <class S>
std::size_t ParameterStore<S>::add(const std::string& name, std::vector<std::int64_t> shape, bool trainable) {
  return append(info_, name, std::move(shape), trainable);
}

template <class S>
std::size_t ParameterStore<S>::add_derived(const std::string& name, std::vector<std::int64_t> shape) {
  return append(derived_, name, std::move(shape), false);
}

template <class S>
DeviceArray<S> ParameterStore<S>::array(const std::string& label, std::size_t n) const {
  try {
    DeviceArray<S> a(Kokkos::view_alloc(Kokkos::WithoutInitializing, label), n);
    if constexpr (kExecOnHost) ask_for_huge_pages(a.data(), n * sizeof(S));
    Kokkos::deep_copy(a, S(0));
    return a;
  } catch (const std::exception&) {
    throw Error("networks of " + std::to_string(size_) + " parameters do not fit in memory (" +
                std::to_string(n * sizeof(S) >> 20) + " MiB for one array); choose smaller layers");
  }
}

template <class S>
void ParameterStore<S>::allocate() {
  values_ = array("dpcore::ParameterStore::values", size_);
}

template <class S>
void ParameterStore<S>::get(const ParameterInfo& p, double* out) const {
  copy_out(value(p.offset), p.size, out);
}

template <class S>
void ParameterStore<S>::set(const ParameterInfo& p, const double* in) {
  copy_in(in, p.size, values_.data() + p.offset);
}

template <class S>
void ParameterStore<S>::prepare_training(int slots) {
  slots_ = slots;
  gradients_ = array("dpcore::ParameterStore::gradients", static_cast<std::size_t>(slots) * size_);
  moment1_ = array("dpcore::ParameterStore::moment1", size_);
  moment2_ = array("dpcore::ParameterStore::moment2", size_);
}

template <class S>
void ParameterStore<S>::prepare_windows(int n, std::size_t size) {
  windows_.resize(static_cast<std::size_t>(n));
  for (Window& w : windows_) {
    if (w.room.extent(0) < size) w.room = array("dpcore::ParameterStore::window", size);
  }
}

template <class S>
void ParameterStore<S>::open_window(int slot, ParameterRange range) {
  windows_[static_cast<std::size_t>(-1 - slot)].begin = range.begin;
}

template <class S>
void ParameterStore<S>::get_gradient(const ParameterInfo& p, double* out) const {
  std::fill(out, out + p.size, 0.0);
  std::vector<double> part(p.size);
  for (int slot = 0; slot < slots_; ++slot) {
    copy_out(gradient(slot, p.offset), p.size, part.data());
    for (std::size_t i = 0; i < p.size; ++i) out[i] += part[i];
  }
}

template <class S>
void ParameterStore<S>::zero_gradients(int slot, ParameterRange range) {
  S* g = gradient(slot, range.begin);
  for_each_element(
      Exec(), "dpcore::zero_gradients", 1, static_cast<int>(range.end - range.begin),
      KOKKOS_LAMBDA(const int, const int i) { g[i] = S(0); });
}

template <class S>
void ParameterStore<S>::sum_gradients(ParameterRange range) const {
  S* const g = gradient(0, range.begin);
  for (int slot = 1; slot < slots_; ++slot) {
    S* const more = gradient(slot, range.begin);
    for_each_element(
        Exec(), "dpcore::sum_gradients", 1, static_cast<int>(range.end - range.begin),
        KOKKOS_LAMBDA(const int, const int j) {
          g[j] += more[j];
          more[j] = S(0);  // get_gradient adds up the slots
        });
  }
}

template <class S>
void ParameterStore<S>::get_moment(int moment, double* out) const {
  copy_out((moment == 0 ? moment1_ : moment2_).data(), size_, out);
}

template <class S>
void ParameterStore<S>::set_moment(int moment, const double* in) {
  copy_in(in, size_, (moment == 0 ? moment1_ : moment2_).data());
}

template <class S>
void ParameterStore<S>::adam_step(double alpha, const AdamSettings& adam, ParameterRange range, int window) {
  const S step = static_cast<S>(alpha), eps = static_cast<S>(adam.epsilon);
  const S one_minus_b1 = S(1) - static_cast<S>(adam.beta1), one_minus_b2 = S(1) - static_cast<S>(adam.beta2);
  for (const auto& p : info_) {
    const std::size_t first = std::max(range.begin, p.offset), last = std::min(range.end, p.offset + p.size);
    if (!p.trainable || first >= last) continue;
    const int n = static_cast<int>(last - first);
    S* const g = gradient(window, first);
    if (window == 0) sum_gradients({first, last});
    S *const value = values_.data() + first, *const m = moment1_.data() + first,
             *const v = moment2_.data() + first;
    for_each_element(
        Exec(), "dpcore::adam_step", 1, n, KOKKOS_LAMBDA(const int, const int j) {
          m[j] += (g[j] - m[j]) * one_minus_b1;
          v[j] += (g[j] * g[j] - v[j]) * one_minus_b2;
          value[j] -= step * m[j] / (Kokkos::sqrt(v[j]) + eps);
        });
  }
}

template class ParameterStore<double>;
template class ParameterStore<float>;

}  // namespace dpcore
