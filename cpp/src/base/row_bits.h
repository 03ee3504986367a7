// SPDX-License-Identifier: MIT
// A set of row numbers seen through a table of fixed-size bit chunks, so that versions of a set can
// share the chunks that are equal (copy on write happens in the engine). Not owned, immutable.
#pragma once

#include <cstddef>
#include <cstdint>

namespace springg::base {

struct RowBits {
  static constexpr std::uint32_t kChunkShift = 15;  // 32,768 rows: 4 KiB a chunk
  static constexpr std::uint32_t kChunkRows = 1U << kChunkShift;
  static constexpr std::size_t kChunkWords = kChunkRows / 64;

  const std::uint64_t* const* chunks = nullptr;  // null table or null entry: no row of it is in
  std::uint32_t chunk_count = 0;
  std::uint32_t size = 0;  // rows in the set

  bool empty() const noexcept { return size == 0; }
  bool test(std::uint32_t row) const noexcept {
    const std::uint32_t chunk = row >> kChunkShift;
    if (chunk >= chunk_count || chunks[chunk] == nullptr) return false;
    const std::uint32_t bit = row & (kChunkRows - 1U);
    return ((chunks[chunk][bit >> 6] >> (bit & 63U)) & 1U) != 0;
  }
};

}  // namespace springg::base
