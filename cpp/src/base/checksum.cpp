// SPDX-License-Identifier: MIT
#include "base/checksum.h"

#include <xxhash.h>

namespace springg::base {

std::uint64_t xxh3(std::span<const std::byte> bytes) noexcept {
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::uint64_t xxh3(std::string_view bytes) noexcept {
  return XXH3_64bits(bytes.data(), bytes.size());
}

}  // namespace springg::base
