// SPDX-License-Identifier: LGPL-3.0-or-later
// The model file: one self-contained container of named arrays and text, for models and checkpoints.
//
// Layout, that of safetensors (github.com/huggingface/safetensors), little-endian throughout:
//
//   8 bytes   n, length of the header
//   n bytes   header: JSON object, padded with spaces so that the data start at a multiple of 8
//               "__metadata__": {key: text, ...}
//               "tensor name": {"dtype": "F64", "shape": [..], "data_offsets": [begin, end]}, ...
//   rest      the tensors, row-major, back to back from offset 0 to the end, without holes
//
// Tensors are stored by decreasing element size, then by name: each is aligned to its element size without
// the holes that the format forbids. The same content always gives the same bytes.
//
// Metadata of the container itself:
//   format          "dpcore-model" or "dpcore-checkpoint"; by this a file is recognised, not by its name
//   format_version  "1"
//   checksum        "crc32:" and eight hexadecimal digits: CRC-32 (that of zlib) of the whole file with these
//                   digits taken as 00000000. "none" switches the check off, for files written by other tools
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include "dpcore/errors.h"

namespace dpcore {

enum class DType { F64, F32, I32, I64, U8 };

DPCORE_API const char* dtype_name(DType dtype);  ///< "F64", "F32", "I32", "I64", "U8"
DPCORE_API std::size_t dtype_size(DType dtype);  ///< bytes per element

/// DType of double, float, std::int32_t, std::int64_t, std::uint8_t.
template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, double>) {
    return DType::F64;
  } else if constexpr (std::is_same_v<T, float>) {
    return DType::F32;
  } else if constexpr (std::is_same_v<T, std::int32_t>) {
    return DType::I32;
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    return DType::I64;
  } else {
    static_assert(std::is_same_v<T, std::uint8_t>, "no DType for this element type");
    return DType::U8;
  }
}

/// A named array of a model file: row-major; an empty shape is a single number.
struct DPCORE_API Tensor {
  DType dtype = DType::F64;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> data;  ///< size() * dtype_size(dtype) bytes

  /// All zeros. Throws Error where the shape is negative or too large to count in bytes.
  static Tensor zeros(DType dtype, const std::vector<std::int64_t>& shape);

  /// A copy of `values`, as many as the shape has elements.
  template <class T>
  static Tensor from(const T* values, const std::vector<std::int64_t>& shape) {
    return copy_of(dtype_of<T>(), values, shape);
  }

  /// Number of elements by the shape. Throws Error as zeros() does.
  std::size_t size() const;

  /// The elements; [size()]. Throws Error where the dtype is another or the bytes do not fit the shape;
  /// `name` stands in the message.
  template <class T>
  const T* as(const std::string& name) const {
    require(name, dtype_of<T>());
    return reinterpret_cast<const T*>(data.data());
  }
  template <class T>
  T* as(const std::string& name) {
    require(name, dtype_of<T>());
    return reinterpret_cast<T*>(data.data());
  }

  /// A copy of the elements; errors as for as().
  template <class T>
  std::vector<T> values(const std::string& name) const {
    const T* p = as<T>(name);
    return std::vector<T>(p, p + size());
  }

  /// Throws Error where the dtype is not `wanted` or the bytes do not fit the shape.
  void require(const std::string& name, DType wanted) const;

 private:
  static Tensor copy_of(DType dtype, const void* values, const std::vector<std::int64_t>& shape);
};

struct DPCORE_API ModelFile {
  static constexpr int kFormatVersion = 1;  ///< newest version that is read, and the one that is written

  /// All text except `checksum`, which belongs to the bytes and is checked on reading and made on writing.
  std::map<std::string, std::string> metadata;
  std::map<std::string, Tensor> tensors;

  /// Read a file. Throws Error, which starts with the path, where it cannot be read, is not a model file (and
  /// says what it seems to be), is truncated or damaged, or was written by a newer dpcore.
  /// No more memory is taken than the file is long.
  static ModelFile read(const std::string& path);

  /// The same from n bytes in memory; `name` stands for the path in messages.
  static ModelFile parse(const void* bytes, std::size_t n, const std::string& name);

  /// Write the file: either all of it appears under this path or the path stays as it was. A file that is
  /// replaced hands on its permissions; a symbolic link keeps pointing to the same place.
  /// Throws Error as serialize() does, and where the file cannot be written (names the path and the cause).
  void write(const std::string& path) const;

  /// The bytes of the file. metadata["format"] has to be there; "format_version" is added.
  /// Throws Error for text that is not UTF-8 and for a tensor whose bytes do not fit its shape (names it).
  std::string serialize() const;

  /// The tensor of this name. Throws Error where there is none.
  const Tensor& tensor(const std::string& name) const;
  /// The same, of this dtype and shape. Throws Error where either differs; -1 in `shape` fits any length.
  const Tensor& tensor(const std::string& name, DType dtype, const std::vector<std::int64_t>& shape) const;
};

}  // namespace dpcore
