// SPDX-License-Identifier: MIT
#include "ann/hnsw_search.h"

namespace springg::ann {

SearchScratch& thread_scratch() {
  thread_local SearchScratch scratch;
  return scratch;
}

// What SealedGraph::search() lets the search loop see.
struct SealedGraphAccess {
  const SealedGraph& graph;
  std::uint32_t limit_;

  std::uint32_t limit() const noexcept { return limit_; }
  std::uint32_t numbers() const noexcept { return graph.upper_count_; }
  GraphStart start() const noexcept {
    for (std::uint32_t l = graph.layers_; l > 0; --l) {
      const std::uint32_t number = l == graph.layers_ ? graph.entry_ : 0;
      if (upper(l).visible(number)) return {l, number};
    }
    return {};
  }
  SealedBase base() const noexcept { return {graph.links_, 2 * graph.m_, limit_}; }
  SealedUpper upper(std::uint32_t layer) const noexcept {
    return {graph.layer_links_[layer - 1], graph.upper_rows_, graph.m_, graph.upper_count_, limit_};
  }
};

GraphAnswer SealedGraph::search(const Space& space, const Query& query,
                                const GraphQuery& request) const {
  const SealedGraphAccess sight{*this, std::min(request.row_limit, rows_)};
  return search_graph(sight, space, query, request);
}

}  // namespace springg::ann
