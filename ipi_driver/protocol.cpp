// SPDX-License-Identifier: LGPL-3.0-or-later
#include "protocol.hpp"

#include <cstring>
#include <utility>

#include "units.hpp"

namespace dpcore::ipi {
namespace {

constexpr std::size_t kHeader = 12;
constexpr int kMoment = 1;  // ms
constexpr std::int32_t kLongestInit = 1 << 20, kLargestBatch = 1 << 16;
constexpr const char* kExtras = "{}";  // no further properties; i-PI reads JSON here

std::string padded(const std::string& name) { return name + std::string(kHeader - name.size(), ' '); }

/// The name in a header, or what can be printed of it.
std::string name_of(const char* header) {
  std::string name;
  for (std::size_t i = 0; i < kHeader; ++i) name += header[i] >= ' ' && header[i] <= '~' ? header[i] : '?';
  name.erase(name.find_last_not_of(' ') + 1);
  return name;
}

template <class T>
void append(std::vector<char>& to, const T* values, std::size_t n) {
  const std::size_t size = to.size();
  to.resize(size + n * sizeof(T));
  if (n > 0) std::memcpy(to.data() + size, values, n * sizeof(T));
}

/// The number N of "batch_size:N" among the comma-separated parts of the text; 1 without it.
std::size_t batch_size(const std::string& text) {
  const std::string key = "batch_size";
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    std::string part;
    for (const char c : text.substr(begin, end - begin)) {
      if (c != ' ') part += c;
    }
    begin = end + 1;
    if (part.compare(0, key.size() + 1, key + ":") != 0) continue;
    const std::string digits = part.substr(key.size() + 1);
    const bool number =
        !digits.empty() && digits.size() < 9 && digits.find_first_not_of("0123456789") == std::string::npos;
    const int value = number ? std::stoi(digits) : 0;
    if (value < 1 || value > kLargestBatch) {
      throw Error("INIT: batch_size: expected 1 to " + std::to_string(kLargestBatch) + ", got \"" + digits +
                  "\"");
    }
    return static_cast<std::size_t>(value);
  }
  return 1;
}

}  // namespace

Client::Client(Stream& stream, int n_atoms, std::string source, Evaluate evaluate, Log trace)
    : stream_(stream),
      n_atoms_(static_cast<std::size_t>(n_atoms)),
      source_(std::move(source)),
      evaluate_(std::move(evaluate)),
      trace_(std::move(trace)) {}

void Client::run() {
  for (;;) {
    if (data_ == Data::structures && !stream_.has_more(kMoment)) evaluate();
    char header[kHeader];
    stream_.read(header, kHeader);
    const std::string name = name_of(header);
    if (trace_) trace_("received " + name);
    if (name == "STATUS") {
      send_status();
    } else if (name == "INIT") {
      read_init();
    } else if (name == "POSDATA") {
      read_structures();
    } else if (name == "GETFORCE") {
      send_results();
    } else if (name == "EXIT") {
      return;
    } else {
      throw Error("unexpected header \"" + name +
                  "\"; expected STATUS, INIT, POSDATA, GETFORCE or EXIT. Is the server i-PI, or "
                  "a program that speaks its protocol?");
    }
  }
}

template <class T>
T Client::read_value() {
  T value;
  stream_.read(&value, sizeof(T));
  return value;
}

void Client::read_doubles(std::vector<double>& to, std::size_t n) {
  to.resize(n);
  if (n > 0) stream_.read(to.data(), n * sizeof(double));
}

void Client::send_status() {
  evaluate();
  const std::string answer = data_ == Data::results ? "HAVEDATA" : initialized_ ? "READY" : "NEEDINIT";
  if (trace_) trace_("sent " + answer);
  stream_.write(padded(answer).data(), kHeader);
}

void Client::read_init() {
  const auto bead = read_value<std::int32_t>(), n = read_value<std::int32_t>();
  if (n < 0 || n > kLongestInit) {
    throw Error("INIT: expected a text of 0 to " + std::to_string(kLongestInit) + " bytes, got " +
                std::to_string(n));
  }
  std::string text(static_cast<std::size_t>(n), ' ');
  if (n > 0) stream_.read(&text[0], text.size());
  batch_ = batch_size(text);
  initialized_ = true;
  if (trace_)
    trace_("bead " + std::to_string(bead) + ", " + std::to_string(batch_) + " structure(s) at once");
}

void Client::refuse_count(std::int32_t n) const {
  std::string message =
      "POSDATA: got " + std::to_string(n) + " atoms, but " + source_ + " has " + std::to_string(n_atoms_);
  if (n < 1 || n > 100000000) {
    message +=
        ". Is the server's socket of another kind, such as mode='shm' of i-PI? dp_ipi speaks unix and inet";
  } else {
    message += ". Both must describe the same atoms in the same order";
  }
  throw Error(message);
}

void Client::read_structures() {
  const auto check = [&](std::int32_t n) {
    if (n < 0 || static_cast<std::size_t>(n) != n_atoms_) refuse_count(n);
  };
  if (batch_ > 1) check(read_value<std::int32_t>());
  read_doubles(cells_, 18 * batch_);
  if (batch_ == 1) check(read_value<std::int32_t>());
  read_doubles(structures_.coord, 3 * n_atoms_ * batch_);

  structures_.n_frames = static_cast<int>(batch_);
  structures_.box.resize(9 * batch_);
  for (std::size_t f = 0; f < batch_; ++f) {
    for (std::size_t d = 0; d < 9; ++d) {
      structures_.box[9 * f + d] = cells_[18 * f + (d % 3) * 3 + d / 3] / kBohrPerAngstrom;
    }
  }
  for (double& x : structures_.coord) x /= kBohrPerAngstrom;
  data_ = Data::structures;
}

void Client::evaluate() {
  if (data_ != Data::structures) return;
  try {
    result_ = evaluate_(structures_);
  } catch (const Error& error) {
    throw Error("POSDATA after " + std::to_string(n_structures_) + " structures: " + error.what());
  }
  n_structures_ += static_cast<long>(batch_);
  data_ = Data::results;
}

void Client::send_results() {
  evaluate();
  if (data_ != Data::results) throw Error("GETFORCE without POSDATA before it");
  for (double& e : result_.energy) e *= kHartreePerEv;
  for (double& f : result_.force) f *= kForce;
  double virial[9];

  const auto n_atoms = static_cast<std::int32_t>(n_atoms_);
  const auto n_extras = static_cast<std::int32_t>(std::strlen(kExtras));
  reply_.clear();
  append(reply_, padded("FORCEREADY").data(), kHeader);
  append(reply_, result_.energy.data(), batch_);
  append(reply_, &n_atoms, 1);
  append(reply_, result_.force.data(), 3 * n_atoms_ * batch_);
  for (std::size_t f = 0; f < batch_; ++f) {
    for (std::size_t d = 0; d < 9; ++d)
      virial[d] = result_.virial[9 * f + (d % 3) * 3 + d / 3] * kHartreePerEv;
    append(reply_, virial, 9);
  }
  for (std::size_t f = 0; f < batch_; ++f) {
    append(reply_, &n_extras, 1);
    append(reply_, kExtras, std::strlen(kExtras));
  }
  data_ = Data::none;
  stream_.write(reply_.data(), reply_.size());
  if (trace_) trace_("sent FORCEREADY");
}

}  // namespace dpcore::ipi
