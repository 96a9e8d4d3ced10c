// SPDX-License-Identifier: LGPL-3.0-or-later
// Neighbour lists of frames that come again, as in every epoch of a training: found by the frame's numbers
// themselves, so that no caller has to name frames, and kept as long as they fit a budget.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "dpcore/model.h"
#include "neighbors/neighbor_list.hpp"

namespace dpcore {

class ListCache {
 public:
  /// Bytes of all lists and of the coordinates that they are known by. What does not fit any more is not
  /// kept.
  explicit ListCache(std::size_t budget) : budget_(budget) {}

  /// The list of frame `frame` of f, built for the one cut-off of this cache; null where it is not there.
  const NeighborList* find(const Frames& f, int frame) const;
  void add(const Frames& f, int frame, const NeighborList&);

 private:
  struct Entry {
    std::vector<double> key;
    NeighborList list;
  };
  static std::vector<double> key_of(const Frames&, int frame);
  static std::uint64_t hash(const std::vector<double>& key);

  std::size_t budget_, used_ = 0;
  std::unordered_multimap<std::uint64_t, Entry> entries_;
};

}  // namespace dpcore
