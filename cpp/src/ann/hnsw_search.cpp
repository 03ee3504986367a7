// SPDX-License-Identifier: MIT
#include "ann/hnsw_search.h"

#include "ann/hnsw_filtered.h"
#include "ann/hnsw_sealed.h"

namespace springg::ann {

namespace {

// Rows whose estimate is so many standard deviations beyond the k-th exact rank are not ranked
// exactly. One loses recall, more gain next to none.
constexpr float kDeviations = 2;
// Rows ranked exactly between two looks at what is left.
constexpr std::size_t kStep = 8;

}  // namespace

void rank_pool_exactly(const Space& space, const Query& query, std::size_t k, std::size_t rerank,
                       float deviation, GraphAnswer& answer) {
  SearchScratch& scratch = thread_scratch();
  const SearchPool& pool = scratch.pool;
  TopK top(std::min(k, pool.size()));
  std::size_t at = 0;
  const auto rank_next = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) scratch.rows[i] = number_of(pool.keys()[at + i]);
    query.gather(space, scratch.rows, count, scratch.ranks);
    for (std::size_t i = 0; i < count; ++i) {
      if (scratch.ranks[i] <= top.worst()) top.offer({scratch.ranks[i], scratch.rows[i]});
    }
    at += count;
  };
  const std::size_t least = std::min(std::max(k, rerank), pool.size());
  while (at < least) rank_next(std::min(least - at, SearchScratch::kLinksMax));
  while (at < pool.size()) {
    const float reach = top.worst() + kDeviations * deviation;
    std::size_t count = 0;
    while (count < kStep && at + count < pool.size() && rank_of(pool.keys()[at + count]) <= reach) {
      ++count;
    }
    if (count == 0) break;
    rank_next(count);
  }
  answer.distances_computed += at;
  answer.neighbors = top.take_sorted();
}

SearchScratch& thread_scratch() {
  thread_local SearchScratch scratch;
  return scratch;
}

GraphAnswer SealedGraph::search(const Space& space, const Query& query,
                                const GraphQuery& request) const {
  const SealedGraphAccess sight{*this, std::min(request.row_limit, rows_)};
  return search_rows(sight, VectorRanker{space, query}, request);
}

GraphAnswer SealedGraph::search(const Space& space, const Query& query, const quant::Codes& codes,
                                const GraphQuery& request) const {
  thread_local quant::CodeQuery code_query;
  query.unit_length(space, thread_scratch().query);
  code_query.prepare(codes, thread_scratch().query.data());
  if (!code_query.usable()) return search(space, query, request);
  const SealedGraphAccess sight{*this, std::min(request.row_limit, rows_)};
  GraphAnswer answer;
  if (sight.limit() == 0 || request.k == 0) return answer;
  const float deviation = code_query.deviation();
  const Filled filled =
      fill_with_rows(sight, CodeRanker{codes, code_query}, request, kDeviations * deviation);
  answer.distances_computed = filled.distances;
  answer.starved = filled.starved;
  rank_pool_exactly(space, query, request.k, request.rerank, deviation, answer);
  return answer;
}

}  // namespace springg::ann
