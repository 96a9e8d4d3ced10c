// SPDX-License-Identifier: LGPL-3.0-or-later
#include "model/model_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string_view>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dpcore/errors.h"
#include "model/atomic_write.hpp"
#include "model/container.hpp"
#include "model/crc32.hpp"
#include "model/file_kind.hpp"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "model files are little-endian; reading and writing them on this machine is not implemented"
#endif

namespace dpcore {
namespace {

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kHead = 4096;  // bytes that tell what a file is
constexpr const char* kChecksum = "checksum";
constexpr const char* kUnchecked = "none";
/// In the header text. Quotes inside of JSON texts are escaped, so this is found only where the key is.
constexpr std::string_view kChecksumText = "\"checksum\":\"crc32:";
constexpr std::size_t kDigits = 8;

/// Copy n bytes from an offset; throws where that fails.
using ReadAt = std::function<void(std::uint64_t offset, void* to, std::size_t n)>;

std::uint64_t decode_length(const char* bytes) {
  std::uint64_t n = 0;
  std::memcpy(&n, bytes, kLengthBytes);
  return n;
}

std::string checksum_digits(std::uint32_t value) {
  char digits[kDigits + 1];
  std::snprintf(digits, sizeof digits, "%08x", static_cast<unsigned>(value));
  return digits;
}

/// Length of the header, after a look at the first bytes.
std::uint64_t check_head(const std::string& head, std::uint64_t size, const std::string& file) {
  if (size == 0) throw Error(file + ": the file is empty");
  if (size <= kLengthBytes) {
    throw Error(file + ": the file is truncated, or not a model file: it has " + std::to_string(size) +
                " bytes");
  }
  const bool brace = head[kLengthBytes] == '{';
  const std::uint64_t length = brace ? decode_length(head.data()) : 0;
  if (!brace || length > std::uint64_t{0xFFFFFFFF}) {
    if (brace)
      throw Error(file + ": the file is damaged: the length of its header is " + std::to_string(length));
    const std::string reason = "this is not a model file of dpcore: ";
    throw Error(file + ": " + reason + describe_foreign_file(head.data(), head.size(), file));
  }
  if (length > kMaxHeader) {
    throw Error(file + ": the file is damaged: the length of its header is " + std::to_string(length) +
                " bytes; at most " + std::to_string(kMaxHeader) + " are possible");
  }
  if (length > size - kLengthBytes) {
    throw Error(file + ": the file is truncated: its header has " + std::to_string(length) +
                " bytes, the file " + std::to_string(size) + " in all");
  }
  return length;
}

/// CRC-32 of the start of the file, with the digits of the checksum as zeros.
Crc32 start_checksum(std::string header) {
  const std::uint64_t length = header.size();
  const std::size_t at = header.find(kChecksumText);
  if (at != std::string::npos) header.replace(at + kChecksumText.size(), kDigits, kDigits, '0');
  Crc32 crc;
  crc.add(&length, kLengthBytes);
  crc.add(header.data(), header.size());
  return crc;
}

/// What the file says its checksum is; "" where it is not to be checked.
std::string stored_checksum(const Header& header, const std::string& text, const std::string& file) {
  const auto found = header.metadata.find(kChecksum);
  const std::string value = found == header.metadata.end() ? "" : found->second;
  if (value == kUnchecked) return "";
  const std::string prefix = "crc32:";
  if (value.size() == prefix.size() + kDigits && value.compare(0, prefix.size(), prefix) == 0 &&
      text.find(kChecksumText) != std::string::npos) {
    return value.substr(prefix.size());
  }
  throw Error(file + ": the checksum in the metadata is " + quote(value) +
              "; expected \"crc32:\" and eight digits as dpcore writes it, or \"none\"");
}

ModelFile read_container(std::uint64_t size, const std::string& file, const ReadAt& read_at) {
  std::string head(static_cast<std::size_t>(std::min<std::uint64_t>(size, kHead)), '\0');
  read_at(0, head.data(), head.size());
  const std::uint64_t length = check_head(head, size, file);

  std::string text(static_cast<std::size_t>(length), '\0');
  read_at(kLengthBytes, text.data(), text.size());
  const std::uint64_t data_start = kLengthBytes + length;
  const Header header = parse_header(text, size - data_start, file);
  const std::string stored = stored_checksum(header, text, file);

  ModelFile model;
  model.metadata = header.metadata;
  model.metadata.erase(kChecksum);
  Crc32 crc = start_checksum(text);
  for (const Placement& place : header.tensors) {
    Tensor& tensor = model.tensors[place.name];
    tensor.dtype = place.dtype;
    tensor.shape = place.shape;
    tensor.data.resize(static_cast<std::size_t>(place.end - place.begin));
    read_at(data_start + place.begin, tensor.data.data(), tensor.data.size());
    crc.add(tensor.data.data(), tensor.data.size());
  }
  if (!stored.empty() && stored != checksum_digits(crc.value())) {
    throw Error(file + ": the file is damaged: its content has the CRC-32 " + checksum_digits(crc.value()) +
                ", the file says " + stored +
                ". Take a copy that is whole; files that were edited by hand need"
                " the checksum \"none\"");
  }
  return model;
}

/// A file opened for reading.
class InputFile {
 public:
  explicit InputFile(const std::string& path) : path_(path.empty() ? "\"\"" : path) {
    // O_NONBLOCK: a pipe is refused below instead of being waited for.
    file_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file_ < 0) {
      const bool missing = errno == ENOENT;
      const std::string cause = std::strerror(errno);
      throw Error(path_ + (missing ? ": the file does not exist" : ": cannot read: " + cause));
    }
  }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  ~InputFile() { ::close(file_); }

