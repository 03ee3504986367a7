// SPDX-License-Identifier: MIT
// Where a growing graph keeps its links, and the layers of growing and sealed graphs as the search
// loop sees them.
//
// A layer has numbers (on layer 0 the rows themselves, above it numbers of the upper part):
//   row_of(number)    the row whose vector stands for it
//   visible(number)   whether it may be looked at; false for kNoRow
//   links(number)     its `width` links
//   load(link)        reads one link as this kind of graph must
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "ann/hnsw.h"
#include "base/buffer.h"

namespace springg::ann {

// Enough for 2^31 rows at m = 2.
inline constexpr std::uint32_t kLayersMax = 31;

// Fixed-width rows of numbers in zeroed chunks that never move. One thread reserves; the rows of a
// reserved range may be read by any thread that learnt of it through an acquire.
class LinkTable {
 public:
  // Takes only the table of chunk pointers.
  void create(std::uint32_t width, std::size_t rows_max);
  Status reserve(std::size_t rows);

  std::uint32_t width() const noexcept { return width_; }
  std::size_t rows_max() const noexcept { return rows_max_; }
  std::uint32_t* row(std::size_t r) const noexcept {
    return chunks_[r >> shift_] + (r & ((std::size_t{1} << shift_) - 1U)) * width_;
  }
  // Memory that `rows` rows have touched.
  std::size_t touched_bytes(std::size_t rows) const noexcept;

 private:
  std::uint32_t width_ = 0;
  std::uint32_t shift_ = 0;
  std::size_t rows_max_ = 0;
  std::unique_ptr<std::uint32_t*[]> chunks_;
  std::vector<base::Buffer> buffers_;
};

inline std::uint32_t load_relaxed(const std::uint32_t* link) noexcept {
  return std::atomic_ref<std::uint32_t>(*const_cast<std::uint32_t*>(link))
      .load(std::memory_order_relaxed);
}
inline void store_relaxed(std::uint32_t* link, std::uint32_t value) noexcept {
  std::atomic_ref<std::uint32_t>(*link).store(value, std::memory_order_relaxed);
}
inline std::size_t links_in(const std::uint32_t* links, std::uint32_t width) noexcept {
  std::size_t count = 0;
  while (count < width && load_relaxed(links + count) != kNoRow) ++count;
  return count;
}

struct GrowingBase {
  const LinkTable* table;
  std::uint32_t limit;

  std::uint32_t width() const noexcept { return table->width(); }
  std::uint32_t row_of(std::uint32_t number) const noexcept { return number; }
  bool visible(std::uint32_t number) const noexcept { return number < limit; }
  std::uint32_t* links(std::uint32_t number) const noexcept { return table->row(number); }
  static std::uint32_t load(const std::uint32_t* link) noexcept { return load_relaxed(link); }
};

struct GrowingUpper {
  const LinkTable* nodes;   // upper number -> row, first block
  const LinkTable* blocks;  // one block of m links for each layer that a number is on
  std::uint32_t layer;
  std::uint32_t numbers;  // those at or above are not written yet
  std::uint32_t limit;

  std::uint32_t width() const noexcept { return blocks->width(); }
  std::uint32_t row_of(std::uint32_t number) const noexcept { return nodes->row(number)[0]; }
  bool visible(std::uint32_t number) const noexcept {
    return number < numbers && row_of(number) < limit;
  }
  std::uint32_t* links(std::uint32_t number) const noexcept {
    return blocks->row(std::size_t{nodes->row(number)[1]} + layer - 1);
  }
  static std::uint32_t load(const std::uint32_t* link) noexcept { return load_relaxed(link); }
};

struct SealedBase {
  const std::uint32_t* table;
  std::uint32_t width_;
  std::uint32_t limit;

  std::uint32_t width() const noexcept { return width_; }
  std::uint32_t row_of(std::uint32_t number) const noexcept { return number; }
  bool visible(std::uint32_t number) const noexcept { return number < limit; }
  const std::uint32_t* links(std::uint32_t number) const noexcept {
    return table + std::size_t{number} * width_;
  }
  static std::uint32_t load(const std::uint32_t* link) noexcept { return *link; }
};

struct SealedUpper {
  const std::uint32_t* table;
  const std::uint32_t* rows;
  std::uint32_t width_;
  std::uint32_t numbers;
  std::uint32_t limit;

  std::uint32_t width() const noexcept { return width_; }
  std::uint32_t row_of(std::uint32_t number) const noexcept { return rows[number]; }
  bool visible(std::uint32_t number) const noexcept {
    return number < numbers && rows[number] < limit;
  }
  const std::uint32_t* links(std::uint32_t number) const noexcept {
    return table + std::size_t{number} * width_;
  }
  static std::uint32_t load(const std::uint32_t* link) noexcept { return *link; }
};

// Everything a growing graph holds. Fields without atomics belong to the thread that extends.
struct GrowingData {
  GraphOptions options;
  std::uint32_t rows_max = 0;
  LinkTable base;
  LinkTable nodes;
  LinkTable blocks;
  std::size_t block_count = 0;

  // Published in this order; read in the opposite one, so that what is seen of the later ones is
  // at least as new. entries[l] is the first number on layer l, so it never changes once set.
  std::array<std::atomic<std::uint32_t>, kLayersMax + 1> entries;
  std::atomic<std::uint32_t> layers{0};
  std::atomic<std::uint32_t> upper_count{0};
  std::atomic<std::uint32_t> covered{0};

  GrowingData() {
    for (auto& entry : entries) entry.store(kNoRow, std::memory_order_relaxed);
  }
};

// Where a search starts: a number on a layer above 0, or a row when layer is 0.
struct GraphStart {
  std::uint32_t layer = 0;
  std::uint32_t number = 0;
};

// One consistent sight of a growing graph.
class GrowingSight {
 public:
  GrowingSight(const GrowingData& data, std::uint32_t row_limit) noexcept;

  std::uint32_t limit() const noexcept { return limit_; }
  std::uint32_t numbers() const noexcept { return numbers_; }
  GraphStart start() const noexcept;
  GrowingBase base() const noexcept { return {&data_->base, limit_}; }
  GrowingUpper upper(std::uint32_t layer) const noexcept {
    return {&data_->nodes, &data_->blocks, layer, numbers_, limit_};
  }

 private:
  const GrowingData* data_;
  std::uint32_t limit_;
  std::uint32_t numbers_;
};

}  // namespace springg::ann
