// SPDX-License-Identifier: LGPL-3.0-or-later
#include "model/container.hpp"

#include <algorithm>
#include <limits>
#include <set>

#include <nlohmann/json.hpp>

#include "dpcore/errors.h"

namespace dpcore {
namespace {

using nlohmann::json;

constexpr const char* kMetadata = "__metadata__";
constexpr DType kDTypes[] = {DType::F64, DType::F32, DType::I32, DType::I64, DType::U8};

[[noreturn]] void refuse(const std::string& file, const std::string& reason) {
  throw Error(file + ": " + reason);
}

[[noreturn]] void damaged(const std::string& file, const std::string& reason) {
  refuse(file, "the file is damaged: " + reason);
}

/// The header as JSON, with keys of one object all different and no deeper nesting than the format has.
json parse_json(const std::string& text, const std::string& file) {
  std::vector<std::set<std::string>> keys;
  const auto check = [&](int depth, json::parse_event_t event, json& value) {
    if (depth > 3) damaged(file, "the header is nested too deeply");
    const auto level = static_cast<std::size_t>(std::max(0, depth));
    if (event == json::parse_event_t::object_start) {
      keys.resize(level + 1);
      keys.emplace_back();
    } else if (event == json::parse_event_t::key && level < keys.size()) {
      const std::string key = value.get<std::string>();
      if (!keys[level].insert(key).second) damaged(file, "the header names " + quote(key) + " twice");
    }
    return true;
  };
  json header = json::parse(text, check, false);
  if (header.is_discarded()) damaged(file, "the header is not valid JSON");
  if (!header.is_object()) damaged(file, "the header is not a JSON object");
  return header;
}

std::map<std::string, std::string> read_metadata(const json& header, const std::string& file) {
  const std::string foreign = "this is a safetensors file, but not a model of dpcore: ";
  const std::string expected = "; expected \"dpcore-model\" or \"dpcore-checkpoint\"";
  const auto found = header.find(kMetadata);
  if (found == header.end()) refuse(file, foreign + "it has no metadata");
  if (!found->is_object()) damaged(file, "the metadata are not a JSON object");
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : found->items()) {
    if (!value.is_string()) damaged(file, "the metadata key " + quote(key) + " is not a text");
    metadata[key] = value.get<std::string>();
  }
  const auto format = metadata.find("format");
  if (format == metadata.end()) refuse(file, foreign + "its metadata have no \"format\"" + expected);
  if (format->second != "dpcore-model" && format->second != "dpcore-checkpoint") {
    refuse(file, foreign + "its format is " + quote(format->second) + expected);
  }
  return metadata;
}

void check_version(const std::map<std::string, std::string>& metadata, const std::string& file) {
  const auto found = metadata.find("format_version");
  const std::string version = found == metadata.end() ? "" : found->second;
  const bool number = !version.empty() && version.size() < 10 && version[0] != '0' &&
                      version.find_first_not_of("0123456789") == std::string::npos;
  if (!number) damaged(file, "format_version is " + quote(version) + "; expected a number");
  if (std::stoi(version) <= ModelFile::kFormatVersion) return;
  const auto writer = metadata.find("dpcore_version");
  const std::string by = writer == metadata.end() ? "" : " " + quote(writer->second);
  refuse(file, "written by a newer dpcore" + by + " (format " + version + "); this dpcore reads format " +
                   std::to_string(ModelFile::kFormatVersion) + "; update dpcore");
}

std::uint64_t whole_number(const json& value, const std::string& what, const std::string& file) {
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (value.is_number_unsigned() && value.get<std::uint64_t>() <= most) return value.get<std::uint64_t>();
  damaged(file, what + " is not a whole number from 0 on");
}

const json& member(const json& entry, const char* key, const std::string& what, const std::string& file) {
  const auto found = entry.find(key);
  if (found == entry.end()) damaged(file, what + " has no \"" + key + "\"");
  return *found;
}

Placement read_placement(const std::string& name, const json& entry, const std::string& file) {
  const std::string what = "tensor " + quote(name);
  if (!entry.is_object()) damaged(file, what + " is not described by a JSON object");
  for (const auto& item : entry.items()) {
    if (item.key() != "dtype" && item.key() != "shape" && item.key() != "data_offsets") {
      damaged(file, what + " has the unknown entry " + quote(item.key()));
    }
  }
  Placement tensor;
  tensor.name = name;
  const json& dtype = member(entry, "dtype", what, file);
  const std::string wanted = dtype.is_string() ? dtype.get<std::string>() : dtype.dump();
  const auto* found =
      std::find_if(std::begin(kDTypes), std::end(kDTypes), [&](DType d) { return wanted == dtype_name(d); });
  if (found == std::end(kDTypes)) {
    refuse(file, what + " has the element type " + quote(wanted) + "; known are F64, F32, I32, I64, U8");
  }
  tensor.dtype = *found;

  const json& shape = member(entry, "shape", what, file);
  if (!shape.is_array()) damaged(file, "the shape of " + what + " is not an array");
  for (const json& length : shape) {
    tensor.shape.push_back(static_cast<std::int64_t>(whole_number(length, "the shape of " + what, file)));
  }
  const json& offsets = member(entry, "data_offsets", what, file);
  if (!offsets.is_array() || offsets.size() != 2) {
    damaged(file, "data_offsets of " + what + " are not two numbers");
  }
  tensor.begin = whole_number(offsets[0], "data_offsets of " + what, file);
  tensor.end = whole_number(offsets[1], "data_offsets of " + what, file);
  if (tensor.end < tensor.begin) damaged(file, what + " ends before it begins");

  std::uint64_t bytes = 0;
  const bool countable = count_bytes(tensor.dtype, tensor.shape, bytes);
  if (!countable || bytes != tensor.end - tensor.begin) {
    damaged(file, what + " of type " + dtype_name(tensor.dtype) + " and shape " + shape_text(tensor.shape) +
                      " has " + std::to_string(tensor.end - tensor.begin) + " bytes; expected " +
                      (countable ? std::to_string(bytes) : std::string("more than can be counted")));
  }
  if (tensor.begin % dtype_size(tensor.dtype) != 0)
    damaged(file, what + " is not aligned to its element size");
  return tensor;
}

/// Back to back from 0 to the end of the data.
void check_placements(const std::vector<Placement>& tensors, std::uint64_t data_size,
                      const std::string& file) {
  std::uint64_t end = 0;
  for (const Placement& tensor : tensors) {
    if (tensor.begin != end) {
      damaged(file, "the data of tensor " + quote(tensor.name) +
                        (tensor.begin < end ? " overlap those of another" : " leave a hole before them"));
    }
    end = tensor.end;
  }
  if (end > data_size) {
    refuse(file, "the file is truncated: " + std::to_string(end - data_size) + " of " + std::to_string(end) +
                     " bytes of data are missing");
  }
  if (end < data_size) {
    damaged(file, "it is longer than its tensors by " + std::to_string(data_size - end) + " bytes");
  }
}

}  // namespace

