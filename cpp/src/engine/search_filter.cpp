// SPDX-License-Identifier: MIT
#include <cstring>
#include <string>

#include "engine/search.h"

namespace springg::engine {

namespace {

using base::RowMask;

// 64 bytes as 64 bits, set where a byte is not zero.
std::uint64_t bits_of_bytes(const std::uint8_t* bytes) noexcept {
  constexpr std::uint64_t kLow = 0x7f7f'7f7f'7f7f'7f7fU;
  // Moves the lowest bit of byte i to bit 56 + i.
  constexpr std::uint64_t kGather = 0x0102'0408'1020'4080U;
  std::uint64_t bits = 0;
  for (unsigned i = 0; i < 8; ++i) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, bytes + std::size_t{i} * 8, sizeof eight);
    const std::uint64_t high = (((eight & kLow) + kLow) | eight) & ~kLow;
    bits |= (((high >> 7) * kGather) >> 56) << (8 * i);
  }
  return bits;
}

// Of the rows that are in `live`, those whose byte is not zero; `bytes` has one for each of them.
std::uint64_t spread_bytes(std::uint64_t live, const std::uint8_t* bytes) noexcept {
  std::uint64_t bits = 0;
  for (; live != 0; live &= live - 1) {
    if (*bytes++ != 0) bits |= live & (~live + 1);
  }
  return bits;
}

Result<MatchSet> rows_of_mask(const View& view, std::span<const std::uint8_t> mask) {
  if (mask.size() != view.live_rows) {
    return invalid_argument("filter mask has " + std::to_string(mask.size()) +
                            " entries: expected one for each of " + std::to_string(view.live_rows) +
                            " rows")
        .with("expected", static_cast<std::int64_t>(view.live_rows))
        .with("actual", static_cast<std::int64_t>(mask.size()));
  }
  MatchSet matches;
  const std::uint8_t* next = mask.data();
  for (const PartView& part : view.parts) {
    RowMask& rows = matches.parts.emplace_back(part.rows);
    const base::RowBits deleted = part.deleted();
    for (std::uint32_t word = 0; word < RowMask::words_of(part.rows); ++word) {
      const std::uint64_t live = live_word(part, deleted, word);
      const bool all = live == ~std::uint64_t{0};
      rows.set_word(word, all ? bits_of_bytes(next) : spread_bytes(live, next));
      next += std::popcount(live);
    }
    matches.rows += rows.size();
  }
  return matches;
}

MatchSet rows_of_ids(const View& view, const IdColumn& ids) {
  MatchSet matches;
  for (const PartView& part : view.parts) matches.parts.emplace_back(part.rows);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (const auto at = view.find(ids[i]); at.has_value()) matches.parts[at->part].insert(at->row);
  }
  for (const RowMask& rows : matches.parts) matches.rows += rows.size();
  return matches;
}

}  // namespace

Result<MatchSet> matching_rows(const View& view, const RowFilter& filter) {
  if (filter.mask.has_value()) return rows_of_mask(view, *filter.mask);
  return rows_of_ids(view, *filter.ids);
}

}  // namespace springg::engine
