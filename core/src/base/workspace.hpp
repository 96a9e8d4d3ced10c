// SPDX-License-Identifier: LGPL-3.0-or-later
// Scratch memory of one worker, reused from tile to tile and from step to step: no allocation in hot loops.
//
// A stack allocator over a list of blocks: `take` hands out 64-byte aligned arrays, `Scope` gives back all
// that was taken since it was opened. Blocks are kept for reuse; `reset` merges them into one, of what was
// needed at a time: the ends of blocks in which something larger had no room are not.
#pragma once

#include <algorithm>
#include <vector>

#include "base/free_memory.hpp"
#include "base/huge_pages.hpp"
#include "base/views.hpp"

namespace dpcore {

class Workspace {
 public:
  Workspace() = default;
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  Workspace(Workspace&&) = default;

  template <class T>
  T* take(std::size_t n) {
    return reinterpret_cast<T*>(take_bytes(n * sizeof(T)));
  }
  template <class T>
  Vector<T> vector(std::size_t n) {
    return Vector<T>(take<T>(n), n);
  }
  template <class T>
  Matrix<T> matrix(std::size_t n, std::size_t m) {
    return Matrix<T>(take<T>(n * m), n, m);
  }
  template <class T>
  Tensor3<T> tensor(std::size_t n, std::size_t a, std::size_t b) {
    return Tensor3<T>(take<T>(n * a * b), n, a, b);
  }

  /// Forget everything taken; one block large enough for the same demand, and a little more, is kept.
  void reset() {
    if (blocks_.size() > 1) {
      blocks_.clear();
      give_back_freed_memory();
      blocks_.push_back(allocate(most_ + most_ / 16));
    }
    block_ = used_ = taken_ = 0;
  }

  /// Bytes taken.
  std::size_t used() const { return taken_; }

  class Scope {
   public:
    explicit Scope(Workspace& ws) : ws_(ws), block_(ws.block_), used_(ws.used_), taken_(ws.taken_) {}
    ~Scope() {
      ws_.block_ = block_;
      ws_.used_ = used_;
      ws_.taken_ = taken_;
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Workspace& ws_;
    std::size_t block_, used_, taken_;
  };

 private:
  using Block = Kokkos::View<char*, Memory>;

  static Block allocate(std::size_t bytes) {
    Block block(Kokkos::view_alloc(Kokkos::WithoutInitializing, "dpcore::Workspace"), bytes);
    if constexpr (kExecOnHost) ask_for_huge_pages(block.data(), bytes);
    return block;
  }

  char* take_bytes(std::size_t bytes) {
    constexpr std::size_t align = 64;
    bytes = (bytes + align - 1) / align * align;
    taken_ += bytes;
    most_ = std::max(most_, taken_);
    while (block_ < blocks_.size()) {
      if (used_ + bytes <= blocks_[block_].extent(0)) {
        char* p = blocks_[block_].data() + used_;
        used_ += bytes;
        return p;
      }
      ++block_;
      used_ = 0;
    }
    blocks_.push_back(allocate(std::max({bytes, most_ / 4, std::size_t{1} << 16})));
    block_ = blocks_.size() - 1;
    used_ = bytes;
    return blocks_[block_].data();
  }

  std::vector<Block> blocks_;
  std::size_t block_ = 0, used_ = 0;  // where the next array goes
  std::size_t taken_ = 0, most_ = 0;  // bytes
};

/// f(begin, end) for chunks of n rows; what f takes from `ws` is given back after each.
template <class F>
void for_chunks(int n, int chunk, Workspace& ws, const F& f) {
  for (int begin = 0; begin < n; begin += chunk) {
    const Workspace::Scope scope(ws);
    f(begin, std::min(n, begin + chunk));
  }
}

}  // namespace dpcore