const char* dtype_name(DType dtype) {
  switch (dtype) {
    case DType::F64:
      return "F64";
    case DType::F32:
      return "F32";
    case DType::I32:
      return "I32";
    case DType::I64:
      return "I64";
    case DType::U8:
      return "U8";
  }
  return "?";
}

std::size_t dtype_size(DType dtype) {
  switch (dtype) {
    case DType::F64:
    case DType::I64:
      return 8;
    case DType::F32:
    case DType::I32:
      return 4;
    case DType::U8:
      return 1;
  }
  return 1;
}

bool count_bytes(DType dtype, const std::vector<std::int64_t>& shape, std::uint64_t& bytes) {
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::ptrdiff_t>::max());
  bytes = dtype_size(dtype);
  bool empty = false;
  for (const std::int64_t length : shape) {
    if (length < 0) return false;
    empty = empty || length == 0;
  }
  for (const std::int64_t length : shape) {
    if (!empty && static_cast<std::uint64_t>(length) > most / bytes) return false;
    bytes = empty ? 0 : bytes * static_cast<std::uint64_t>(length);
  }
  return true;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t d = 0; d < shape.size(); ++d) text += (d ? ", " : "") + std::to_string(shape[d]);
  return text + "]";
}

std::string quote(const std::string& text) {
  constexpr std::size_t kLongest = 120;
  std::string out = json(text).dump(-1, ' ', true, json::error_handler_t::replace);
  if (out.size() > kLongest) out = out.substr(0, kLongest) + "...\"";
  return out;
}

Header parse_header(const std::string& text, std::uint64_t data_size, const std::string& file) {
  const json parsed = parse_json(text, file);
  Header header;
  header.metadata = read_metadata(parsed, file);
  check_version(header.metadata, file);
  if (text.size() % 8 != 0) damaged(file, "the length of the header is not a multiple of 8");
  for (const auto& [name, entry] : parsed.items()) {
    if (name != kMetadata) header.tensors.push_back(read_placement(name, entry, file));
  }
  std::sort(header.tensors.begin(), header.tensors.end(), [](const Placement& a, const Placement& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  check_placements(header.tensors, data_size, file);
  return header;
}

std::string make_header(const std::map<std::string, std::string>& metadata,
                        const std::vector<Placement>& tensors) {
  json header = json::object();
  header[kMetadata] = metadata;
  for (const Placement& tensor : tensors) {
    header[tensor.name] = {{"dtype", dtype_name(tensor.dtype)},
                           {"shape", tensor.shape},
                           {"data_offsets", {tensor.begin, tensor.end}}};
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const json::exception&) {
    throw Error("model file: a metadata text or a tensor name is not valid UTF-8");
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace dpcore
