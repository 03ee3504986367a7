// SPDX-License-Identifier: MIT
// The k nearest of what was offered. Equal ranks are ordered by row, which is insertion order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace springg::ann {

struct Neighbor {
  float rank = 0;
  std::uint32_t row = 0;

  bool operator==(const Neighbor&) const = default;
};
inline bool nearer(const Neighbor& a, const Neighbor& b) noexcept {
  return a.rank < b.rank || (a.rank == b.rank && a.row < b.row);
}

class TopK {
 public:
  explicit TopK(std::size_t k) : k_(k) { heap_.reserve(k); }

  // Ranks above this cannot enter (equal ones may, by row).
  float worst() const noexcept {
    return heap_.size() < k_ ? std::numeric_limits<float>::infinity() : heap_.front().rank;
  }
  bool full() const noexcept { return heap_.size() == k_; }
  void offer(Neighbor candidate);
  // Nearest first; leaves this empty.
  std::vector<Neighbor> take_sorted();

 private:
  std::size_t k_;
  std::vector<Neighbor> heap_;  // max-heap by nearer()
};

}  // namespace springg::ann
