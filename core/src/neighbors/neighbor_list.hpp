// SPDX-License-Identifier: LGPL-3.0-or-later
// Neighbour lists: all pairs of atoms nearer than a cut-off, periodic images included.
//
// The pair vector of centre i and neighbour j is coord[j] - coord[i], with no minimum-image rule: the images
// of an atom are atoms of their own ("ghosts"), so a cell may be thinner than the cut-off and an atom may be
// a neighbour of its own images. Lengths in A, double.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "neighbors/bins.hpp"
#include "neighbors/cell.hpp"
#include "neighbors/index_set.hpp"

namespace dpcore {

/// Pairs within a cut-off, of one frame or of several put together.
struct NeighborList {
  int n_local = 0;            ///< number of centres
  std::vector<double> coord;  ///< [n_all, 3] A; the centres in the caller's order and wrapped into the cell
                              ///< along periodic directions, then the images, by owner and cell shift
  std::vector<int> owner;     ///< [n_all] the centre of which an atom is an image; of centre i: i
  std::vector<std::size_t> first = {0};  ///< [n_local + 1] the pairs of centre i are first[i] .. first[i+1]-1
  std::vector<int> neighbor;  ///< [n_pairs] index into coord, ascending for each centre. Both (i, j) and
                              ///< (j, i) are listed; r < rcut; i itself is not its neighbour

  int n_all() const { return static_cast<int>(owner.size()); }
  std::size_t n_pairs() const { return neighbor.size(); }
};

/// Builds neighbour lists and keeps its work arrays for the next one. Not to be shared by threads.
/// Cost is proportional to the number of atoms and of pairs. The list is the same, order included, for any
/// number of threads.
class NeighborSearch {
 public:
  /// List of n atoms at coord[n*3] in `cell`, inside of which they need not lie, for r < rcut.
  /// `workers`: number of threads, 0 for all. From inside a parallel loop (run_workers) it has to be 1.
  /// Atoms at the same place are neighbours at r = 0 (NeighborStat finds them).
  /// Throws Error: rcut not positive; a coordinate that is not finite or beyond 1e9 A (names the atom);
  /// a cell so thin that the images would not fit in memory.
  void build(const double* coord, int n, const Cell& cell, double rcut, NeighborList& out, int workers = 0);

 private:
  struct Worker {
    std::vector<double> square;  // r^2 of the candidates of one centre
    std::vector<int> run;        // begin, end of each run of candidates
    std::vector<int> found;
    IndexSet set;
    std::vector<int> lists;    // of several centres, one behind the other
    std::size_t n_listed = 0;  // numbers in them
  };

  void wrap(const double* coord, int n, const Cell& cell, NeighborList& out, int workers);
  void add_images(const Cell& cell, double rcut, NeighborList& out, int workers);
  void sort(double rcut, NeighborList& out, int workers);
  template <class First>
  void search(double rcut, NeighborList& out, int workers, const First& prepare);
  static int gather(const Bins& bins, const double* centre, Worker& worker);

  std::vector<double> fraction_;                     // [n, 3] fractional coordinates of the wrapped centres
  std::vector<std::size_t> image_first_;             // [n + 1]
  std::vector<int> centre_;                          // [n] centres in the order of the bins
  std::vector<std::pair<int, std::size_t>> listed_;  // [n] worker, and where in its lists
  Bins bins_;
  std::vector<Worker> worker_;
};

/// One list by NeighborSearch::build; for many lists keep a NeighborSearch.
void build_neighbor_list(const double* coord, int n, const Cell& cell, double rcut, NeighborList& out,
                         int workers = 0);

/// Put the lists of several frames together: centres of all frames first, then the images of all frames.
/// Centre i of frame f becomes i + (centres of the frames before).
void concatenate_neighbor_lists(const NeighborList* frames, std::size_t n_frames, NeighborList& out);

}  // namespace dpcore
