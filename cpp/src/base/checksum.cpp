// SPDX-License-Identifier: MIT
#include "base/checksum.h"

// Compiled in: a build for another processor then needs the header alone.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace springg::base {

std::uint64_t xxh3(std::span<const std::byte> bytes) noexcept {
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::uint64_t xxh3(std::string_view bytes) noexcept {
  return XXH3_64bits(bytes.data(), bytes.size());
}

}  // namespace springg::base
