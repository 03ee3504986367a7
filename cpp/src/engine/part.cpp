// SPDX-License-Identifier: MIT
#include "engine/part.h"

#include <algorithm>

#include "ann/flat.h"

namespace springg::engine {

ann::GraphAnswer Part::scan_matching(const ann::Query& query, const base::RowMask& wanted,
                                     std::uint32_t begin, std::uint32_t end, std::size_t k,
                                     std::size_t /*rerank*/) const {
  compare_matching(wanted, begin, end);
  ann::GraphAnswer answer;
  answer.distances_computed = wanted.count_below(end) - wanted.count_below(begin);
  ann::TopK top(std::min<std::size_t>(k, answer.distances_computed));
  ann::scan_matching(space(), query, wanted, begin, end, top);
  answer.neighbors = top.take_sorted();
  let_go(begin, end);
  return answer;
}

void Part::compare_matching(const base::RowMask& wanted, std::uint32_t begin,
                            std::uint32_t end) const {
  if (compared()) return;
  wanted.for_each(begin, end, [&](std::uint32_t row) { compare_vectors(row, row + 1); });
}

}  // namespace springg::engine
