// SPDX-License-Identifier: MIT
// What the bytes behind the last whole frame of the newest file say about how they came about: a
// write that was never finished (torn), or damage to what was written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "storage/wal_format.h"

namespace springg::storage {

// The frame that should be at `offset` and is not.
struct WalBadFrame {
  std::uint64_t offset = 0;
  Lsn lsn = 0;  // that it would have
  // As its header says, where that verifies.
  std::optional<std::uint64_t> frame_bytes;
  Lsn durable = 0;  // known from elsewhere to be on the disk
};

// Whether the frame had been written completely: then what is wrong with it is damage. `file` is
// the whole newest file.
bool was_written(std::span<const std::byte> file, std::uint64_t salt, const WalBadFrame& bad);

// Where the first frame behind `from` begins whose header verifies and whose position is above
// `above` and at most `through`. For going on behind damage to frames that nobody needs any more.
std::optional<std::uint64_t> next_whole_frame(std::span<const std::byte> file, std::uint64_t salt,
                                              std::uint64_t from, Lsn above, Lsn through);

// The end of the last byte that is not zero, at least `offset`.
std::uint64_t end_of_bytes(std::span<const std::byte> file, std::uint64_t offset);

}  // namespace springg::storage
