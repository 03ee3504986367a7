// SPDX-License-Identifier: MIT
// The bytes of the write-ahead log: files `wal-<sequence, 16 digits>.log`, each a header of 64
// bytes, then frames, then the zeros that were written ahead (docs/format.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/uuid.h"
#include "springg/status.h"
#include "storage/bytes.h"

namespace springg::storage {

// Position in the log: the number of a frame, from 1 on and without gaps, over all files.
using Lsn = std::uint64_t;

inline constexpr std::size_t kWalHeaderBytes = 64;
inline constexpr std::size_t kWalFrameHeaderBytes = 64;
inline constexpr std::size_t kWalTrailerBytes = 8;
inline constexpr std::size_t kWalPayloadBytesMax = std::size_t{1} << 30;

// Written to disk: never change a number. Above kWalTypeSkippable a reader that does not know the
// type may pass over the frame; below, it refuses the log.
enum class WalType : std::uint16_t { kRows = 1, kDelete = 2, kMetadata = 3, kSegment = 4 };
inline constexpr std::uint16_t kWalTypeSkippable = 0x8000;

// What the owner of the log puts into a frame.
struct WalRecord {
  std::uint32_t index_ref = 0;  // of the manifest's index; see IndexEntry::ref
  WalType type = WalType::kRows;
  std::span<const std::byte> payload;
};

// One frame as it was read. `payload` is valid during the visit.
struct WalFrame {
  Lsn lsn = 0;
  Lsn durable_lsn = 0;      // everything up to here was on the disk when the frame was made
  std::uint64_t stamp = 0;  // milliseconds since 1970 << 16 when it was made
  WalRecord record;
};

struct WalFileHeader {
  base::Uuid store;
  std::uint64_t sequence = 0;  // as in the name
  Lsn first_lsn = 1;
  std::uint64_t salt = 0;  // random; never 0
  // Of the file before this one, by sequence: bytes that count. What lies behind them was cut off
  // by recovery, or is zeros. 0: no file before this one counts.
  std::uint64_t previous_bytes = 0;
};

std::string wal_file_name(std::uint64_t sequence);
// None when the name is another file's.
std::optional<std::uint64_t> wal_file_sequence(std::string_view name);

}  // namespace springg::storage
