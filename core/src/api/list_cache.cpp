// SPDX-License-Identifier: LGPL-3.0-or-later
#include "api/list_cache.hpp"

#include <cstring>

namespace dpcore {

// Coordinates, types, the cell and its periodic directions; equal bit by bit or another frame.
std::vector<double> ListCache::key_of(const Frames& f, int frame) {
  const std::size_t n = 3 * static_cast<std::size_t>(f.n_atoms), k = static_cast<std::size_t>(frame);
  std::vector<double> key(f.coord + n * k, f.coord + n * (k + 1));
  key.insert(key.end(), f.type, f.type + f.n_atoms);
  if (f.box == nullptr) return key;
  key.insert(key.end(), f.box + 9 * k, f.box + 9 * (k + 1));
  for (const bool periodic : f.pbc) key.push_back(periodic ? 1.0 : 0.0);
  return key;
}

std::uint64_t ListCache::hash(const std::vector<double>& key) {
  std::uint64_t sum = key.size();
  for (const double x : key) {
    std::uint64_t bits;
    std::memcpy(&bits, &x, sizeof(bits));
    sum = (sum ^ bits) * 0x9e3779b97f4a7c15U;
    sum ^= sum >> 32;
  }
  return sum;
}

const ListCache::Entry* ListCache::find(const Frames& f, int frame) const {
  if (entries_.empty()) return nullptr;
  const std::vector<double> key = key_of(f, frame);
  const auto [begin, end] = entries_.equal_range(hash(key));
  for (auto e = begin; e != end; ++e) {
    const std::vector<double>& other = e->second.key;
    if (other.size() == key.size() &&
        std::memcmp(other.data(), key.data(), sizeof(double) * key.size()) == 0) {
      return &e->second;
    }
  }
  return nullptr;
}

void ListCache::add(const Frames& f, int frame, const NeighborList& list) {
  const auto size = [](const auto& v) { return v.size() * sizeof(v[0]); };
  Entry entry{key_of(f, frame), {}, nullptr};
  const std::size_t bytes =
      size(entry.key) + size(list.coord) + size(list.owner) + size(list.first) + size(list.neighbor);
  if (!memory_.count(bytes)) return;
  entry.list = list;
  if constexpr (kExecOnHost) entry.kept = std::make_unique<KeptFrame>(memory_);
  const std::uint64_t place = hash(entry.key);
  entries_.emplace(place, std::move(entry));
}

}  // namespace dpcore
