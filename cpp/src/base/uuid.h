// SPDX-License-Identifier: MIT
// 128-bit random names for files, stores and indexes (RFC 9562 version 4).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace springg::base {

struct Uuid {
  std::array<std::uint8_t, 16> bytes{};

  auto operator<=>(const Uuid&) const = default;
  bool nil() const noexcept { return *this == Uuid{}; }
  std::string to_string() const;  // 8-4-4-4-12, lower case
  static std::optional<Uuid> parse(std::string_view text);
  static Uuid random();  // from the system's generator
};

}  // namespace springg::base
