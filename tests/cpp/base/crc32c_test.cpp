// SPDX-License-Identifier: MIT
#include "base/crc32c.h"

#include <random>
#include <string_view>
#include <vector>

#include "base/random_source.h"
#include "catch.h"

namespace springg::base {

namespace {

std::vector<std::byte> ascending() {
  std::vector<std::byte> bytes(32);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i);
  return bytes;
}

}  // namespace

TEST_CASE("checksums are those of RFC 3720, by the instruction and by tables") {
  using Crc = std::uint32_t (*)(std::uint32_t, std::span<const std::byte>) noexcept;
  for (const Crc crc : {static_cast<Crc>(crc32c), static_cast<Crc>(crc32c_by_tables)}) {
    const auto up = ascending();
    const std::vector<std::byte> down(up.rbegin(), up.rend());
    CHECK(crc(0, std::vector<std::byte>(32)) == 0x8a9136aaU);
    CHECK(crc(0, std::vector<std::byte>(32, std::byte{0xff})) == 0x62a8ab43U);
    CHECK(crc(0, up) == 0x46dd794eU);
    CHECK(crc(0, down) == 0x113fdb5cU);
    CHECK(crc(0, std::as_bytes(std::span(std::string_view("123456789")))) == 0xe3069283U);
    CHECK(crc(0, {}) == 0);
  }
}

TEST_CASE("both ways agree at every length, alignment and seed, in one piece or two") {
  std::mt19937 random(7);
  std::vector<std::byte> bytes(300);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  for (std::size_t offset = 0; offset < 9; ++offset) {
    for (std::size_t size = 0; size + offset <= bytes.size(); ++size) {
      const auto part = std::span<const std::byte>(bytes).subspan(offset, size);
      const auto seed = static_cast<std::uint32_t>(random());
      const std::uint32_t whole = crc32c(seed, part);
      REQUIRE(whole == crc32c_by_tables(seed, part));
      const std::size_t cut = size / 3;
      REQUIRE(whole == crc32c(crc32c(seed, part.first(cut)), part.subspan(cut)));
      if (size >= 4) REQUIRE(whole != crc32c(seed ^ 1, part));
    }
  }
}

TEST_CASE("the system's random numbers differ") { CHECK(system_random() != system_random()); }

}  // namespace springg::base
