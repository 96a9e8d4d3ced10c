// SPDX-License-Identifier: LGPL-3.0-or-later
// Neighbour lists of frames that come again, as in every epoch of a training, and what is kept of these
// frames' geometry from their second time on (env/kept_pairs.hpp): found by the frame's numbers themselves,
// so that no caller has to name frames, and kept as long as they fit a budget.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "dpcore/model.h"
#include "env/kept_pairs.hpp"
#include "neighbors/neighbor_list.hpp"

namespace dpcore {

class ListCache {
 public:
  /// `most` bytes in all. What does not fit any more is not kept.
  explicit ListCache(std::size_t most) : memory_(most) {}

  struct Entry {
    std::vector<double> key;
    NeighborList list;
    std::unique_ptr<KeptFrame> kept;
  };
  /// That of frame `frame` of f, its list built for the one cut-off of this cache; null where it is not
  /// there.
  const Entry* find(const Frames& f, int frame) const;
  void add(const Frames& f, int frame, const NeighborList&);
  std::size_t used() const { return memory_.used(); }  // bytes

 private:
  static std::vector<double> key_of(const Frames&, int frame);
  static std::uint64_t hash(const std::vector<double>& key);

  KeptMemory memory_;
  std::unordered_multimap<std::uint64_t, Entry> entries_;
};

}  // namespace dpcore
