// SPDX-License-Identifier: LGPL-3.0-or-later
// CRC-32 (polynomial 0x04C11DB7 reflected, start and final value 0xFFFFFFFF): the one of zlib, PNG and
// Ethernet, so that any tool can check our files; crc32("123456789") = 0xcbf43926.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace dpcore {

class Crc32 {
 public:
  /// Take in n bytes.
  void add(const void* data, std::size_t n) {
    const auto* p = static_cast<const unsigned char*>(data);
    std::uint32_t c = state_;
    // Eight bytes at a time: table k advances a byte by k further zero bytes.
    for (; n >= 8; n -= 8, p += 8) {
      c ^= word(p);
      const std::uint32_t d = word(p + 4);
      c = kTable[7][c & 255] ^ kTable[6][(c >> 8) & 255] ^ kTable[5][(c >> 16) & 255] ^ kTable[4][c >> 24] ^
          kTable[3][d & 255] ^ kTable[2][(d >> 8) & 255] ^ kTable[1][(d >> 16) & 255] ^ kTable[0][d >> 24];
    }
    for (; n > 0; --n, ++p) c = kTable[0][(c ^ *p) & 255] ^ (c >> 8);
    state_ = c;
  }

  std::uint32_t value() const { return ~state_; }

 private:
  using Table = std::array<std::array<std::uint32_t, 256>, 8>;

  static constexpr Table make_table() {
    Table table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t c = i;
      for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ (c & 1 ? 0xEDB88320U : 0U);
      table[0][i] = c;
    }
    for (std::size_t k = 1; k < 8; ++k) {
      for (std::size_t i = 0; i < 256; ++i) {
        table[k][i] = (table[k - 1][i] >> 8) ^ table[0][table[k - 1][i] & 255];
      }
    }
    return table;
  }

  static std::uint32_t word(const unsigned char* p) {
    return p[0] | static_cast<std::uint32_t>(p[1]) << 8 | static_cast<std::uint32_t>(p[2]) << 16 |
           static_cast<std::uint32_t>(p[3]) << 24;
  }

  static const Table kTable;
  std::uint32_t state_ = 0xFFFFFFFFU;
};

inline constexpr Crc32::Table Crc32::kTable = Crc32::make_table();

}  // namespace dpcore
