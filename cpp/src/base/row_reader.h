// SPDX-License-Identifier: MIT
// Rows that are read into the caller's memory, for those who compare few of very many: how vectors
// stay on the disk while the layers above know of no file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace springg::base {

// Any thread, also several at a time; takes no memory.
class RowReader {
 public:
  virtual ~RowReader() = default;
  // Rows of one call, `wanted` and `soon` together.
  static constexpr std::size_t kRowsMax = 256;
  // Copies the rows `wanted` one behind the other to `out`. Where that takes time, `soon` says what
  // will probably be wanted next. What cannot be read is zeros, and whoever keeps the rows knows.
  virtual void read(std::span<const std::uint32_t> wanted, std::span<const std::uint32_t> soon,
                    std::byte* out) const noexcept = 0;
};

}  // namespace springg::base
