// SPDX-License-Identifier: MIT
#include "engine/utf8.h"

#include <cstddef>
#include <cstdint>

namespace springg::engine {

namespace {

// Bytes of the character that starts with `lead`, and the range of its second byte.
struct Lead {
  std::size_t bytes = 0;  // 0: no character starts so
  std::uint8_t second_min = 0x80;
  std::uint8_t second_max = 0xbf;
};

Lead classify(std::uint8_t lead) noexcept {
  if (lead < 0x80) return {.bytes = 1};
  if (lead < 0xc2) return {};
  if (lead < 0xe0) return {.bytes = 2};
  if (lead == 0xe0) return {.bytes = 3, .second_min = 0xa0};
  if (lead == 0xed) return {.bytes = 3, .second_max = 0x9f};
  if (lead < 0xf0) return {.bytes = 3};
  if (lead == 0xf0) return {.bytes = 4, .second_min = 0x90};
  if (lead < 0xf4) return {.bytes = 4};
  if (lead == 0xf4) return {.bytes = 4, .second_max = 0x8f};
  return {};
}

}  // namespace

bool is_utf8(std::string_view bytes) noexcept {
  for (std::size_t i = 0; i < bytes.size();) {
    const Lead lead = classify(static_cast<std::uint8_t>(bytes[i]));
    if (lead.bytes == 0 || bytes.size() - i < lead.bytes) return false;
    for (std::size_t j = 1; j < lead.bytes; ++j) {
      const auto byte = static_cast<std::uint8_t>(bytes[i + j]);
      const std::uint8_t low = j == 1 ? lead.second_min : std::uint8_t{0x80};
      const std::uint8_t high = j == 1 ? lead.second_max : std::uint8_t{0xbf};
      if (byte < low || byte > high) return false;
    }
    i += lead.bytes;
  }
  return true;
}

}  // namespace springg::engine
