// SPDX-License-Identifier: MIT
#include "ann/flat.h"

#include <algorithm>
#include <vector>

namespace springg::ann {

namespace {

constexpr std::size_t kScanBlock = 256;          // ranks on the stack between compares
constexpr std::size_t kCacheBytes = 256 * 1024;  // of rows that stay in L2 for all queries
constexpr std::size_t kTileRowsMin = 16;
constexpr std::size_t kTileRowsMax = 512;
constexpr std::size_t kTileQueries = 64;  // prepared queries copied side by side
constexpr std::size_t kCompareWidth = 16;

bool any_not_above(const float* ranks, std::size_t count, float worst) noexcept {
  int found = 0;
  for (std::size_t i = 0; i < count; ++i) found |= ranks[i] <= worst ? 1 : 0;
  return found != 0;
}

void offer_run(const float* ranks, std::size_t count, std::uint32_t begin,
               const base::RowBits& excluded, TopK& top) {
  for (std::size_t i = 0; i < count; ++i) {
    if (ranks[i] > top.worst()) continue;
    const std::uint32_t row = begin + static_cast<std::uint32_t>(i);
    if (!excluded.empty() && excluded.test(row)) continue;
    top.offer({ranks[i], row});
  }
}

// Once the answer is nearly settled almost no rank enters: find the few by wide compares.
void offer_block(const float* ranks, std::size_t count, std::uint32_t begin,
                 const base::RowBits& excluded, TopK& top) {
  std::size_t i = 0;
  for (; i + kCompareWidth <= count; i += kCompareWidth) {
    if (any_not_above(ranks + i, kCompareWidth, top.worst())) {
      offer_run(ranks + i, kCompareWidth, begin + static_cast<std::uint32_t>(i), excluded, top);
    }
  }
  offer_run(ranks + i, count - i, begin + static_cast<std::uint32_t>(i), excluded, top);
}

std::uint32_t chunk_end(const base::RowTable& table, std::uint32_t row) noexcept {
  const std::uint32_t mask = (std::uint32_t{1} << table.chunk_shift) - 1U;
  return (row | mask) + 1U;
}

std::size_t tile_rows(std::size_t row_bytes) noexcept {
  return std::clamp(kCacheBytes / row_bytes, kTileRowsMin, kTileRowsMax);
}

}  // namespace

void scan_rows(const Space& space, const Query& query, std::uint32_t begin, std::uint32_t end,
               const base::RowBits& excluded, TopK& top) {
  float ranks[kScanBlock];
  while (begin < end) {
    const std::size_t count = std::min<std::size_t>(kScanBlock, end - begin);
    query.scan(space, begin, count, ranks);
    offer_block(ranks, count, begin, excluded, top);
    begin += static_cast<std::uint32_t>(count);
  }
}

void scan_listed(const Space& space, const Query& query, std::span<const std::uint32_t> rows,
                 TopK& top) {
  float ranks[kScanBlock];
  while (!rows.empty()) {
    const std::size_t count = std::min(kScanBlock, rows.size());
    query.gather(space, rows.data(), count, ranks);
    for (std::size_t i = 0; i < count; ++i) {
      if (ranks[i] <= top.worst()) top.offer({ranks[i], rows[i]});
    }
    rows = rows.subspan(count);
  }
}

void scan_rows_batch(const Space& space, std::span<const Query> queries, std::uint32_t begin,
                     std::uint32_t end, const base::RowBits& excluded, std::span<TopK> tops) {
  const std::size_t block_rows = tile_rows(space.vectors.stride);
  // The tile kernel takes queries at one stride; each has a vector of its own.
  QueryTile tile;
  tile.pack(space, queries);
  std::vector<float> values(kTileQueries * block_rows);
  while (begin < end) {
    const std::uint32_t stop = std::min(end, chunk_end(space.vectors, begin));
    const std::size_t rows = std::min<std::size_t>(block_rows, stop - begin);
    for (std::size_t first = 0; first < queries.size(); first += kTileQueries) {
      const std::size_t group = std::min(kTileQueries, queries.size() - first);
      tile.scan(space, first, group, begin, static_cast<std::uint32_t>(rows), values.data());
      for (std::size_t q = 0; q < group; ++q) {
        offer_block(values.data() + q * rows, rows, begin, excluded, tops[first + q]);
      }
    }
    begin += static_cast<std::uint32_t>(rows);
  }
}

}  // namespace springg::ann
