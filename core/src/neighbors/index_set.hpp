// SPDX-License-Identifier: LGPL-3.0-or-later
// A set of small integers that gives its members back in ascending order.
//
// One bit per number, one bit per word of those, and one per word of these: a hundred members out of a
// million cost a few hundred operations, several times less than sorting them. Of few numbers all words of
// the first level are looked at, and the others left alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace dpcore {

class IndexSet {
 public:
  /// Empty set of numbers 0..n-1.
  void reset(std::size_t n) {
    flat_ = n <= kFlat;
    for (auto& level : level_) {
      n = (n + 63) / 64;
      level.assign(n, 0);
    }
  }

  void insert(int i) {
    auto k = static_cast<std::size_t>(static_cast<unsigned>(i));
    if (flat_) {
      level_[0][k >> 6] |= std::uint64_t{1} << (k & 63);
      return;
    }
    for (auto& level : level_) {
      level[k >> 6] |= std::uint64_t{1} << (k & 63);
      k >>= 6;
    }
  }

  /// Remove i, which may be absent.
  void erase(int i) {
    const auto k = static_cast<std::size_t>(static_cast<unsigned>(i));
    level_[0][k >> 6] &= ~(std::uint64_t{1} << (k & 63));
  }

  /// Write the members to `out` in ascending order, make the set empty, return the end of what was written.
  int* drain(int* out) {
    if (flat_) {
      for (std::size_t c = 0; c < level_[0].size(); ++c) {
        for (std::uint64_t word = take(level_[0][c]); word; word &= word - 1) {
          *out++ = static_cast<int>((c << 6) + lowest(word));
        }
      }
      return out;
    }
    for (std::size_t a = 0; a < level_[2].size(); ++a) {
      for (std::uint64_t top = take(level_[2][a]); top; top &= top - 1) {
        const std::size_t b = (a << 6) + lowest(top);
        for (std::uint64_t middle = take(level_[1][b]); middle; middle &= middle - 1) {
          const std::size_t c = (b << 6) + lowest(middle);
          for (std::uint64_t word = take(level_[0][c]); word; word &= word - 1) {
            *out++ = static_cast<int>((c << 6) + lowest(word));
          }
        }
      }
    }
    return out;
  }

 private:
  static std::uint64_t take(std::uint64_t& word) {
    const std::uint64_t value = word;
    word = 0;
    return value;
  }

  /// Position of the lowest set bit of a word that is not 0.
  static std::size_t lowest(std::uint64_t word) {
#if defined(__GNUC__) || defined(__clang__)
    return static_cast<std::size_t>(__builtin_ctzll(word));
#else
    std::size_t k = 0;
    for (; !(word & 1); word >>= 1) ++k;
    return k;
#endif
  }

  static constexpr std::size_t kFlat = 1 << 13;
  bool flat_ = true;
  std::vector<std::uint64_t> level_[3];
};

}  // namespace dpcore
