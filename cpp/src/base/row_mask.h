// SPDX-License-Identifier: MIT
// The rows of one part that a search may return: one bit a row, owned, in one block. Whatever says
// which rows match (a caller's mask, a set of ids, later an expression on metadata) hands a search
// one of these for each part. RowBits is its counterpart for sets that live on and share chunks.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace springg::base {

class RowMask {
 public:
  static constexpr std::uint32_t kWordRows = 64;
  static constexpr std::uint32_t words_of(std::uint32_t rows) noexcept {
    return rows / kWordRows + (rows % kWordRows == 0 ? 0U : 1U);
  }

  RowMask() = default;
  // Room for rows [0, rows), none of them in.
  explicit RowMask(std::uint32_t rows) : words_(words_of(rows)), rows_(rows) {}

  std::uint32_t rows() const noexcept { return rows_; }
  std::uint32_t size() const noexcept { return size_; }  // rows that are in

  // Precondition of those that take a row or a word: it is one of the rows that there is room for.
  bool test(std::uint32_t row) const noexcept {
    return ((words_[row / kWordRows] >> (row % kWordRows)) & 1U) != 0;
  }
  void insert(std::uint32_t row) noexcept {
    const std::uint32_t word = row / kWordRows;
    set_word(word, words_[word] | (std::uint64_t{1} << (row % kWordRows)));
  }
  // Rows [64 * word, 64 * word + 64) at once, the first in the lowest bit.
  void set_word(std::uint32_t word, std::uint64_t bits) noexcept {
    size_ += static_cast<std::uint32_t>(std::popcount(bits));
    size_ -= static_cast<std::uint32_t>(std::popcount(words_[word]));
    words_[word] = bits;
  }
  std::uint32_t count_below(std::uint32_t end) const noexcept {
    if (end >= rows_) return size_;
    std::uint32_t count = 0;
    for (std::uint32_t word = 0; word < end / kWordRows; ++word) {
      count += static_cast<std::uint32_t>(std::popcount(words_[word]));
    }
    const std::uint64_t below = (std::uint64_t{1} << (end % kWordRows)) - 1;
    return count + static_cast<std::uint32_t>(std::popcount(words_[end / kWordRows] & below));
  }
  // visit(row) for those of [begin, end) that are in, ascending.
  template <class Visit>
  void for_each(std::uint32_t begin, std::uint32_t end, Visit visit) const {
    for (std::uint32_t word = begin / kWordRows; word * std::uint64_t{kWordRows} < end; ++word) {
      const std::uint32_t first = word * kWordRows;
      std::uint64_t bits = words_[word];
      if (first < begin) bits &= ~std::uint64_t{0} << (begin - first);
      if (end - first < kWordRows) bits &= (std::uint64_t{1} << (end - first)) - 1;
      for (; bits != 0; bits &= bits - 1) {
        visit(first + static_cast<std::uint32_t>(std::countr_zero(bits)));
      }
    }
  }
  // At most `count` of them, spread evenly over all that are in, ascending.
  std::vector<std::uint32_t> sample(std::uint32_t count) const {
    std::vector<std::uint32_t> rows;
    count = std::min(count, size_);
    rows.reserve(count);
    std::uint32_t before = 0;
    for (std::uint32_t word = 0; rows.size() < count; ++word) {
      std::uint64_t bits = words_[word];
      const auto here = static_cast<std::uint32_t>(std::popcount(bits));
      std::uint32_t skipped = 0;
      while (rows.size() < count) {
        const auto wanted =
            static_cast<std::uint32_t>(std::uint64_t{rows.size()} * size_ / count) - before;
        if (wanted >= here) break;
        for (; skipped < wanted; ++skipped) bits &= bits - 1;
        rows.push_back(word * kWordRows + static_cast<std::uint32_t>(std::countr_zero(bits)));
      }
      before += here;
    }
    return rows;
  }

 private:
  std::vector<std::uint64_t> words_;
  std::uint32_t rows_ = 0;
  std::uint32_t size_ = 0;
};

}  // namespace springg::base
