// SPDX-License-Identifier: MIT
// Searching a view: each part through its graph or by a scan, then one order by (rank, part, row).
// The answer's bits do not depend on the number of threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ann/flat.h"
#include "ann/space.h"
#include "engine/poller.h"
#include "engine/thread_pool.h"
#include "engine/view.h"
#include "springg/index.h"

namespace springg::engine {

// k, ef, width, finite queries, threads.
Status check_search(const IndexOptions& index, const MatrixView& queries,
                    const SearchOptions& options);

// Options are checked already.
Result<SearchResult> search_view(const View& view, const IndexOptions& index,
                                 const MatrixView& queries, const SearchOptions& options,
                                 ThreadPool& pool, Progress* progress);

struct Hit {
  float rank = 0;
  std::uint32_t part = 0;
  std::uint32_t row = 0;
};
using HitList = std::vector<Hit>;  // of one query

// Which rows a filter leaves: a list a part, ascending, of live rows.
using ListedRows = std::vector<std::vector<std::uint32_t>>;
Result<ListedRows> listed_rows(const View& view, const RowFilter& filter);

// Parts of search_view(). All of one search share this.
struct SearchJob {
  const View& view;
  const IndexOptions& index;
  std::size_t k;
  std::size_t ef;
  base::Executor& executor;
  Poller& poller;
};

// Best k of `hits` in order; the rest is cut off.
void keep_best(HitList& hits, std::size_t k);
// Scans all live rows, or the listed ones, for each query. Returns the distances computed.
std::uint64_t scan_view(const SearchJob& job, std::span<const ann::Query> queries,
                        const ListedRows* listed, std::span<HitList> hits);
// Walks the graphs for one query, each as wide as its part's share of the rows asks for
// (docs/adr/0011), and scans what they do not cover.
std::uint64_t walk_view(const SearchJob& job, const ann::Query& query, HitList& hits);
// Distances, scores, ids and what else `options` includes.
SearchResult collect_hits(const View& view, const IndexOptions& index, const SearchOptions& options,
                          std::span<HitList> hits);

}  // namespace springg::engine
