// SPDX-License-Identifier: MIT
#include "storage/file_rows.h"

#include <array>
#include <cstring>

namespace springg::storage {

void FileRows::read(std::span<const std::uint32_t> wanted, std::span<const std::uint32_t> soon,
                    std::byte* out) const noexcept {
  static_assert(kRowsMax <= io::RandomReader::kRangesMax);
  std::array<io::FileRange, kRowsMax> ranges;
  std::size_t count = 0;
  const auto add = [&](std::uint32_t row, std::byte* to) {
    ranges[count++] = {offset_ + std::uint64_t{row} * stride_, {to, stride_}};
  };
  for (std::size_t i = 0; i < wanted.size(); ++i) add(wanted[i], out + i * stride_);
  // Never filled: only where and how much of it counts.
  for (const std::uint32_t row : soon) add(row, out);
  const std::span<const io::FileRange> all(ranges.data(), count);
  if (file_->read(all.first(wanted.size()), all.subspan(wanted.size()))) return;
  std::memset(out, 0, wanted.size() * stride_);
  failed_.store(true, std::memory_order_release);
}

}  // namespace springg::storage
