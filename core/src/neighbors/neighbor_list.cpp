// SPDX-License-Identifier: LGPL-3.0-or-later
#include "neighbors/neighbor_list.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <sstream>
#include <string>

#include "base/runtime.hpp"
#include "dpcore/errors.h"

namespace dpcore {
namespace {

/// Positions beyond this are not positions in A; below, a double still resolves 1e-7 A.
constexpr double kFarthest = 1e9;
/// More images of one atom than this are refused: no physical cell is that thin.
constexpr double kMostImages = 1e6;
/// Added to the fractional range in which images are kept: above the rounding of fractions.
constexpr double kFractionSlack = 1e-9;
/// Atoms per piece of work, and the system sizes below which one thread is faster than several: at the
/// search, and at wrapping and images, which are less work than to wake the others.
constexpr int kBlock = 16;
constexpr int kSmall = 128, kSmallImages = 1024;
constexpr int kAtOnce = 4096;  // atoms of a system whose lists may lie in memory twice

std::size_t u(int i) { return static_cast<std::size_t>(i); }

int choose_workers(int wanted, int n) {
  if (wanted == 1 || n < kSmall) return 1;
  const int most = wanted > 0 ? wanted : n_threads();
  return std::max(1, std::min(most, (n + kBlock - 1) / kBlock));
}

/// f(worker, begin, end) over blocks of 0..n-1 after first(); blocks go to whichever worker is free.
template <class First, class F>
void for_each_block_after(int workers, int n, const First& first, const F& f) {
  if (workers == 1) {
    first();
    f(0, 0, n);
    return;
  }
  std::atomic<int> next{0};
  const int n_blocks = (n + kBlock - 1) / kBlock;
  run_workers_after(workers, first, [&](int worker) {
    for (int b = next++; b < n_blocks; b = next++) f(worker, b * kBlock, std::min(n, (b + 1) * kBlock));
  });
}
template <class F>
void for_each_block(int workers, int n, const F& f) {
  for_each_block_after(workers, n, [] {}, f);
}

void check_input(const double* coord, int n, double rcut) {
  if (n < 0) throw Error("neighbour list: the number of atoms is " + std::to_string(n));
  if (!(rcut > 0) || !(rcut < kFarthest)) {
    throw Error("neighbour list: the cut-off is " + std::to_string(rcut) + " A; expected a positive length");
  }
  for (std::size_t k = 0; k < 3 * u(n); ++k) {
    if (std::abs(coord[k]) <= kFarthest) continue;
    const double* r = coord + k - k % 3;
    std::ostringstream text;
    text << "coord: atom " << k / 3 << " (counted from 0) is at (" << r[0] << ", " << r[1] << ", " << r[2]
         << "); expected finite positions in A, at most " << kFarthest << " from the origin";
    throw Error(text.str());
  }
}

/// Which images can lie within rcut of any centre: fractions in [low, high) and positions in [lo, hi].
struct ImageRange {
  double low[3], high[3], lo[3], hi[3];
};

ImageRange image_range(const Cell& cell, double rcut, const NeighborList& list, const double* fraction) {
  ImageRange range;
  double most = 1;
  for (int d = 0; d < 3; ++d) {
    double low = fraction[d], high = low, lo = list.coord[u(d)], hi = lo;
    for (std::size_t k = u(d); k < 3 * u(list.n_local); k += 3) {
      low = std::min(low, fraction[k]);
      high = std::max(high, fraction[k]);
      lo = std::min(lo, list.coord[k]);
      hi = std::max(hi, list.coord[k]);
    }
    const double margin = rcut / cell.face_distance(d) + kFractionSlack;
    const double reach = rcut + kFractionSlack * (1 + rcut + std::abs(lo) + std::abs(hi));
    range.low[d] = low - margin;
    range.high[d] = high + margin;
    range.lo[d] = lo - reach;
    range.hi[d] = hi + reach;
    if (cell.pbc[d]) most *= std::max(1.0, high - low + 2 * margin);
  }
  if (most > kMostImages) {
    std::ostringstream text;
    text << "box: distances of " << cell.face_distance(0) << ", " << cell.face_distance(1) << " and "
         << cell.face_distance(2) << " A between opposite faces give about " << most
         << " images of each atom within the cut-off of " << rcut << " A; is the box in A?";
    throw Error(text.str());
  }
  return range;
}

/// Call f(r) with the position of each image of one centre that is in range, by ascending shift.
template <class F>
void for_each_image(const Cell& cell, const ImageRange& range, const double* s, const double* r, const F& f) {
  int from[3] = {0, 0, 0}, to[3] = {0, 0, 0};
  for (int d = 0; d < 3; ++d) {
    if (!cell.pbc[d]) continue;
    from[d] = static_cast<int>(std::ceil(range.low[d] - s[d]));
    to[d] = static_cast<int>(std::floor(range.high[d] - s[d]));
  }
  const double* h = cell.h;
  for (int a = from[0]; a <= to[0]; ++a) {
    for (int b = from[1]; b <= to[1]; ++b) {
      for (int c = from[2]; c <= to[2]; ++c) {
        if (a == 0 && b == 0 && c == 0) continue;
        double image[3];
        bool inside = true;
        for (int k = 0; k < 3; ++k) {
          image[k] = r[k] + (a * h[k] + b * h[3 + k] + c * h[6 + k]);
          inside = inside && image[k] >= range.lo[k] && image[k] <= range.hi[k];
        }
        if (inside) f(image);
      }
    }
  }
}

}  // namespace

void NeighborSearch::build(const double* coord, int n, const Cell& cell, double rcut, NeighborList& out,
                           int workers) {
  check_input(coord, n, rcut);
  workers = choose_workers(workers, n);
  out.n_local = n;
  const auto prepare = [&](int threads) {
    wrap(coord, n, cell, out, threads);
    if (n > 0 && cell.periodic) add_images(cell, rcut, out, threads);
    sort(rcut, out, workers);
  };
  const bool small = n < kSmallImages;
  if (!small) prepare(workers);
  search(rcut, out, workers, [&] {
    if (small) prepare(1);
  });
}

/// r - floor(s) h along periodic directions. Positions inside the cell keep their bits; those that rounding
/// leaves on the upper face (s = 1) go round again.
void NeighborSearch::wrap(const double* coord, int n, const Cell& cell, NeighborList& out, int workers) {
  out.coord.resize(3 * u(n));
  out.owner.resize(u(n));
  fraction_.resize(3 * u(n));
  for_each_block(workers, n, [&](int, int begin, int end) {
    for (std::size_t i = u(begin); i < u(end); ++i) {
      double* r = &out.coord[3 * i];
      double* s = &fraction_[3 * i];
      std::copy_n(coord + 3 * i, 3, r);
      out.owner[i] = static_cast<int>(i);
      bool moved = true;
      for (int pass = 0; pass < 4 && moved; ++pass) {
        cell.to_fractional(r, s);
        moved = false;
        for (int d = 0; d < 3; ++d) {
          const double shift = cell.pbc[d] ? std::floor(s[d]) : 0;
          if (shift == 0) continue;
          moved = true;
          for (int k = 0; k < 3; ++k) r[k] -= shift * cell.h[3 * d + k];
        }
      }
      if (moved) cell.to_fractional(r, s);
    }
  });
}

void NeighborSearch::add_images(const Cell& cell, double rcut, NeighborList& out, int workers) {
  const int n = out.n_local;
  const ImageRange range = image_range(cell, rcut, out, fraction_.data());
  image_first_.resize(u(n) + 1);
  for_each_block(workers, n, [&](int, int begin, int end) {
    for (std::size_t i = u(begin); i < u(end); ++i) {
      std::size_t count = 0;
      for_each_image(cell, range, &fraction_[3 * i], &out.coord[3 * i], [&](const double*) { ++count; });
      image_first_[i + 1] = count;
    }
  });
  image_first_[0] = u(n);
  for (std::size_t i = 0; i < u(n); ++i) image_first_[i + 1] += image_first_[i];
  const std::size_t n_all = image_first_[u(n)];
  if (n_all > u(std::numeric_limits<int>::max())) {
    throw Error("neighbour list: " + std::to_string(n) + " atoms have " + std::to_string(n_all - u(n)) +
                " periodic images within the cut-off; at most 2^31 atoms and images fit in one list");
  }
  out.coord.resize(3 * n_all);
  out.owner.resize(n_all);
  for_each_block(workers, n, [&](int, int begin, int end) {
    for (std::size_t i = u(begin); i < u(end); ++i) {
      std::size_t place = image_first_[i];
      for_each_image(cell, range, &fraction_[3 * i], &out.coord[3 * i], [&](const double* image) {
        std::copy_n(image, 3, &out.coord[3 * place]);
        out.owner[place++] = static_cast<int>(i);
      });
    }
  });
}

/// r^2 between one centre and its candidates, run after run without holes; returns their number.
/// Never inlined: the count and the list have to see the same bits.
#if defined(__GNUC__) || defined(__clang__)
__attribute__((noinline))
#endif
int NeighborSearch::gather(const Bins& bins, const double* centre, Worker& worker) {
  constexpr int kWidth = static_cast<int>(Bins::kPadding);
  const double cx = centre[0], cy = centre[1], cz = centre[2];
  int n = 0;
  worker.run.clear();
  bins.for_each_run(centre, [&](int begin, int end) {
    worker.run.push_back(begin);
    worker.run.push_back(end);
    const std::size_t needed = u(n) + u(end - begin) + Bins::kPadding;
    if (worker.square.size() < needed) worker.square.resize(2 * needed);
    const double* x = bins.x() + begin;
    const double* y = bins.y() + begin;
    const double* z = bins.z() + begin;
    double* square = worker.square.data() + n;
    // Whole blocks: what lies behind the end of a run is overwritten by the next run or not looked at.
    for (int p = 0; p < end - begin; p += kWidth) {
#pragma omp simd
      for (int k = p; k < p + kWidth; ++k) {
        const double dx = x[k] - cx, dy = y[k] - cy, dz = z[k] - cz;
        square[k] = dx * dx + dy * dy + dz * dz;
      }
    }
    n += end - begin;
  });
  return n;
}

/// What the search needs: bins, centres in their order, and workers.
void NeighborSearch::sort(double rcut, NeighborList& out, int workers) {
  const int n = out.n_local, n_all = out.n_all();
  bins_.build(out.coord.data(), n_all, rcut);
  centre_.clear();
  for (int p = 0; p < n_all; ++p) {
    if (bins_.index()[p] < n) centre_.push_back(bins_.index()[p]);
  }
  worker_.resize(std::max(worker_.size(), u(workers)));
  for (std::size_t w = 0; w < u(workers); ++w) {
    worker_[w].set.reset(u(n_all));
    worker_[w].n_listed = 0;
  }
  if (n <= kAtOnce) listed_.resize(u(n));
  out.first.assign(u(n) + 1, 0);
}

template <class First>
void NeighborSearch::search(double rcut, NeighborList& out, int workers, const First& prepare) {
  const int n = out.n_local;
  const double rcut2 = rcut * rcut;
  // The neighbours of the centre that was gathered last, ascending; room for all candidates. Returns the end.
  const auto list = [&](Worker& worker, int centre, int n_candidates, int* to) {
    worker.found.resize(std::max(worker.found.size(), u(n_candidates) + 1));
    int* found = worker.found.data();
    const double* square = worker.square.data();
    int count = 0;
    for (std::size_t q = 0; q < worker.run.size(); q += 2) {
      const int* index = bins_.index() + worker.run[q];
      const int length = worker.run[q + 1] - worker.run[q];
      for (int k = 0; k < length; ++k) {
        found[count] = index[k];
        count += square[k] < rcut2;
      }
      square += length;
    }
    for (int k = 0; k < count; ++k) worker.set.insert(found[k]);
    worker.set.erase(centre);
    return worker.set.drain(to);
  };
  // Few atoms are listed at once, by each worker for itself; of many the neighbours are counted first, so
  // that the memory is that of the list.
  const bool at_once = n <= kAtOnce;
  for_each_block_after(workers, n, prepare, [&](int w, int begin, int end) {
    Worker& worker = worker_[u(w)];
    for (int c = begin; c < end; ++c) {
      const int i = centre_[u(c)], n_candidates = gather(bins_, &out.coord[3 * u(i)], worker);
      if (at_once) {
        const std::size_t at = worker.n_listed, needed = at + u(n_candidates);
        if (worker.lists.size() < needed) worker.lists.resize(2 * needed);
        int* const to = worker.lists.data() + at;
        worker.n_listed += static_cast<std::size_t>(list(worker, i, n_candidates, to) - to);
        listed_[u(i)] = {w, at};
        out.first[u(i) + 1] = worker.n_listed - at;
        continue;
      }
      const double* square = worker.square.data();
      int count = 0;
      for (int k = 0; k < n_candidates; ++k) count += square[k] < rcut2;
      out.first[u(i) + 1] = u(count - 1);  // the centre is one of its candidates
    }
  });
  for (std::size_t i = 0; i < u(n); ++i) out.first[i + 1] += out.first[i];
  out.neighbor.resize(out.first[u(n)]);
  if (at_once) {
    for (std::size_t i = 0; i < u(n); ++i) {
      const auto [w, at] = listed_[i];
      std::copy_n(worker_[u(w)].lists.data() + at, out.first[i + 1] - out.first[i],
                  out.neighbor.data() + out.first[i]);
    }
    return;
  }
  for_each_block(workers, n, [&](int w, int begin, int end) {
    for (int c = begin; c < end; ++c) {
      const int i = centre_[u(c)], n_candidates = gather(bins_, &out.coord[3 * u(i)], worker_[u(w)]);
      list(worker_[u(w)], i, n_candidates, out.neighbor.data() + out.first[u(i)]);
    }
  });
}

void build_neighbor_list(const double* coord, int n, const Cell& cell, double rcut, NeighborList& out,
                         int workers) {
  NeighborSearch().build(coord, n, cell, rcut, out, workers);
}

void concatenate_neighbor_lists(const NeighborList* frames, std::size_t n_frames, NeighborList& out) {
  std::size_t n_local = 0, n_all = 0, n_pairs = 0;
  for (std::size_t f = 0; f < n_frames; ++f) {
    n_local += u(frames[f].n_local);
    n_all += u(frames[f].n_all());
    n_pairs += frames[f].n_pairs();
  }
  if (n_all > u(std::numeric_limits<int>::max())) {
    throw Error("neighbour list: " + std::to_string(n_frames) + " frames have " + std::to_string(n_all) +
                " atoms and images together; at most 2^31 fit in one list, take fewer frames at a time");
  }
  out.n_local = static_cast<int>(n_local);
  out.coord.resize(3 * n_all);
  out.owner.resize(n_all);
  out.first.resize(n_local + 1);
  out.neighbor.resize(n_pairs);
  out.first[0] = 0;
  std::size_t centre = 0, image = n_local, pair = 0;
  for (std::size_t f = 0; f < n_frames; ++f) {
    const NeighborList& list = frames[f];
    const std::size_t n = u(list.n_local);
    const int local_shift = static_cast<int>(centre), image_shift = static_cast<int>(image - n);
    std::copy_n(list.coord.begin(), 3 * n, out.coord.begin() + static_cast<std::ptrdiff_t>(3 * centre));
    std::copy(list.coord.begin() + static_cast<std::ptrdiff_t>(3 * n), list.coord.end(),
              out.coord.begin() + static_cast<std::ptrdiff_t>(3 * image));
    for (std::size_t i = 0; i < n; ++i) {
      out.owner[centre + i] = local_shift + static_cast<int>(i);
      out.first[centre + i + 1] = pair + list.first[i + 1];
    }
    for (std::size_t i = n; i < list.owner.size(); ++i)
      out.owner[image + i - n] = local_shift + list.owner[i];
    for (const int j : list.neighbor)
      out.neighbor[pair++] = j + (j < list.n_local ? local_shift : image_shift);
    centre += n;
    image += list.owner.size() - n;
  }
}

}  // namespace dpcore
