// SPDX-License-Identifier: LGPL-3.0-or-later
#include "env/kept_pairs.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

namespace dpcore {

namespace {

constexpr std::size_t kAlign = 64;  // bytes
constexpr std::size_t kLeastBlock = std::size_t(1) << 18, kMostBlock = std::size_t(1) << 25;

std::size_t aligned(std::size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

/// Room for columns of n_pairs pairs.
KeptSet new_set(const Recipe& recipe, const std::vector<std::size_t>& bytes, std::size_t n_pairs,
                KeptMemory& memory) {
  std::size_t size = 0;
  for (const std::size_t b : bytes) size += aligned(n_pairs * b);
  KeptSet set;
  set.recipe = recipe;
  char* p = memory.take(size);
  for (std::size_t k = 0; p != nullptr && k < bytes.size(); ++k) {
    set.column.push_back(p);
    p += aligned(n_pairs * bytes[k]);
  }
  return set;
}

/// Neighbouring pairs of a run that lie side by side in the tile and in the piece.
struct Chunk {
  std::size_t in_tile, in_piece, n;
};

/// f(chunk) for all chunks of a run; `offset` is that of the piece
template <class F>
void for_run(const TilePairs& pairs, const KeptRun& run, const std::vector<int>& offset, int piece_rows,
             const F& f) {
  const int n = pairs.n_rows, ntypes = (static_cast<int>(pairs.offset.extent(0)) - 1) / n;
  for (int b = 0; b < ntypes; ++b) {
    const int begin = pairs.offset(b * n + run.row), end = pairs.offset(b * n + run.row + run.n);
    f(Chunk{static_cast<std::size_t>(begin),
            static_cast<std::size_t>(offset[static_cast<std::size_t>(b * piece_rows + run.piece_row)]),
            static_cast<std::size_t>(end - begin)});
  }
}

int atoms_of_frame(const DeviceStructure& structure) {
  return static_cast<int>(structure.frame.extent(0) / structure.kept.size());
}

}  // namespace

bool KeptMemory::count(std::size_t bytes) {
  if (used_.fetch_add(bytes) + bytes <= most_) return true;
  used_ -= bytes;
  return false;
}

char* KeptMemory::take(std::size_t bytes) {
  bytes = aligned(bytes);
  if (!count(bytes)) return nullptr;
  const std::lock_guard<std::mutex> lock(lock_);
  if (static_cast<std::size_t>(end_ - at_) < bytes) {
    const std::size_t size = std::max(bytes, std::clamp(used_.load(), kLeastBlock, kMostBlock)) + kAlign;
    blocks_.emplace_back(new char[size]);
    end_ = blocks_.back().get() + size;
    const std::size_t past = reinterpret_cast<std::uintptr_t>(blocks_.back().get()) % kAlign;
    at_ = blocks_.back().get() + (past == 0 ? 0 : kAlign - past);
  }
  char* const p = at_;
  at_ += bytes;
  return p;
}

KeptPiece* KeptFrame::piece(const Recipe& recipe, int type, int centre, int& next) {
  const std::lock_guard<std::mutex> lock(lock_);
  next = std::numeric_limits<int>::max();
  const auto all = pieces_.find(recipe);
  if (all == pieces_.end()) return nullptr;
  auto p = all->second.upper_bound({type, centre});
  if (p != all->second.end() && p->first.first == type) next = p->first.second;
  if (p == all->second.begin()) return nullptr;
  --p;
  return p->first.first == type && centre <= p->second.centre.back() ? &p->second : nullptr;
}

KeptPiece* KeptFrame::add(const Recipe& recipe, int type, KeptPiece&& piece) {
  const std::lock_guard<std::mutex> lock(lock_);
  const int n = piece.n();
  const auto at = pieces_[recipe].emplace(std::make_pair(type, piece.centre.front()), std::move(piece)).first;
  return at->second.n() == n ? &at->second : nullptr;
}

const KeptSet* KeptFrame::set(const KeptPiece& piece, const Recipe& recipe) {
  const std::lock_guard<std::mutex> lock(lock_);
  for (const KeptSet& set : piece.sets) {
    if (set.recipe == recipe) return &set;
  }
  return nullptr;
}

void KeptFrame::add(KeptPiece& piece, KeptSet&& set) {
  const std::lock_guard<std::mutex> lock(lock_);
  piece.sets.push_back(std::move(set));
}

bool KeptFrame::ranges(const Recipe& recipe, PairRanges& out) {
  const std::lock_guard<std::mutex> lock(lock_);
  const auto at = ranges_.find(recipe);
  if (at != ranges_.end()) out = at->second;
  return at != ranges_.end();
}

void KeptFrame::add_ranges(const Recipe& recipe, const PairRanges& ranges) {
  const std::lock_guard<std::mutex> lock(lock_);
  ranges_.emplace(recipe, ranges);
}

PairColumns::PairColumns(const TilePairs& pairs, Recipe recipe, std::initializer_list<std::size_t> bytes,
                         Workspace& ws, bool own)
    : pairs_(pairs), recipe_(std::move(recipe)), bytes_(bytes), known_(all_kept(pairs.kept)) {
  std::vector<const KeptSet*> sets;
  for (std::size_t k = 0; known_ && k < pairs.kept.size(); ++k) {
    const KeptRun& run = pairs.kept[k];
    sets.push_back(run.slot->frame->set(*run.piece, recipe_));
    known_ = sets.back() != nullptr;
  }
  // room is taken in any case, so that what fits into a workspace does not depend on what is kept
  for (const std::size_t b : bytes_) {
    column_.push_back(ws.take<char>(static_cast<std::size_t>(pairs.n_pairs) * b));
  }
  if (!known_) return;
  if (!own && sets.size() == 1 && pairs.kept.front().piece->n() == pairs.n_rows) {
    column_ = sets.front()->column;
    return;
  }
  for (std::size_t r = 0; r < sets.size(); ++r) {
    const KeptRun& run = pairs.kept[r];
    for_run(pairs, run, run.piece->offset, run.piece->n(), [&](const Chunk& c) {
      for (std::size_t k = 0; k < bytes_.size(); ++k) {
        const std::size_t b = bytes_[k];
        std::memcpy(column_[k] + c.in_tile * b, sets[r]->column[k] + c.in_piece * b, c.n * b);
      }
    });
  }
}

void PairColumns::keep() const {
  for (const KeptRun& run : pairs_.kept) {
    if (run.piece == nullptr || run.n != run.piece->n()) continue;
    KeptFrame& frame = *run.slot->frame;
    if (frame.set(*run.piece, recipe_) != nullptr) continue;
    KeptSet set =
        new_set(recipe_, bytes_, static_cast<std::size_t>(run.piece->offset.back()), frame.memory());
    if (set.column.empty()) continue;
    for_run(pairs_, run, run.piece->offset, run.n, [&](const Chunk& c) {
      for (std::size_t k = 0; k < bytes_.size(); ++k) {
        const std::size_t b = bytes_[k];
        std::memcpy(set.column[k] + c.in_piece * b, column_[k] + c.in_tile * b, c.n * b);
      }
    });
    frame.add(*run.piece, std::move(set));
  }
}

std::vector<KeptRun> kept_runs(const DeviceStructure& structure, const Tile& tile, const Recipe& recipe) {
  std::vector<KeptRun> runs;
  if (structure.kept.empty()) return runs;
  const int n_atoms = atoms_of_frame(structure), n = tile.size();
  for (int row = 0; row < n; row += runs.back().n) {
    KeptRun run;
    const int c = structure.centre(tile.begin + row), frame = structure.frame(c), first = frame * n_atoms;
    run.slot = &structure.kept[static_cast<std::size_t>(frame)];
    run.row = row;
    int next = std::numeric_limits<int>::max();
    if (run.slot->frame != nullptr) run.piece = run.slot->frame->piece(recipe, tile.type, c - first, next);
    // as far as the frame and the piece, or the gap between pieces, reach
    const int last = run.piece != nullptr ? run.piece->centre.back() : std::min(next, n_atoms) - 1;
    while (row + run.n < n && structure.centre(tile.begin + row + run.n) <= first + last) ++run.n;
    if (run.piece != nullptr) {
      const std::vector<int>& all = run.piece->centre;
      run.piece_row = static_cast<int>(std::lower_bound(all.begin(), all.end(), c - first) - all.begin());
    }
    runs.push_back(run);
  }
  return runs;
}

bool all_kept(const std::vector<KeptRun>& runs) {
  return !runs.empty() &&
         std::all_of(runs.begin(), runs.end(), [](const KeptRun& r) { return r.piece != nullptr; });
}

void take_found(const std::vector<KeptRun>& runs, int ntypes, int n_rows, int* found) {
  for (const KeptRun& run : runs) {
    for (int b = 0; b < ntypes; ++b) {
      std::copy_n(run.piece->found.begin() + b * run.piece->n() + run.piece_row, run.n,
                  found + b * n_rows + run.row);
    }
  }
}

void number_atoms(const DeviceStructure& structure, const TilePairs& pairs, const Vector<int>& atom) {
  if (structure.kept.size() == 1) return;  // its ghosts follow its atoms in both
  const int n_atoms = atoms_of_frame(structure);
  for (const KeptRun& run : pairs.kept) {
    const int first = run.slot->index * n_atoms, ghosts = run.slot->first_ghost - n_atoms;
    for_run(pairs, run, run.piece->offset, run.piece->n(), [&](const Chunk& c) {
      for (std::size_t p = c.in_tile; p < c.in_tile + c.n; ++p) atom(p) += atom(p) < n_atoms ? first : ghosts;
    });
  }
}

void keep_pairs(const DeviceStructure& structure, const Tile& tile, const Recipe& recipe, const int* found,
                TilePairs& pairs) {
  if (pairs.kept.empty()) return;
  const int n_atoms = atoms_of_frame(structure), n = pairs.n_rows;
  const int n_local = static_cast<int>(structure.frame.extent(0));
  const int ntypes = (static_cast<int>(pairs.offset.extent(0)) - 1) / n;
  for (KeptRun& run : pairs.kept) {
    if (run.piece != nullptr || run.slot->frame == nullptr) continue;
    const int first = run.slot->index * n_atoms, ghosts = run.slot->first_ghost - n_atoms;
    KeptPiece piece;
    for (int i = run.row; i < run.row + run.n; ++i)
      piece.centre.push_back(structure.centre(tile.begin + i) - first);
    piece.offset.push_back(0);
    for (int b = 0; b < ntypes; ++b) {
      for (int cell = b * n + run.row; cell < b * n + run.row + run.n; ++cell) {
        piece.found.push_back(found[cell]);
        piece.offset.push_back(piece.offset.back() + pairs.offset(cell + 1) - pairs.offset(cell));
      }
    }
    KeptMemory& memory = run.slot->frame->memory();
    KeptSet set =
        new_set({}, {sizeof(int), 3 * sizeof(double)}, static_cast<std::size_t>(piece.offset.back()), memory);
    const std::size_t rest = sizeof(int) * (piece.centre.size() + 2 * piece.offset.size());
    if (set.column.empty() || !memory.count(rest)) continue;
    for_run(pairs, run, piece.offset, run.n, [&](const Chunk& c) {
      auto* atom = reinterpret_cast<int*>(set.column[0]) + c.in_piece;
      for (std::size_t p = 0; p < c.n; ++p) {
        const int j = pairs.atom(c.in_tile + p);
        atom[p] = j < n_local ? j - first : j - ghosts;
      }
      if (c.n > 0)
        std::memcpy(set.column[1] + c.in_piece * 3 * sizeof(double), &pairs.r(c.in_tile, 0),
                    c.n * 3 * sizeof(double));
    });
    piece.sets.push_back(std::move(set));
    run.piece = run.slot->frame->add(recipe, tile.type, std::move(piece));
  }
}

}  // namespace dpcore
