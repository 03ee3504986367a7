// SPDX-License-Identifier: MIT
// Fixed-width rows in chunks that never move: how the layers above hand each other the vectors,
// norms and links of one part without caring whether they are mapped from a file (one chunk) or
// grow in memory (many).
#pragma once

#include <cstddef>
#include <cstdint>

namespace springg::base {

struct RowTable {
  const std::byte* const* chunks = nullptr;  // not owned; entries of existing rows never change
  std::uint32_t chunk_shift = 31;            // rows a chunk = 1 << chunk_shift
  std::size_t stride = 0;                    // bytes from row to row within a chunk

  const std::byte* row(std::uint32_t r) const noexcept {
    return chunks[r >> chunk_shift] +
           static_cast<std::size_t>(r & ((1U << chunk_shift) - 1U)) * stride;
  }
};

}  // namespace springg::base
