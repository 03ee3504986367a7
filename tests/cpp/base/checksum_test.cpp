// SPDX-License-Identifier: MIT
#include "base/checksum.h"

#include <string>

#include "catch.h"

namespace springg::base {

// XXH3-64 with seed 0, as the reference implementation gives it. Files depend on these.
TEST_CASE("checksums are XXH3-64 with seed 0") {
  CHECK(xxh3(std::string_view()) == 0x2d06800538d394c2U);
  CHECK(xxh3(std::string_view("a")) == 0xe6c632b61e964e1fU);
  CHECK(xxh3(std::string_view("abc")) == 0x78af5f94892f3950U);
  CHECK(xxh3(std::string_view("The quick brown fox jumps over the lazy dog")) ==
        0xce7d19a5418fb365U);
}

TEST_CASE("every byte of a long text counts") {
  std::string text(70'000, '\0');
  const std::uint64_t zeros = xxh3(std::string_view(text));
  for (std::size_t i = 0; i < text.size(); i += 997) {
    text[i] = '\1';
    CHECK(xxh3(std::string_view(text)) != zeros);
    text[i] = '\0';
  }
  CHECK(xxh3(std::as_bytes(std::span(text))) == zeros);
}

}  // namespace springg::base
