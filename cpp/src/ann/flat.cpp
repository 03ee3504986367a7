// SPDX-License-Identifier: MIT
#include "ann/flat.h"

#include <algorithm>
#include <cstring>
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

// Some rows of a space side by side, in the order in which they were added.
class CopiedRows {
 public:
  CopiedRows(const Space& source, std::size_t capacity)
      : source_(source),
        vectors_(capacity * source.vectors.stride),
        norms_(source.metric == Metric::kCosine ? capacity : 0),
        rows_(capacity) {
    space_ = source;
    vector_chunk_ = vectors_.data();
    norm_chunk_ = reinterpret_cast<const std::byte*>(norms_.data());
    space_.vectors = {&vector_chunk_, 31, source.vectors.stride};
    space_.inverse_norms = {&norm_chunk_, 31, sizeof(float)};
  }
  CopiedRows(const CopiedRows&) = delete;
  CopiedRows& operator=(const CopiedRows&) = delete;

  void add(std::uint32_t row) noexcept {
    const std::size_t stride = source_.vectors.stride;
    std::memcpy(vectors_.data() + size_ * stride, source_.vectors.row(row), stride);
    if (!norms_.empty()) norms_[size_] = inverse_norm_of(source_, row);
    rows_[size_++] = row;
  }
  void clear() noexcept { size_ = 0; }
  std::size_t size() const noexcept { return size_; }
  bool full() const noexcept { return size_ == rows_.size(); }
  const Space& space() const noexcept { return space_; }
  std::uint32_t row(std::size_t place) const noexcept { return rows_[place]; }

 private:
  const Space& source_;
  Space space_;
  std::vector<std::byte> vectors_;
  std::vector<float> norms_;
  std::vector<std::uint32_t> rows_;
  const std::byte* vector_chunk_ = nullptr;
  const std::byte* norm_chunk_ = nullptr;
  std::size_t size_ = 0;
};

void offer_copied(const CopiedRows& copied, const float* ranks, TopK& top) {
  const std::size_t count = copied.size();
  for (std::size_t i = 0; i < count; i += kCompareWidth) {
    const std::size_t width = std::min(kCompareWidth, count - i);
    if (!any_not_above(ranks + i, width, top.worst())) continue;
    for (std::size_t j = i; j < i + width; ++j) {
      if (ranks[j] <= top.worst()) top.offer({ranks[j], copied.row(j)});
    }
  }
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

void scan_matching(const Space& space, const Query& query, const base::RowMask& wanted,
                   std::uint32_t begin, std::uint32_t end, TopK& top) {
  float ranks[kScanBlock];
  std::uint32_t rows[kScanBlock];
  std::size_t count = 0;
  const auto rank_collected = [&] {
    query.gather(space, rows, count, ranks);
    for (std::size_t i = 0; i < count; ++i) {
      if (ranks[i] <= top.worst()) top.offer({ranks[i], rows[i]});
    }
    count = 0;
  };
  wanted.for_each(begin, end, [&](std::uint32_t row) {
    rows[count++] = row;
    if (count == kScanBlock) rank_collected();
  });
  if (count != 0) rank_collected();
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

void scan_matching_batch(const Space& space, std::span<const Query> queries,
                         const base::RowMask& wanted, std::uint32_t begin, std::uint32_t end,
                         std::span<TopK> tops) {
  QueryTile tile;
  tile.pack(space, queries);
  CopiedRows copied(space, tile_rows(space.vectors.stride));
  std::vector<float> values(kTileQueries * tile_rows(space.vectors.stride));
  const auto rank_copied = [&] {
    const std::size_t rows = copied.size();
    for (std::size_t first = 0; first < queries.size(); first += kTileQueries) {
      const std::size_t group = std::min(kTileQueries, queries.size() - first);
      tile.scan(copied.space(), first, group, 0, static_cast<std::uint32_t>(rows), values.data());
      for (std::size_t q = 0; q < group; ++q) {
        offer_copied(copied, values.data() + q * rows, tops[first + q]);
      }
    }
    copied.clear();
  };
  wanted.for_each(begin, end, [&](std::uint32_t row) {
    copied.add(row);
    if (copied.full()) rank_copied();
  });
  rank_copied();
}

}  // namespace springg::ann
