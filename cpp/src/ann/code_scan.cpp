// SPDX-License-Identifier: MIT
#include "ann/code_scan.h"

#include <algorithm>
#include <vector>

#include "ann/flat.h"

namespace springg::ann {

namespace {

constexpr std::size_t kBlock = 128;  // Int8Query::rank() takes no more

// How many of the best estimates are ranked on their vectors.
std::size_t ranked_exactly(std::size_t k) { return std::max(2 * k, k + 16); }

// The best estimates, as rows.
std::vector<std::uint32_t> best_by_codes(const quant::Int8Codes& codes,
                                         const quant::Int8Query& query, const base::RowMask& wanted,
                                         std::uint32_t begin, std::uint32_t end, std::size_t k) {
  std::uint32_t rows[kBlock];
  const std::byte* addresses[kBlock];
  float ranks[kBlock];
  std::size_t count = 0;
  TopK top(k);
  const auto rank_collected = [&] {
    query.rank(codes, addresses, count, ranks);
    for (std::size_t i = 0; i < count; ++i) {
      if (ranks[i] <= top.worst()) top.offer({ranks[i], rows[i]});
    }
    count = 0;
  };
  wanted.for_each(begin, end, [&](std::uint32_t row) {
    rows[count] = row;
    addresses[count++] = codes.row(row);
    if (count == kBlock) rank_collected();
  });
  rank_collected();
  std::vector<std::uint32_t> best;
  for (const Neighbor& neighbor : top.take_sorted()) best.push_back(neighbor.row);
  return best;
}

}  // namespace

GraphAnswer scan_codes(const Space& space, const Query& query, const quant::Int8Codes& codes,
                       const base::RowMask& wanted, std::uint32_t begin, std::uint32_t end,
                       std::size_t k) {
  thread_local quant::Int8Query code_query;
  thread_local std::vector<float> unit;
  GraphAnswer answer;
  const std::size_t rows = wanted.count_below(end) - wanted.count_below(begin);
  TopK top(std::min(k, rows));
  query.unit_length(space, unit);
  code_query.prepare(codes, unit.data());
  answer.distances_computed = rows;
  if (code_query.usable()) {
    const std::vector<std::uint32_t> best =
        best_by_codes(codes, code_query, wanted, begin, end, std::min(ranked_exactly(k), rows));
    std::vector<float> ranks(best.size());
    query.gather(space, best.data(), best.size(), ranks.data());
    for (std::size_t i = 0; i < best.size(); ++i) top.offer({ranks[i], best[i]});
    answer.distances_computed += best.size();
  } else {
    scan_matching(space, query, wanted, begin, end, top);
  }
  answer.neighbors = top.take_sorted();
  return answer;
}

}  // namespace springg::ann
