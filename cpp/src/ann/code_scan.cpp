// SPDX-License-Identifier: MIT
#include "ann/code_scan.h"

#include <algorithm>
#include <vector>

#include "ann/flat.h"
#include "ann/hnsw_search.h"

namespace springg::ann {

namespace {

constexpr std::size_t kBlock = 128;  // CodeQuery::rank() takes no more

// Estimates that are kept for exact ranking.
std::size_t kept(std::size_t k, std::size_t rerank) { return std::max(8 * k + 64, rerank); }

// Leaves the best estimates in the thread's pool.
void pool_by_codes(const quant::Codes& codes, const quant::CodeQuery& query,
                   const base::RowMask& wanted, std::uint32_t begin, std::uint32_t end,
                   std::size_t capacity) {
  SearchPool& pool = thread_scratch().pool;
  pool.reset(capacity);
  std::uint32_t rows[kBlock];
  const std::byte* addresses[kBlock];
  float ranks[kBlock];
  std::size_t count = 0;
  const auto rank_collected = [&] {
    query.rank(codes, addresses, rows, count, ranks);
    for (std::size_t i = 0; i < count; ++i) {
      const Key key = make_key(ranks[i], rows[i]);
      if (key < pool.bound()) pool.insert(key);
    }
    count = 0;
  };
  wanted.for_each(begin, end, [&](std::uint32_t row) {
    rows[count] = row;
    addresses[count++] = codes.row(row);
    if (count == kBlock) rank_collected();
  });
  rank_collected();
}

}  // namespace

GraphAnswer scan_codes(const Space& space, const Query& query, const quant::Codes& codes,
                       const base::RowMask& wanted, std::uint32_t begin, std::uint32_t end,
                       std::size_t k, std::size_t rerank) {
  thread_local quant::CodeQuery code_query;
  GraphAnswer answer;
  const std::size_t rows = wanted.count_below(end) - wanted.count_below(begin);
  std::vector<float>& unit = thread_scratch().query;
  query.unit_length(space, unit);
  code_query.prepare(codes, unit.data());
  answer.distances_computed = rows;
  if (code_query.usable()) {
    pool_by_codes(codes, code_query, wanted, begin, end, std::min(kept(k, rerank), rows));
    rank_pool_exactly(space, query, k, rerank, code_query.deviation(), answer);
  } else {
    TopK top(std::min(k, rows));
    scan_matching(space, query, wanted, begin, end, top);
    answer.neighbors = top.take_sorted();
  }
  return answer;
}

}  // namespace springg::ann
