// SPDX-License-Identifier: MIT
#include "ann/top_k.h"

#include <algorithm>

namespace springg::ann {

void TopK::offer(Neighbor candidate) {
  if (heap_.size() < k_) {
    heap_.push_back(candidate);
    std::push_heap(heap_.begin(), heap_.end(), nearer);
    return;
  }
  if (k_ == 0 || !nearer(candidate, heap_.front())) return;
  // Replaces the root and sifts down once: half the work of pop_heap and push_heap.
  std::size_t hole = 0;
  for (;;) {
    std::size_t child = 2 * hole + 1;
    if (child >= k_) break;
    if (child + 1 < k_ && nearer(heap_[child], heap_[child + 1])) ++child;
    if (!nearer(candidate, heap_[child])) break;
    heap_[hole] = heap_[child];
    hole = child;
  }
  heap_[hole] = candidate;
}

std::vector<Neighbor> TopK::take_sorted() {
  std::sort_heap(heap_.begin(), heap_.end(), nearer);
  std::vector<Neighbor> sorted = std::move(heap_);
  heap_ = {};
  return sorted;
}

}  // namespace springg::ann
