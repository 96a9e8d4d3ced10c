// SPDX-License-Identifier: LGPL-3.0-or-later
#include "api/frames.hpp"

#include <algorithm>
#include <cmath>

#include "base/runtime.hpp"

namespace dpcore {

namespace {

constexpr int kAtomsPerGroup = 4096;

}  // namespace

void check_frames(const Frames& f, int ntypes) {
  if (f.n_frames < 0 || f.n_atoms < 0) throw Error("frames: negative number of frames or atoms");
  if (f.n_frames > 0 && f.n_atoms > 0 && (f.coord == nullptr || f.type == nullptr)) {
    throw Error("frames: coordinates and types are needed");
  }
  for (int i = 0; i < f.n_atoms; ++i) {
    if (f.type[i] >= ntypes || f.type[i] < -1) {
      throw Error("atom_types: atom " + std::to_string(i) + " has type " + std::to_string(f.type[i]) +
                  "; the model knows types 0 to " + std::to_string(ntypes - 1) +
                  " (and -1 for atoms it shall not see)");
    }
  }
}

int frames_per_group(const Frames& f) { return std::max(1, kAtomsPerGroup / std::max(1, f.n_atoms)); }

void build_structure(const Frames& f, int begin, int end, double rcut, FrameLists& scratch, Structure& out) {
  const int n_frames = end - begin;
  const auto n_atoms = static_cast<std::size_t>(f.n_atoms);
  const int workers = n_threads();
  scratch.lists.resize(static_cast<std::size_t>(n_frames));
  scratch.searches.resize(static_cast<std::size_t>(workers));
  std::vector<const NeighborList*> lists(static_cast<std::size_t>(n_frames), nullptr);
  std::vector<KeptSlot> kept(static_cast<std::size_t>(n_frames));
  std::vector<int> missing;
  for (int frame = 0; frame < n_frames; ++frame) {
    const NeighborList*& list = lists[static_cast<std::size_t>(frame)];
    if (const ListCache::Entry* entry = scratch.cache ? scratch.cache->find(f, begin + frame) : nullptr) {
      list = &entry->list;
      kept[static_cast<std::size_t>(frame)].frame = entry->kept.get();
      continue;
    }
    list = &scratch.lists[static_cast<std::size_t>(frame)];
    missing.push_back(frame);
  }
  const auto build = [&](int frame, int worker, int threads) {
    try {
      const double* box = f.box == nullptr ? nullptr : f.box + 9 * static_cast<std::size_t>(begin + frame);
      const Cell cell = box == nullptr ? Cell::none() : Cell::from_rows(box, f.pbc[0], f.pbc[1], f.pbc[2]);
      scratch.searches[static_cast<std::size_t>(worker)].build(
          f.coord + 3 * n_atoms * static_cast<std::size_t>(begin + frame), f.n_atoms, cell, rcut,
          scratch.lists[static_cast<std::size_t>(frame)], threads);
    } catch (const Error& e) {
      throw Error("frame " + std::to_string(begin + frame) + ": " + e.what());
    }
  };
  const int n_missing = static_cast<int>(missing.size());
  if (n_missing < workers) {
    for (const int frame : missing) build(frame, 0, workers);
  } else {
    run_workers(workers, [&](int worker) {
      for (int k = worker; k < n_missing; k += workers)
        build(missing[static_cast<std::size_t>(k)], worker, 1);
    });
  }

  std::size_t n_ghost = 0, n_pairs = 0;
  for (const NeighborList* l : lists) {
    n_ghost += static_cast<std::size_t>(l->n_all() - l->n_local);
    n_pairs += l->n_pairs();
  }
  const std::size_t n_local = n_atoms * static_cast<std::size_t>(n_frames), n_all = n_local + n_ghost;
  out.n_frames = n_frames;
  out.n_local = static_cast<int>(n_local);
  out.n_all = static_cast<int>(n_all);
  out.n_force = out.n_local;
  out.is_centre.clear();
  out.list = 0;
  out.coord.resize(3 * n_all);
  out.type.resize(n_all);
  out.target.resize(n_all);
  out.frame.resize(n_local);
  out.first.resize(n_local + 1);
  out.neighbor.resize(n_pairs);
  std::size_t ghost = n_local, pair = 0;
  out.first[0] = 0;
  for (std::size_t k = 0; k < lists.size(); ++k) {
    const NeighborList& l = *lists[k];
    const std::size_t shift = k * n_atoms, ghost_begin = ghost;
    const auto all = static_cast<std::size_t>(l.n_all());
    kept[k].index = static_cast<int>(k);
    kept[k].first_ghost = static_cast<int>(ghost);
    std::copy_n(l.coord.begin(), 3 * n_atoms, out.coord.begin() + static_cast<std::ptrdiff_t>(3 * shift));
    std::copy(l.coord.begin() + static_cast<std::ptrdiff_t>(3 * n_atoms),
              l.coord.begin() + static_cast<std::ptrdiff_t>(3 * all),
              out.coord.begin() + static_cast<std::ptrdiff_t>(3 * ghost));
    for (std::size_t i = 0; i < n_atoms; ++i) {
      out.type[shift + i] = f.type[i];
      out.target[shift + i] = static_cast<int>(shift + i);
      out.frame[shift + i] = static_cast<int>(k);
    }
    for (std::size_t g = n_atoms; g < all; ++g, ++ghost) {
      const auto owner = static_cast<std::size_t>(l.owner[g]);
      out.type[ghost] = f.type[owner];
      out.target[ghost] = static_cast<int>(shift + owner);
    }
    if (lists.size() == 1) {  // numbered as they are
      out.neighbor = l.neighbor;
      out.first = l.first;
      break;
    }
    for (std::size_t i = 0; i < n_atoms; ++i) {
      for (std::size_t p = l.first[i]; p < l.first[i + 1]; ++p) {
        const auto j = static_cast<std::size_t>(l.neighbor[p]);
        out.neighbor[pair++] = static_cast<int>(j < n_atoms ? shift + j : ghost_begin + (j - n_atoms));
      }
      out.first[shift + i + 1] = pair;
    }
  }
  out.kept.clear();
  if (missing.size() < lists.size()) out.kept = std::move(kept);
  for (const int frame : missing) {  // last, as the frames of a batch may be the same ones
    if (scratch.cache) scratch.cache->add(f, begin + frame, scratch.lists[static_cast<std::size_t>(frame)]);
  }
}

}  // namespace dpcore
