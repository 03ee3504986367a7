// SPDX-License-Identifier: MIT
#include "ann/hnsw_search.h"

#include "ann/hnsw_filtered.h"
#include "ann/hnsw_sealed.h"

namespace springg::ann {

namespace {

// How many of the best estimates are ranked on their vectors.
std::size_t reranked(std::size_t k) { return std::max(2 * k, k + 16); }

void rank_exactly(const Space& space, const Query& query, std::size_t k, GraphAnswer& answer) {
  std::vector<Neighbor>& found = answer.neighbors;
  SearchScratch& scratch = thread_scratch();
  for (std::size_t begin = 0; begin < found.size(); begin += SearchScratch::kLinksMax) {
    const std::size_t count = std::min(found.size() - begin, SearchScratch::kLinksMax);
    for (std::size_t i = 0; i < count; ++i) scratch.rows[i] = found[begin + i].row;
    query.gather(space, scratch.rows, count, scratch.ranks);
    for (std::size_t i = 0; i < count; ++i) found[begin + i].rank = scratch.ranks[i];
  }
  answer.distances_computed += found.size();
  std::sort(found.begin(), found.end(), [](const Neighbor& a, const Neighbor& b) {
    return a.rank != b.rank ? a.rank < b.rank : a.row < b.row;
  });
  if (found.size() > k) found.resize(k);
}

}  // namespace

SearchScratch& thread_scratch() {
  thread_local SearchScratch scratch;
  return scratch;
}

GraphAnswer SealedGraph::search(const Space& space, const Query& query,
                                const GraphQuery& request) const {
  const SealedGraphAccess sight{*this, std::min(request.row_limit, rows_)};
  return search_rows(sight, VectorRanker{space, query}, request);
}

GraphAnswer SealedGraph::search(const Space& space, const Query& query,
                                const quant::Int8Codes& codes, const GraphQuery& request) const {
  thread_local quant::Int8Query code_query;
  query.unit_length(space, thread_scratch().query);
  code_query.prepare(codes, thread_scratch().query.data());
  if (!code_query.usable()) return search(space, query, request);
  const SealedGraphAccess sight{*this, std::min(request.row_limit, rows_)};
  GraphQuery wide = request;
  wide.k = std::min(std::max(request.ef, request.k), reranked(request.k));
  GraphAnswer answer = search_rows(sight, CodeRanker{codes, code_query}, wide);
  rank_exactly(space, query, request.k, answer);
  return answer;
}

}  // namespace springg::ann
