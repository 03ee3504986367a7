// SPDX-License-Identifier: MIT
// CRC-32C (Castagnoli, RFC 3720): the checksum of the log (a format: never change). By the
// processor's instruction where it has one, about 8 bytes every 3 cycles; else by tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace springg::base {

// Goes on from `seed`: crc32c(crc32c(s, a), b) is the checksum of a and b together. 0 starts the
// plain checksum of RFC 3720; a secret seed gives one that other files' bytes do not pass.
std::uint32_t crc32c(std::uint32_t seed, std::span<const std::byte> bytes) noexcept;

// The same without the processor's instruction, for processors that lack it and for tests.
std::uint32_t crc32c_by_tables(std::uint32_t seed, std::span<const std::byte> bytes) noexcept;

}  // namespace springg::base
