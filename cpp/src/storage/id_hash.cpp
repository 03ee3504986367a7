// SPDX-License-Identifier: MIT
#include <array>
#include <cstring>

#include "base/checksum.h"
#include "springg/options.h"
#include "storage/id_section.h"

namespace springg::storage {

std::uint64_t hash_id(const IdView& id) noexcept {
  // One run over kind and bytes is much faster than a streaming hash of the two. No longer id is
  // ever stored; one that is asked for is cut, and found to differ.
  std::array<char, 1 + limits::kIdBytesMax> text;
  const std::size_t length = id.bytes.size() < text.size() - 1 ? id.bytes.size() : text.size() - 1;
  text[0] = static_cast<char>(id.kind);
  std::memcpy(text.data() + 1, id.bytes.data(), length);
  return base::xxh3(std::string_view(text.data(), length + 1));
}

}  // namespace springg::storage
