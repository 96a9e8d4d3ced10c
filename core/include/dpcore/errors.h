// SPDX-License-Identifier: LGPL-3.0-or-later
// Error type of the public interface.
#pragma once

#include <stdexcept>
#include <string>

#include "dpcore/export.h"

namespace dpcore {

/// Bad input, a bad file or an impossible request. The message is complete: it names what was found,
/// what was expected and what to do. Everything the library throws on purpose is of this type.
class DPCORE_API Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message) {}
};

}  // namespace dpcore
