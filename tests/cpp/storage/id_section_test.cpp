// SPDX-License-Identifier: MIT
#include "storage/id_section.h"

#include <string>
#include <vector>

#include "catch.h"

namespace springg::storage {

TEST_CASE("the hash of an id is part of the format") {
  const std::string eight("\x2a\0\0\0\0\0\0\0", 8);
  CHECK(hash_id({IdKind::kInteger, eight}) == 0x3d8e917a3bb2a06cU);
  CHECK(hash_id({IdKind::kString, "doc-1"}) == 0xfa31762d889df2b0U);
  CHECK(hash_id({IdKind::kInteger, eight}) != hash_id({IdKind::kString, eight}));
}

TEST_CASE("many ids of every kind are found, others are not") {
  constexpr std::uint32_t kRows = 60'000;
  IdColumn column;
  for (std::uint32_t row = 0; row < kRows; ++row) {
    if (row % 3 == 0) {
      column.append_integer(row);
    } else if (row % 3 == 1) {
      column.append_string(std::to_string(row));
    } else {
      std::array<std::uint8_t, 16> uuid{};
      std::memcpy(uuid.data(), &row, sizeof row);
      column.append_uuid(uuid);
    }
  }
  auto encoded = IdSection::encode(column);
  REQUIRE(encoded.ok());
  CHECK(encoded->encoding == IdEncoding::kMixed);
  const IdSection ids(encoded->encoding, kRows, encoded->bytes.span());
  CHECK_FALSE(IdSection::check(encoded->encoding, kRows, encoded->bytes.span()));
  std::vector<std::uint32_t> slots(id_table_slots(kRows));
  REQUIRE_FALSE(fill_id_table(ids, slots));
  CHECK(id_table_plausible(slots, kRows));
  std::uint32_t wrong = 0;
  for (std::uint32_t row = 0; row < kRows; ++row) {
    if (find_id(ids, slots, column[row]) != row) ++wrong;
    const std::string other = "x" + std::to_string(row);
    if (find_id(ids, slots, {IdKind::kString, other})) ++wrong;
  }
  CHECK(wrong == 0);
  CHECK_FALSE(find_id(ids, slots, {IdKind::kString, std::string(2'000, 'x')}));
  CHECK_FALSE(find_id(ids, slots, {IdKind::kString, ""}));
}

TEST_CASE("a table without every row once is not plausible") {
  IdColumn column;
  for (std::uint64_t id = 0; id < 10; ++id) column.append_integer(id);
  const auto encoded = std::move(IdSection::encode(column)).value();
  const IdSection ids(encoded.encoding, 10, encoded.bytes.span());
  std::vector<std::uint32_t> slots(id_table_slots(10));
  REQUIRE_FALSE(fill_id_table(ids, slots));
  CHECK(id_table_plausible(slots, 10));
  CHECK_FALSE(id_table_plausible(std::span(slots).first(19), 10));
  for (std::size_t slot = 0; slot < slots.size(); ++slot) {
    for (const std::uint32_t other : {slots[(slot + 1) % slots.size()], 10U, kEmptySlot, 3U}) {
      if (other == slots[slot]) continue;
      auto changed = slots;
      changed[slot] = other;
      CHECK_FALSE(id_table_plausible(changed, 10));
    }
  }
}

TEST_CASE("without rows there is nothing to find") {
  const IdSection ids(IdEncoding::kIntegers, 0, {});
  std::vector<std::uint32_t> slots(id_table_slots(0));
  REQUIRE_FALSE(fill_id_table(ids, slots));
  CHECK_FALSE(find_id(ids, slots, {IdKind::kString, "a"}));
  CHECK_FALSE(find_id(ids, {}, {IdKind::kString, "a"}));
}

TEST_CASE("hostile offsets and kinds of mixed ids are found") {
  IdColumn column;
  column.append_string("ab");
  column.append_integer(5);
  column.append_string("c");
  auto encoded = std::move(IdSection::encode(column)).value();
  const auto bytes = encoded.bytes.span();
  const auto refused = [&](std::size_t offset, auto value) {
    std::vector<std::byte> saved(bytes.begin(), bytes.end());
    store(bytes, offset, value);
    const bool found = IdSection::check(IdEncoding::kMixed, 3, bytes).has_value();
    std::copy(saved.begin(), saved.end(), bytes.begin());
    return found;
  };
  CHECK_FALSE(IdSection::check(IdEncoding::kMixed, 3, bytes));
  CHECK(refused(0, std::uint64_t{1}));    // the first does not start at 0
  CHECK(refused(8, std::uint64_t{0}));    // an empty id
  CHECK(refused(8, std::uint64_t{11}));   // falls back afterwards
  CHECK(refused(8, ~std::uint64_t{0}));   // beyond the end
  CHECK(refused(24, std::uint64_t{10}));  // bytes left over
  CHECK(refused(32, std::uint8_t{1}));    // an integer of two bytes
  CHECK(refused(32, std::uint8_t{9}));    // an unknown kind
  CHECK(refused(33, std::uint8_t{3}));    // a uuid of eight bytes
  CHECK(IdSection::check(IdEncoding::kMixed, 3, bytes.first(20)));
  CHECK(IdSection::check(IdEncoding::kMixed, 0x7fff'ffff, bytes));
  CHECK(IdSection::check(IdEncoding::kIntegers, 3, bytes));
  CHECK(IdSection::check(IdEncoding::kUuids, 3, bytes));
  CHECK(IdSection::check(static_cast<IdEncoding>(4), 3, bytes));
}

}  // namespace springg::storage
