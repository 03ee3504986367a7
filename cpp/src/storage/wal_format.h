// SPDX-License-Identifier: MIT
// The bytes of the write-ahead log: files `wal-<sequence, 16 digits>.log`, each a header of 64
// bytes, then frames, then the zeros that were written ahead (docs/format.md).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/random_source.h"
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
// A file's size is a multiple of 8, so that 32 bits hold it.
inline constexpr std::uint64_t kWalFileBytesMax = std::uint64_t{16} << 30;
// What a disk writes as a whole or not at all.
inline constexpr std::size_t kSectorBytes = 512;

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
  std::uint64_t stamp = 0;  // milliseconds since 1970 << 16 when it was made; always growing
  WalRecord record;
};

// A record that recovery writes again.
struct WalTailRecord {
  std::uint64_t stamp = 0;
  std::uint32_t index_ref = 0;
  WalType type = WalType::kRows;
  std::vector<std::byte> payload;
};

struct WalFileHeader {
  base::Uuid store;
  std::uint64_t sequence = 0;  // as in the name
  Lsn first_lsn = 1;
  std::uint64_t salt = 0;  // random; no byte of it is 0
  // Of the file before this one, by sequence: bytes that count. What lies behind them was cut off
  // by recovery, or is zeros. 0: no file before this one counts.
  std::uint64_t previous_bytes = 0;
  std::uint32_t previous_crc = 0;  // checksum of the last header in them: the chain goes on
  std::uint64_t file_bytes = 0;    // of this file, the zeros included
};

// A file as recovery found it.
struct WalFileStart {
  std::uint64_t sequence = 0;
  Lsn first_lsn = 0;  // 0: not known, and not above what the caller needs
};

std::string wal_file_name(std::uint64_t sequence);
// None when the name is another file's.
std::optional<std::uint64_t> wal_file_sequence(std::string_view name);

// From the random numbers, and without a zero byte: what is whitened with it differs from zeros.
std::uint64_t make_wal_salt(base::RandomSource random);

using WalHeaderBytes = std::array<std::byte, kWalHeaderBytes>;
WalHeaderBytes encode_wal_header(const WalFileHeader& header);
// The checksum that the first frame's `previous_crc` repeats.
std::uint32_t wal_header_crc(std::span<const std::byte> header) noexcept;
// From the first bytes of a file of `file.size()` bytes. kCorruption, kUnsupported.
Result<WalFileHeader> decode_wal_header(const std::string& path, std::span<const std::byte> file);

struct WalFrameHeader {
  std::uint32_t payload_bytes = 0;
  Lsn lsn = 0;
  Lsn durable_lsn = 0;
  std::uint64_t stamp = 0;
  std::uint64_t origin = 0;  // 0
  std::uint32_t index_ref = 0;
  std::uint16_t type = 0;
  std::uint16_t flags = 0;         // 0
  std::uint32_t previous_crc = 0;  // header_crc of the frame before, or of the file's header
  std::uint32_t payload_crc = 0;
  std::uint32_t reserved = 0;  // 0
  std::uint32_t header_crc = 0;
};

constexpr std::uint64_t wal_frame_bytes(std::uint64_t payload_bytes) noexcept {
  return kWalFrameHeaderBytes + (payload_bytes + 7) / 8 * 8 + kWalTrailerBytes;
}

constexpr std::uint64_t wal_trailer(Lsn lsn, std::uint64_t salt) noexcept { return lsn ^ salt; }

// Writes wal_frame_bytes() bytes to `out` and returns the frame's header_crc.
std::uint32_t encode_wal_frame(std::span<std::byte> out, std::uint64_t salt, const WalFrame& frame,
                               std::uint32_t previous_crc) noexcept;
// None unless marker and checksum hold; only then may `payload_bytes` be believed.
std::optional<WalFrameHeader> decode_wal_frame_header(std::span<const std::byte> bytes,
                                                      std::uint64_t salt) noexcept;
// The end of a frame tells whether the write of it came to its end.
enum class WalTrailer {
  kWhole,
  kUnfinished,  // its first bytes, none included, and zeros
  kDamaged,
};
WalTrailer wal_trailer_of(std::span<const std::byte> frame, Lsn lsn, std::uint64_t salt) noexcept;
// Whether payload and padding are what was written. The trailer may be unfinished: nothing else of
// the frame is, and to cut it for that would be to believe a byte without a checksum.
bool wal_payload_holds(const WalFrameHeader& header, std::span<const std::byte> frame,
                       std::uint64_t salt) noexcept;
// The payload of a whole frame, as it was before it was whitened. `out` has payload_bytes.
void decode_wal_payload(std::span<std::byte> out, std::span<const std::byte> frame,
                        std::uint64_t salt) noexcept;

// Whether the bytes from `offset` on start as a frame does: cheap, for a search.
bool starts_wal_frame(std::span<const std::byte> bytes, std::size_t offset) noexcept;

}  // namespace springg::storage
