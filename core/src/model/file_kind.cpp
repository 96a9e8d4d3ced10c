// SPDX-License-Identifier: LGPL-3.0-or-later
#include "model/file_kind.hpp"

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace dpcore {
namespace {

using Bytes = std::string_view;

bool starts_with(Bytes head, Bytes magic) { return head.substr(0, magic.size()) == magic; }

bool is_printable(Bytes text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

/// Take one field of a protocol buffer, tag byte and length included: true where `head` starts with that
/// tag. A body that goes beyond `head` is cut.
bool take_field(Bytes& head, char tag, Bytes& body) {
  if (head.empty() || head[0] != tag) return false;
  std::uint64_t length = 0;
  std::size_t at = 1;
  for (int shift = 0; shift < 35; shift += 7) {
    if (at >= head.size()) return false;
    const auto byte = static_cast<unsigned char>(head[at++]);
    length |= static_cast<std::uint64_t>(byte & 127U) << shift;
    if (byte < 128) {
      body = head.substr(at, static_cast<std::size_t>(length));
      head.remove_prefix(std::min<std::size_t>(head.size(), at + static_cast<std::size_t>(length)));
      return true;
    }
  }
  return false;
}

/// A GraphDef starts with field 1, a node, which starts with its name (field 1) and its operation (field 2).
bool is_graph_def(Bytes head) {
  Bytes node, name, operation;
  return take_field(head, '\x0a', node) && take_field(node, '\x0a', name) &&
         take_field(node, '\x12', operation) && !name.empty() && !operation.empty() && is_printable(name) &&
         is_printable(operation);
}

/// What follows white space, byte order mark and comment lines.
Bytes skip_blank(Bytes text) {
  if (starts_with(text, "\xef\xbb\xbf")) text.remove_prefix(3);
  while (!text.empty()) {
    const std::size_t at = text.find_first_not_of(" \t\r\n");
    if (at == Bytes::npos) return {};
    text.remove_prefix(at);
    if (text[0] != '#') return text;
    const std::size_t line = text.find('\n');
    if (line == Bytes::npos) return {};
    text.remove_prefix(line);
  }
  return text;
}

bool is_text(Bytes head) {
  return std::none_of(head.begin(), head.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 9 || (byte > 13 && byte < 32) || byte == 127;
  });
}

std::string convert(const std::string& from, const std::string& path) {
  const bool plain = path.find_first_of(" \t\"'\\$&|;<>()*?[]#~`") == std::string::npos;
  const std::string word = plain ? path : "\"" + path + "\"";
  return "; run: dp convert-from " + from + " -i " + word + " -o NEW_FILE";
}

const char* const kOnlyThese =
    ". dpcore reads its own model files and, through dp convert-from, TensorFlow graphs and native models of "
    "DeePMD-kit";

std::string describe_zip(Bytes head) {
  // The name of the first member follows the 30 bytes of its header.
  const std::size_t length = head.size() > 27 ? static_cast<unsigned char>(head[26]) : 0;
  const Bytes member = head.size() > 30 ? head.substr(30, length) : Bytes();
  if (member.size() > 4 && member.substr(member.size() - 4) == ".npy") return "this is a NumPy .npz archive";
  if (member.find(".pkl") != Bytes::npos || member.find("/version") != Bytes::npos ||
      member.find("/byteorder") != Bytes::npos) {
    return "this is a PyTorch model" + std::string(kOnlyThese) +
           "; DeePMD-kit 3 writes one with: dp convert-backend model.pth model.pb";
  }
  return "this is a zip archive" + std::string(kOnlyThese);
}

std::string describe_text(Bytes head, const std::string& path) {
  const Bytes text = skip_blank(head);
  if (starts_with(text, "node {") || starts_with(text, "node{") || starts_with(text, "node: {")) {
    return "this is a TensorFlow graph as text" + convert("pbtxt", path);
  }
  if (starts_with(text, "version https://git-lfs")) {
    return "this is a Git LFS pointer, not the file itself; run: git lfs pull";
  }
  if (starts_with(text, "{") || starts_with(text, "[")) {
    return "this is JSON text; a training input is used with: dp train INPUT";
  }
  for (const char* const key : {"'@variables':", "backend:", "model_def_script:", "software:"}) {
    if (starts_with(text, key)) return "this is a native model of DeePMD-kit as YAML" + convert("yaml", path);
  }
  if (starts_with(text, "<")) return "this is HTML or XML, perhaps the error page of a download";
  return "this is a text file";
}

}  // namespace

std::string describe_foreign_file(const char* bytes, std::size_t n, const std::string& path) {
  const Bytes head(bytes, n);
  if (starts_with(head, "\x89HDF\r\n\x1a\n")) {
    return "this is an HDF5 file: a native model of DeePMD-kit, or a data set" + convert("dp", path);
  }
  if (starts_with(head, "PK\x03\x04")) return describe_zip(head);
  if (starts_with(head, "\x93NUMPY")) return "this is a NumPy .npy array";
  if (starts_with(head, "\x1f\x8b")) return "this is a gzip archive; unpack it first";
  if (starts_with(head, "BZh") || starts_with(head,
                                              "\xfd"
                                              "7zXZ")) {
    return "this is a compressed archive; unpack it first";
  }
  if (is_graph_def(head)) return "this is a TensorFlow graph" + convert("pb", path);
  if (head.size() > 2 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5) {
    return "this is a Python pickle, perhaps an old PyTorch model" + std::string(kOnlyThese);
  }
  if (starts_with(head, "\x08\x01\x12")) {
    return "this is a TensorFlow SavedModel; freeze it to a graph (.pb) with DeePMD-kit, then use dp "
           "convert-from";
  }
  if (is_text(head)) return describe_text(head, path);
  return "its content is not known" + std::string(kOnlyThese);
}

}  // namespace dpcore
