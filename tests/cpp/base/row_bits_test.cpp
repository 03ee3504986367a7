// SPDX-License-Identifier: MIT
#include "base/row_bits.h"

#include <array>

#include "base/row_table.h"
#include "catch.h"

namespace springg::base {

TEST_CASE("an empty set of rows holds none") {
  const RowBits bits;
  CHECK(bits.empty());
  CHECK_FALSE(bits.test(0));
  CHECK_FALSE(bits.test(0x7fff'ffff));
}

TEST_CASE("rows lie in chunks, of which any may be absent") {
  std::array<std::uint64_t, RowBits::kChunkWords> words{};
  words[0] = 1;                                  // row 0 of the chunk
  words[RowBits::kChunkWords - 1] = 1ULL << 63;  // its last row
  const std::uint64_t* const chunks[] = {nullptr, words.data()};
  const RowBits bits{chunks, 2, 2};
  CHECK_FALSE(bits.empty());
  CHECK_FALSE(bits.test(0));
  CHECK_FALSE(bits.test(RowBits::kChunkRows - 1));
  CHECK(bits.test(RowBits::kChunkRows));
  CHECK_FALSE(bits.test(RowBits::kChunkRows + 1));
  CHECK(bits.test(2 * RowBits::kChunkRows - 1));
  CHECK_FALSE(bits.test(2 * RowBits::kChunkRows));
}

TEST_CASE("rows of a table are found across chunks") {
  const std::array<std::byte, 24> first{}, second{};
  const std::byte* const chunks[] = {first.data(), second.data()};
  const RowTable table{chunks, 1, 12};
  CHECK(table.row(0) == first.data());
  CHECK(table.row(1) == first.data() + 12);
  CHECK(table.row(2) == second.data());
  CHECK(table.row(3) == second.data() + 12);
  const RowTable whole{chunks, 31, 4};
  CHECK(whole.row(5) == first.data() + 20);
}

}  // namespace springg::base
