// SPDX-License-Identifier: LGPL-3.0-or-later
// What is behind the handles of dpcore/c_api.h, and the walls that keep exceptions inside.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "dpcore/DeepPot.h"
#include "dpcore/c_api.h"

namespace dpcore {

/// Messages of failed calls, one for each thread, so that threads with one handle do not see each other's.
class CallErrors {
 public:
  void set(const char* message) noexcept {
    try {
      const std::lock_guard<std::mutex> lock(mutex_);
      of_thread_[std::this_thread::get_id()] = message;
    } catch (...) {  // no memory for the message; the call returns 1 all the same
    }
  }
  void clear() noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    of_thread_.erase(std::this_thread::get_id());
  }
  /// Of this thread; empty if there is none.
  std::string get() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto own = of_thread_.find(std::this_thread::get_id());
    return own == of_thread_.end() ? std::string() : own->second;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::thread::id, std::string> of_thread_;
};

/// One model or several; none if they could not be read, then `broken` says why.
struct ModelHandle {
  std::vector<std::unique_ptr<detail::LoadedModel>> models;
  std::string broken;
  CallErrors errors;

  virtual ~ModelHandle() = default;
  const Model& first() const {
    if (models.empty()) throw Error(broken);
    return models.front()->model();
  }
};

/// Run work() for a handle; 0, or 1 with the message kept in the handle. A null handle is an error.
template <class H, class F>
int guarded(H* handle, const F& work) noexcept {
  if (handle == nullptr) return 1;
  try {
    work();
    handle->errors.clear();
    return 0;
  } catch (const std::bad_alloc&) {
    handle->errors.set("out of memory");
  } catch (const std::exception& e) {
    handle->errors.set(e.what());
  } catch (...) {
    handle->errors.set("unknown error");
  }
  return 1;
}

/// A copy to be freed by DP_DeleteChar; null if there is no memory.
inline const char* new_text(const std::string& text) noexcept {
  char* copy = new (std::nothrow) char[text.size() + 1];
  if (copy != nullptr) *std::copy(text.begin(), text.end(), copy) = '\0';
  return copy;
}

inline std::string text(const char* s, const char* name) {
  if (s == nullptr) throw Error(std::string(name) + ": the pointer is NULL");
  return s;
}

/// A new handle filled by load(handle); its message if that fails. Null if there is no memory at all.
template <class H, class F>
H* make(const F& load) noexcept {
  H* handle = nullptr;
  try {
    handle = new H;
  } catch (...) {
    return nullptr;
  }
  if (guarded(handle, [&] { load(*handle); }) != 0) {
    handle->models.clear();
    try {
      handle->broken = handle->errors.get();
    } catch (...) {  // no memory for the message
    }
    handle->errors.clear();
  }
  return handle;
}

/// What went wrong in the last compute of this thread, else in making the handle; empty if nothing did.
inline const char* check_ok(const ModelHandle* handle, const char* kind) noexcept {
  try {
    if (handle == nullptr) return new_text(std::string(kind) + ": the handle is NULL");
    const std::string own = handle->errors.get();
    return new_text(own.empty() ? handle->broken : own);
  } catch (...) {
    return nullptr;  // no memory for the message
  }
}

/// get(first model); `none` for a null handle or one without a model. Errors of earlier calls stay as they
/// are.
template <class T, class F>
T property(const ModelHandle* handle, T none, const F& get) noexcept {
  if (handle == nullptr || handle->models.empty()) return none;
  return get(*handle->models.front());
}

}  // namespace dpcore

struct DP_Nlist {
  dpcore::InputNlist list;
};
struct DP_DeepBaseModel : dpcore::ModelHandle {};
struct DP_DeepTensor : dpcore::ModelHandle {
  std::vector<int> selected;
};
struct DP_DipoleChargeModifier : dpcore::ModelHandle {
  std::vector<int> selected;
};
struct DP_DeepPot : DP_DeepBaseModel {};
struct DP_DeepBaseModelDevi : dpcore::ModelHandle {};
struct DP_DeepPotModelDevi : DP_DeepBaseModelDevi {};
