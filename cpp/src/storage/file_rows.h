// SPDX-License-Identifier: MIT
// The vectors of a segment's file, read row by row beside its mapping.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/row_reader.h"
#include "io/file_system.h"

namespace springg::storage {

class FileRows final : public base::RowReader {
 public:
  // Row r has `stride` bytes at `offset` + r * stride.
  FileRows(std::unique_ptr<const io::RandomReader> file, std::uint64_t offset,
           std::size_t stride) noexcept
      : file_(std::move(file)), offset_(offset), stride_(stride) {}

  void read(std::span<const std::uint32_t> wanted, std::span<const std::uint32_t> soon,
            std::byte* out) const noexcept override;
  // Whether some row could not be read. It stays so.
  bool failed() const noexcept { return failed_.load(std::memory_order_acquire); }

 private:
  const std::unique_ptr<const io::RandomReader> file_;
  const std::uint64_t offset_;
  const std::size_t stride_;
  mutable std::atomic<bool> failed_{false};
};

}  // namespace springg::storage
