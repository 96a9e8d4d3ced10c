// SPDX-License-Identifier: LGPL-3.0-or-later
// The header of a model file: what stands where. Layout and rules are described in dpcore/model_file.h.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/model_file.hpp"

namespace dpcore {

/// Header lengths beyond this are damage; it is also the limit of the safetensors package.
constexpr std::uint64_t kMaxHeader = 100000000;

struct Placement {
  std::string name;
  DType dtype = DType::F64;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;  // bytes from the start of the data
};

struct Header {
  std::map<std::string, std::string> metadata;
  std::vector<Placement> tensors;  // ascending, without holes, from 0 to the end of the data
};

/// Bytes of `shape` elements of `dtype`; false where a length is negative or the product is not countable.
bool count_bytes(DType dtype, const std::vector<std::int64_t>& shape, std::uint64_t& bytes);

/// "[2, 3]"
std::string shape_text(const std::vector<std::int64_t>& shape);

/// A name as quoted, printable ASCII of limited length, for messages.
std::string quote(const std::string& text);

/// Interpret the header text of a file called `file` whose data section has `data_size` bytes.
/// Throws Error, which starts with `file`, for anything that does not fit.
Header parse_header(const std::string& text, std::uint64_t data_size, const std::string& file);

/// Header text, padded with spaces to a multiple of 8, for these metadata and placements.
/// Throws Error for text that is not UTF-8.
std::string make_header(const std::map<std::string, std::string>& metadata,
                        const std::vector<Placement>& tensors);

}  // namespace dpcore
