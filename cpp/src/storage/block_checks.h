// SPDX-License-Identifier: MIT
// Checksums of a section's blocks that are compared when a block is first asked for, instead of
// when the file is opened: opening does not read the section, and what is read is compared all the
// same, once.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "io/file_system.h"
#include "springg/status.h"

namespace springg::storage {

// Whether block number `block` of a padded section is the one its checksum was made of.
bool block_matches(std::span<const std::byte> extent, std::span<const std::byte> checksums,
                   std::uint64_t block) noexcept;

// Any thread.
class BlockChecks {
 public:
  // `extent` is the section with its padding, `checksums` those of its blocks: both mapped for as
  // long as this lives. kResourceExhausted.
  static Result<std::unique_ptr<BlockChecks>> create(std::span<const std::byte> extent,
                                                     std::span<const std::byte> checksums);

  // Blocks are read from the file then, `offset` being where the section begins in it, so that
  // their pages are not mapped; where that fails the section itself is looked at. Before anything
  // is compared; the reader lives as long as this.
  void read_through(const io::RandomReader& reader, std::uint64_t offset) noexcept {
    reader_ = &reader;
    offset_ = offset;
  }
  // Every block was compared and none differs, so that there is nothing left to ask. One load.
  bool passed() const noexcept { return left_.load(std::memory_order_acquire) == 0; }
  // Compares the blocks that bytes [begin, end) of the section lie in and that were not yet.
  void compare(std::uint64_t begin, std::uint64_t end) noexcept;
  // Where in the section the first block begins that was found to differ. It stays so. One load.
  std::optional<std::uint64_t> damage() const noexcept;

 private:
  BlockChecks(std::span<const std::byte> extent, std::span<const std::byte> checksums,
              std::unique_ptr<std::atomic<bool>[]> compared) noexcept;
  bool matches(std::uint64_t block) const noexcept;
  void compare_block(std::uint64_t block) noexcept;

  const std::span<const std::byte> extent_;
  const std::span<const std::byte> checksums_;
  const io::RandomReader* reader_ = nullptr;
  std::uint64_t offset_ = 0;
  const std::unique_ptr<std::atomic<bool>[]> compared_;  // a block each
  std::atomic<std::uint64_t> left_;                      // blocks that have not passed
  std::atomic<std::uint64_t> damage_;
};

}  // namespace springg::storage
