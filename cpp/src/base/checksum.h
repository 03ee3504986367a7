// SPDX-License-Identifier: MIT
// XXH3-64 with seed 0: the checksum of files and the hash of ids (both are formats: never change).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace springg::base {

std::uint64_t xxh3(std::span<const std::byte> bytes) noexcept;
std::uint64_t xxh3(std::string_view bytes) noexcept;

}  // namespace springg::base
