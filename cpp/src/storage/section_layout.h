// SPDX-License-Identifier: MIT
// Offsets in the header page, for the two files that write and read it (docs/format.md).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "storage/section_file.h"

namespace springg::storage::header {

// The last four bytes tell a file that went through a text-mode transfer.
inline constexpr std::array<char, 12> kMagic{'s', 'p',  'r',  'i',    'n',  'g',
                                             'g', '\r', '\n', '\x1a', '\n', '\0'};
inline constexpr std::size_t kMinReader = 12;        // u32; up to here never changes
inline constexpr std::size_t kHeaderChecksum = 16;   // u64, of the page with this field 0; neither
inline constexpr std::size_t kVersion = 24;          // u32
inline constexpr std::size_t kKind = 28;             // u32
inline constexpr std::size_t kUuid = 32;             // 16 bytes
inline constexpr std::size_t kFileBytes = 48;        // u64
inline constexpr std::size_t kSectionCount = 56;     // u32
inline constexpr std::size_t kChecksumsOffset = 64;  // u64
inline constexpr std::size_t kChecksumsBytes = 72;   // u64, without padding
inline constexpr std::size_t kChecksumsChecksum = 80;  // u64, of the padded extent
inline constexpr std::size_t kTable = 128;

inline constexpr std::size_t kEntryBytes = 32;
inline constexpr std::size_t kEntryKind = 0;         // u32
inline constexpr std::size_t kEntryVersion = 4;      // u32
inline constexpr std::size_t kEntryFlags = 8;        // u32
inline constexpr std::size_t kEntryOffset = 16;      // u64
inline constexpr std::size_t kEntryBytesField = 24;  // u64, without padding

static_assert(kTable + kSectionsMax * kEntryBytes <= kPageBytes);

}  // namespace springg::storage::header

namespace springg::storage {

// Overflow: only for what was checked to be below 2^63.
constexpr std::uint64_t padded(std::uint64_t bytes) noexcept {
  return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
}

constexpr std::uint64_t blocks_of(std::uint64_t padded_bytes) noexcept {
  return (padded_bytes + kBlockBytes - 1) / kBlockBytes;
}

}  // namespace springg::storage
