// SPDX-License-Identifier: MIT
// What one search needs besides the graph. A thread keeps it from search to search, so that a
// search allocates nothing but its answer.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "springg/options.h"

namespace springg::ann {

// A rank and a number in one word that sorts by rank, then number; the lowest bit says whether the
// number's links were followed. Numbers have 31 bits.
using Key = std::uint64_t;
inline constexpr Key kExpanded = 1;

inline Key make_key(float rank, std::uint32_t number) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(rank);
  const std::uint32_t sign = 0U - (bits >> 31);
  const std::uint32_t ordered = bits ^ (sign | 0x8000'0000U);
  return (static_cast<Key>(ordered) << 32) | (static_cast<Key>(number) << 1);
}
inline std::uint32_t number_of(Key key) noexcept { return static_cast<std::uint32_t>(key) >> 1; }
inline float rank_of(Key key) noexcept {
  const auto ordered = static_cast<std::uint32_t>(key >> 32);
  const std::uint32_t sign = (ordered >> 31) - 1U;
  return std::bit_cast<float>(ordered ^ (sign | 0x8000'0000U));
}

// The nearest `capacity` keys, sorted.
class SearchPool {
 public:
  void reset(std::size_t capacity) {
    capacity_ = capacity;
    size_ = 0;
    if (keys_.size() < capacity + 1) keys_.resize(capacity + 1);
  }
  std::size_t size() const noexcept { return size_; }
  Key* keys() noexcept { return keys_.data(); }
  const Key* keys() const noexcept { return keys_.data(); }
  bool full() const noexcept { return size_ == capacity_; }
  // Keys at or above cannot enter.
  Key bound() const noexcept { return full() ? keys_[size_ - 1] : ~Key{0}; }

  // Precondition: key < bound(). Returns its place.
  std::size_t insert(Key key) noexcept {
    Key* const keys = keys_.data();
    // The place is as likely before as behind any key: halves are chosen without a branch.
    const Key* first = keys;
    for (std::size_t length = size_; length > 1;) {
      const std::size_t half = length / 2;
      first += first[half - 1] < key ? half : 0;
      length -= half;
    }
    const auto place = static_cast<std::size_t>(first - keys) + (size_ != 0 && *first < key);
    if (size_ < capacity_) ++size_;
    std::memmove(keys + place + 1, keys + place, (size_ - 1 - place) * sizeof(Key));
    keys[place] = key;
    return place;
  }

 private:
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
  std::vector<Key> keys_;
};

// One byte a number; equal to the current epoch when seen. Shared by all graphs that the thread
// searches: each search has an epoch of its own.
class VisitedTags {
 public:
  void reset(std::size_t numbers) {
    if (tags_.size() < numbers) tags_.resize(std::max(numbers, tags_.size() + tags_.size() / 2));
    if (++epoch_ == 0) {
      std::fill(tags_.begin(), tags_.end(), std::uint8_t{0});
      epoch_ = 1;
    }
  }
  // True the first time. No branch: often half of what a walk meets was met before, in no order.
  bool insert(std::uint32_t number) noexcept { return marker().insert(number); }

  // insert() for loops: its fields stay in registers although what it writes might be anything.
  struct Marker {
    std::uint8_t* tags;
    std::uint8_t epoch;

    bool insert(std::uint32_t number) const noexcept {
      const bool first = tags[number] != epoch;
      tags[number] = epoch;
      return first;
    }
  };
  Marker marker() noexcept { return {tags_.data(), epoch_}; }

 private:
  std::vector<std::uint8_t> tags_;
  std::uint8_t epoch_ = 0;
};

struct SearchScratch {
  static constexpr std::size_t kLinksMax = 2 * limits::kMMax;

  VisitedTags visited;
  SearchPool pool;
  std::vector<Key> frontier;  // only when rows are deleted
  std::vector<float> query;   // only when codes are walked
  std::uint32_t numbers[kLinksMax];
  std::uint32_t rows[kLinksMax];
  const std::byte* vectors[kLinksMax];
  float ranks[kLinksMax];
  Key passed[kLinksMax];
};

SearchScratch& thread_scratch();

}  // namespace springg::ann
