// SPDX-License-Identifier: MIT
#include "base/buffer.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "catch.h"

namespace springg::base {

TEST_CASE("a buffer is zeroed, aligned to a page and writable to its end") {
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{4'097}, std::size_t{5} << 20}) {
    auto buffer = Buffer::allocate(bytes);
    REQUIRE(buffer.ok());
    CHECK(buffer->size() == bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(buffer->data()) % 4'096 == 0);
    const auto span = buffer->span();
    CHECK(std::all_of(span.begin(), span.end(), [](std::byte b) { return b == std::byte{0}; }));
    span.back() = std::byte{7};
    CHECK(span.back() == std::byte{7});
  }
}

TEST_CASE("an empty buffer has no memory") {
  auto buffer = Buffer::allocate(0);
  REQUIRE(buffer.ok());
  CHECK(buffer->data() == nullptr);
  CHECK(buffer->size() == 0);
}

TEST_CASE("a size that no system has is an error, not an exception") {
  const auto buffer = Buffer::allocate(std::numeric_limits<std::size_t>::max() / 4);
  REQUIRE_FALSE(buffer.ok());
  CHECK(buffer.status().code() == ErrorCode::kResourceExhausted);
}

TEST_CASE("a moved buffer keeps its address") {
  auto first = std::move(Buffer::allocate(100)).value();
  const std::byte* const data = first.data();
  Buffer second = std::move(first);
  CHECK(second.data() == data);
  Buffer third = std::move(Buffer::allocate(10)).value();
  third = std::move(second);
  CHECK(third.data() == data);
  CHECK(third.size() == 100);
}

}  // namespace springg::base
