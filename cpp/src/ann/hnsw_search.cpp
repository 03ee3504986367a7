// SPDX-License-Identifier: MIT
#include "ann/hnsw_search.h"

#include "ann/hnsw_sealed.h"

namespace springg::ann {

SearchScratch& thread_scratch() {
  thread_local SearchScratch scratch;
  return scratch;
}

GraphAnswer SealedGraph::search(const Space& space, const Query& query,
                                const GraphQuery& request) const {
  const SealedGraphAccess sight{*this, std::min(request.row_limit, rows_)};
  return search_graph(sight, space, query, request);
}

}  // namespace springg::ann
