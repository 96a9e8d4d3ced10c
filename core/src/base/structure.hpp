// SPDX-License-Identifier: LGPL-3.0-or-later
// What the model is evaluated on: atoms of one or several frames with their neighbour lists, and how the
// centres are cut into tiles of one type.
#pragma once

#include <cstdint>
#include <vector>

#include "base/views.hpp"

namespace dpcore {

class KeptFrame;  // env/kept_pairs.hpp

/// What is kept of a frame's geometry.
struct KeptSlot {
  KeptFrame* frame = nullptr;  // null: nothing
  int index = 0;               // of the frame in the Structure
  int first_ghost = 0;         // index of its first ghost
};

/// Frames laid end to end. Centres ("local" atoms) come first, ghosts (periodic images, or atoms owned by
/// another process) behind them; the neighbour list may point at both.
struct Structure {
  int n_frames = 0;
  int n_local = 0;            // centres of all frames
  int n_all = 0;              // with ghosts
  std::vector<double> coord;  // [n_all, 3] A
  std::vector<int> type;      // [n_all]; negative: an atom the model does not see
  std::vector<int> target;    // [n_all] where forces on this atom are added: an index into the force array
  std::vector<int> frame;     // [n_local]
  std::vector<std::size_t> first;  // [n_local + 1]
  std::vector<int> neighbor;       // [n_pairs] full list
  std::uint64_t list = 0;          // another number for every list in the process; 0: not known
  std::vector<double> aparam;      // [n_all, dim_aparam of the descriptor], as given; empty: it has none
  std::vector<bool> is_centre;     // [n_local], or empty: all of them
  std::vector<KeptSlot> kept;      // [n_frames], all with as many atoms; or empty: nothing is kept

  int n_force = 0;  // rows of the force array: n_local, or n_all when ghosts keep their own
};

/// Centres of one type, worked on together.
struct Tile {
  int type = 0;
  int begin = 0, end = 0;  // positions in TilePlan::centre
  int row = 0;             // position of `begin` within its type
  int size() const { return end - begin; }
};

/// Centres sorted by type, cut into tiles; tile t belongs to worker t % n_workers.
struct TilePlan {
  std::vector<int> centre;      // [n] indices into Structure, by (type, index)
  std::vector<int> type_begin;  // [ntypes + 1] positions in `centre`
  std::vector<Tile> tiles;
};

/// Structure and plan in the memory of Exec. On the host these are the vectors themselves: both must outlive
/// it.
struct DeviceStructure {
  Vector<const double> coord, aparam;
  Vector<const int> type, target, frame, neighbor, centre;
  Vector<const std::size_t> first;
  int longest = 0;             // number of neighbours in the longest list
  std::vector<KeptSlot> kept;  // of the Structure, on the host alone
  void assign(const Structure&, const TilePlan&);

 private:
  DeviceArray<double> coord_, aparam_;
  DeviceArray<int> type_, target_, frame_, neighbor_, centre_;
  DeviceArray<std::size_t> first_;
  std::uint64_t list_ = 0;  // whose copy is here
};

/// Tiles of about `large` centres, at most one and a half times as many: a few centres more are not worth
/// another pass over the weights. Every type is cut into a multiple of `workers` tiles if these would still
/// hold `smallest` centres, so that the workers share each type evenly.
TilePlan plan_tiles(const Structure&, int ntypes, int workers, int large, int smallest);

}  // namespace dpcore
