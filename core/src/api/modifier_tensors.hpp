// SPDX-License-Identifier: LGPL-3.0-or-later
// How a modifier's tensors stand among those of a model file.
#pragma once

#include <map>
#include <string>

#include "dpcore/model_file.h"

namespace dpcore {

inline const std::string kModifierPrefix = "modifier/";

/// Take the modifier's tensors out of `all`; the names lose their prefix.
inline std::map<std::string, Tensor> take_modifier(std::map<std::string, Tensor>& all) {
  std::map<std::string, Tensor> taken;
  for (auto it = all.begin(); it != all.end();) {
    if (it->first.compare(0, kModifierPrefix.size(), kModifierPrefix) == 0) {
      taken[it->first.substr(kModifierPrefix.size())] = std::move(it->second);
      it = all.erase(it);
    } else {
      ++it;
    }
  }
  return taken;
}

}  // namespace dpcore
