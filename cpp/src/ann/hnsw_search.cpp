// SPDX-License-Identifier: MIT
#include "ann/hnsw_search.h"

#include "ann/hnsw_sealed.h"

namespace springg::ann {

namespace {

// Rows whose estimate is so many standard deviations beyond the k-th exact rank are not ranked
// exactly. One loses recall, more gain next to none.
constexpr float kDeviations = 2;
// Rows ranked exactly between two looks at what is left.
constexpr std::size_t kStep = 8;

// Ranks the best of the pool exactly, for as long as an estimate may hide a row of the k best.
void rank_exactly(const Space& space, const Query& query, std::size_t k, float slack,
                  GraphAnswer& answer) {
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
  while (at < std::min(k, pool.size())) {
    rank_next(std::min({k, pool.size() - at, SearchScratch::kLinksMax}));
  }
  while (at < pool.size()) {
    const float reach = top.worst() + slack;
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

}  // namespace

SearchScratch& thread_scratch() {
  thread_local SearchScratch scratch;
  return scratch;
}

GraphAnswer SealedGraph::search(const Space& space, const Query& query,
                                const GraphQuery& request) const {
  const SealedGraphAccess sight{*this, std::min(request.row_limit, rows_)};
  return search_graph(sight, VectorRanker{space, query}, request);
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
  const float slack = kDeviations * code_query.deviation();
  answer.distances_computed = fill_pool(sight, CodeRanker{codes, code_query}, request, slack);
  rank_exactly(space, query, request.k, slack, answer);
  return answer;
}

}  // namespace springg::ann
