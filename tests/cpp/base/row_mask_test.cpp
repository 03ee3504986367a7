// SPDX-License-Identifier: MIT
#include "base/row_mask.h"

#include <algorithm>
#include <vector>

#include "catch.h"

namespace springg::base {

namespace {

RowMask every(std::uint32_t rows, std::uint32_t step) {
  RowMask mask(rows);
  for (std::uint32_t row = 0; row < rows; row += step) mask.insert(row);
  return mask;
}

std::vector<std::uint32_t> listed(const RowMask& mask, std::uint32_t begin, std::uint32_t end) {
  std::vector<std::uint32_t> rows;
  mask.for_each(begin, end, [&](std::uint32_t row) { rows.push_back(row); });
  return rows;
}

}  // namespace

TEST_CASE("a mask of no rows, and one with none in") {
  CHECK(RowMask().size() == 0);
  CHECK(RowMask().sample(3).empty());
  CHECK(listed(RowMask(), 0, 0).empty());
  const RowMask none(130);
  CHECK(none.rows() == 130);
  CHECK(none.size() == 0);
  CHECK_FALSE(none.test(129));
  CHECK(none.sample(3).empty());
  CHECK(none.count_below(130) == 0);
}

TEST_CASE("rows that are put in are there once") {
  RowMask mask(130);
  mask.insert(0);
  mask.insert(129);
  mask.insert(129);
  CHECK(mask.size() == 2);
  CHECK(mask.test(0));
  CHECK(mask.test(129));
  CHECK_FALSE(mask.test(128));
  mask.set_word(0, 0b110);
  CHECK(mask.size() == 3);
  CHECK_FALSE(mask.test(0));
  CHECK(listed(mask, 0, 130) == std::vector<std::uint32_t>{1, 2, 129});
}

TEST_CASE("ranges are counted and gone over from any row to any row") {
  const RowMask mask = every(200, 3);
  for (std::uint32_t begin = 0; begin <= 200; ++begin) {
    for (std::uint32_t end = begin; end <= 200; ++end) {
      std::vector<std::uint32_t> expected;
      for (std::uint32_t row = begin; row < end; ++row) {
        if (row % 3 == 0) expected.push_back(row);
      }
      REQUIRE(listed(mask, begin, end) == expected);
    }
    REQUIRE(mask.count_below(begin) == (begin + 2) / 3);
  }
}

TEST_CASE("a sample is spread over all that are in") {
  const RowMask mask = every(1000, 7);  // 143 rows
  CHECK(mask.sample(143) == listed(mask, 0, 1000));
  CHECK(mask.sample(500) == listed(mask, 0, 1000));
  const std::vector<std::uint32_t> some = mask.sample(11);
  REQUIRE(some.size() == 11);
  for (std::size_t i = 0; i < some.size(); ++i) CHECK(some[i] == 7 * (i * 143 / 11));
}

}  // namespace springg::base
