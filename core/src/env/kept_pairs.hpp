// SPDX-License-Identifier: LGPL-3.0-or-later
// What depends on a frame's geometry alone, kept between training steps: pairs as select_pairs leaves them,
// their environment matrices, ranges of distances. On the host alone.
//
// A frame has pieces: neighbouring centres of one type, their pairs in the order of TilePairs, and sets of
// columns, arrays with some bytes for each pair. Pieces and sets are known by their recipe, all numbers
// besides the frame that they were made with, so that one of another cut-off or other statistics is never
// taken. A tile of just the centres of a piece works on the piece's arrays; for others rows of pieces are put
// together (batches of several frames come in ever other orders). Numbers are copies of those computed
// before.
//
// Safe for concurrent calls. Nothing is ever taken away, so that pointers hold.
#pragma once

#include <atomic>
#include <initializer_list>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "env/pairs.hpp"

namespace dpcore {

using Recipe = std::vector<double>;

/// Memory for what is kept, as long as it fits.
class KeptMemory {
 public:
  explicit KeptMemory(std::size_t most) : most_(most) {}
  /// Count bytes that lie elsewhere; false where they do not fit.
  bool count(std::size_t bytes);
  /// Aligned to 64 bytes; null where it does not fit.
  char* take(std::size_t bytes);
  std::size_t used() const { return used_; }

 private:
  std::size_t most_;
  std::atomic<std::size_t> used_{0};
  std::mutex lock_;
  std::vector<std::unique_ptr<char[]>> blocks_;
  char *at_ = nullptr, *end_ = nullptr;  // what is free of the last
};

struct KeptSet {
  Recipe recipe;
  std::vector<char*> column;  // aligned to 64 bytes; empty where they did not fit
};

struct KeptPiece {
  std::vector<int> centre;  // [n] as numbered in the frame, increasing
  std::vector<int> found;   // [ntypes * n] neighbours, before the limit of sel
  std::vector<int> offset;  // [ntypes * n + 1] as in TilePairs
  std::list<KeptSet> sets;  // of recipe {}: atom as numbered in the frame, ghosts behind its own atoms; r
  int n() const { return static_cast<int>(centre.size()); }
};

class KeptFrame {
 public:
  explicit KeptFrame(KeptMemory& memory) : memory_(memory) {}

  /// The piece with this centre, or null; then `next` is the first centre behind it of another piece.
  KeptPiece* piece(const Recipe&, int type, int centre, int& next);
  /// Where another worker was faster, the older one; null where that has other centres.
  KeptPiece* add(const Recipe&, int type, KeptPiece&&);
  /// Null where the piece has none of this recipe.
  const KeptSet* set(const KeptPiece&, const Recipe&);
  void add(KeptPiece&, KeptSet&&);

  bool ranges(const Recipe&, PairRanges&);
  void add_ranges(const Recipe&, const PairRanges&);
  KeptMemory& memory() { return memory_; }

 private:
  KeptMemory& memory_;
  std::mutex lock_;
  std::map<Recipe, std::map<std::pair<int, int>, KeptPiece>> pieces_;  // by type and first centre
  std::map<Recipe, PairRanges> ranges_;
};

/// Arrays with some bytes for each pair of a tile: kept ones, or of the workspace and to be computed.
class PairColumns {
 public:
  /// own: the caller will change them, so that those of a piece do not do
  PairColumns(const TilePairs&, Recipe, std::initializer_list<std::size_t> bytes, Workspace&,
              bool own = false);
  bool known() const { return known_; }
  template <class T>
  Vector<T> vector(std::size_t k) const {
    return Vector<T>(reinterpret_cast<T*>(column_[k]), static_cast<std::size_t>(pairs_.n_pairs));
  }
  template <class T>
  Matrix<T> matrix(std::size_t k) const {
    return Matrix<T>(reinterpret_cast<T*>(column_[k]), static_cast<std::size_t>(pairs_.n_pairs),
                     bytes_[k] / sizeof(T));
  }
  /// They are computed: keep them with the pieces that lack them.
  void keep() const;

 private:
  const TilePairs& pairs_;
  Recipe recipe_;
  std::vector<std::size_t> bytes_;
  std::vector<char*> column_;
  bool known_ = false;
};

/// The frames' pieces that hold the centres of a tile; empty where no frame is kept.
std::vector<KeptRun> kept_runs(const DeviceStructure&, const Tile&, const Recipe&);
/// Whether all of them are there.
bool all_kept(const std::vector<KeptRun>&);
/// found [ntypes * n_rows] of kept runs
void take_found(const std::vector<KeptRun>&, int ntypes, int n_rows, int* found);
/// From numbers in the frames, where these are several, to those in the Structure.
void number_atoms(const DeviceStructure&, const TilePairs&, const Vector<int>& atom);
/// Pieces of the pairs of a tile, for runs without.
void keep_pairs(const DeviceStructure&, const Tile&, const Recipe&, const int* found, TilePairs&);

}  // namespace dpcore