  std::uint64_t size() const {
    struct stat status = {};
    if (::fstat(file_, &status) != 0) throw Error(path_ + ": cannot read: " + std::strerror(errno));
    if (S_ISDIR(status.st_mode)) throw Error(path_ + ": this is a folder; expected a model file");
    if (!S_ISREG(status.st_mode)) throw Error(path_ + ": this is not a regular file; expected a model file");
    return static_cast<std::uint64_t>(status.st_size);
  }

  void read_at(std::uint64_t offset, void* to, std::size_t n) const {
    constexpr std::size_t kMost = std::size_t{1} << 30;  // some systems refuse more in one call
    auto* p = static_cast<char*>(to);
    while (n > 0) {
      const ssize_t got = ::pread(file_, p, std::min(n, kMost), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw Error(path_ + ": cannot read: " + std::strerror(errno));
      if (got == 0) throw Error(path_ + ": the file became shorter while it was read");
      p += got;
      n -= static_cast<std::size_t>(got);
      offset += static_cast<std::uint64_t>(got);
    }
  }

 private:
  std::string path_;
  int file_ = -1;
};

std::uint64_t bytes_of(DType dtype, const std::vector<std::int64_t>& shape, const std::string& what) {
  std::uint64_t bytes = 0;
  if (count_bytes(dtype, shape, bytes)) return bytes;
  throw Error(what + ": the shape " + shape_text(shape) + " is negative or too large");
}

}  // namespace

Tensor Tensor::zeros(DType dtype, const std::vector<std::int64_t>& shape) {
  Tensor tensor;
  tensor.dtype = dtype;
  tensor.shape = shape;
  tensor.data.resize(static_cast<std::size_t>(bytes_of(dtype, shape, "tensor")));
  return tensor;
}

Tensor Tensor::copy_of(DType dtype, const void* values, const std::vector<std::int64_t>& shape) {
  Tensor tensor = zeros(dtype, shape);
  if (!tensor.data.empty()) std::memcpy(tensor.data.data(), values, tensor.data.size());
  return tensor;
}

std::size_t Tensor::size() const {
  return static_cast<std::size_t>(bytes_of(dtype, shape, "tensor")) / dtype_size(dtype);
}

void Tensor::require(const std::string& name, DType wanted) const {
  if (dtype != wanted) {
    throw Error("tensor " + quote(name) + " has the element type " + dtype_name(dtype) + "; expected " +
                dtype_name(wanted));
  }
  const std::uint64_t bytes = bytes_of(dtype, shape, "tensor " + quote(name));
  if (bytes != data.size()) {
    throw Error("tensor " + quote(name) + " of type " + dtype_name(dtype) + " and shape " +
                shape_text(shape) + " has " + std::to_string(data.size()) + " bytes; expected " +
                std::to_string(bytes));
  }
}

ModelFile ModelFile::read(const std::string& path) {
  const InputFile file(path);
  return read_container(file.size(), path,
                        [&](std::uint64_t offset, void* to, std::size_t n) { file.read_at(offset, to, n); });
}

ModelFile ModelFile::parse(const void* bytes, std::size_t n, const std::string& name) {
  return read_container(n, name, [&](std::uint64_t offset, void* to, std::size_t count) {
    if (count > 0) std::memcpy(to, static_cast<const char*>(bytes) + offset, count);
  });
}

std::string ModelFile::serialize() const {
  std::map<std::string, std::string> stamped = metadata;
  const auto format = stamped.find("format");
  if (format == stamped.end() ||
      (format->second != "dpcore-model" && format->second != "dpcore-checkpoint")) {
    throw Error(
        "model file: the metadata key \"format\" has to be \"dpcore-model\" or \"dpcore-checkpoint\"");
  }
  const std::string version = std::to_string(kFormatVersion);
  if (stamped.emplace("format_version", version).first->second != version) {
    throw Error("model file: the metadata key \"format_version\" is " + quote(stamped["format_version"]) +
                "; this dpcore writes " + version);
  }
  stamped[kChecksum] = "crc32:" + std::string(kDigits, '0');

  std::vector<Placement> places;
  for (const auto& [name, tensor] : tensors) {
    if (name.empty() || name == "__metadata__")
      throw Error("model file: a tensor cannot be named " + quote(name));
    tensor.require(name, tensor.dtype);
    places.push_back({name, tensor.dtype, tensor.shape, 0, tensor.data.size()});
  }
  std::stable_sort(places.begin(), places.end(), [](const Placement& a, const Placement& b) {
    return dtype_size(a.dtype) > dtype_size(b.dtype);
  });
  std::uint64_t end = 0;
  for (Placement& place : places) {
    place.begin = end;
    end = place.end += end;
  }

  const std::string header = make_header(stamped, places);
  if (header.size() > kMaxHeader) {
    throw Error("model file: metadata and tensor names take " + std::to_string(header.size()) +
                " bytes; at most " + std::to_string(kMaxHeader) + " are possible");
  }
  const std::uint64_t length = header.size();
  std::string bytes;
  bytes.reserve(kLengthBytes + header.size() + static_cast<std::size_t>(end));
  bytes.append(reinterpret_cast<const char*>(&length), kLengthBytes);
  bytes += header;
  for (const Placement& place : places) {
    const std::vector<std::byte>& data = tensors.at(place.name).data;
    bytes.append(reinterpret_cast<const char*>(data.data()), data.size());
  }
  Crc32 crc;
  crc.add(bytes.data(), bytes.size());
  bytes.replace(bytes.find(kChecksumText) + kChecksumText.size(), kDigits, checksum_digits(crc.value()));
  return bytes;
}

void ModelFile::write(const std::string& path) const { write_file_atomically(path, serialize()); }

const Tensor& ModelFile::tensor(const std::string& name) const {
  const auto found = tensors.find(name);
  if (found != tensors.end()) return found->second;
  throw Error("the model has no tensor " + quote(name));
}

const Tensor& ModelFile::tensor(const std::string& name, DType dtype,
                                const std::vector<std::int64_t>& shape) const {
  const Tensor& found = tensor(name);
  found.require(name, dtype);
  bool same = found.shape.size() == shape.size();
  for (std::size_t d = 0; same && d < shape.size(); ++d) same = shape[d] == -1 || shape[d] == found.shape[d];
  if (same) return found;
  throw Error("tensor " + quote(name) + " has the shape " + shape_text(found.shape) + "; expected " +
              shape_text(shape));
}

}  // namespace dpcore
