// SPDX-License-Identifier: LGPL-3.0-or-later
// What a file is that is not ours, by its first bytes.
#pragma once

#include <cstddef>
#include <string>

namespace dpcore {

/// One or two sentences, without a full stop at the end, that say what a file seems to be and what to do
/// with it. `head` holds its first n bytes (some thousand are enough), `path` is used in suggested commands.
std::string describe_foreign_file(const char* head, std::size_t n, const std::string& path);

}  // namespace dpcore
