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
#include "base/row_mask.h"
#include "engine/poller.h"
#include "engine/search_plan.h"
#include "engine/thread_pool.h"
#include "engine/view.h"
#include "springg/index.h"

namespace springg::engine {

// Where nobody chose.
inline constexpr double kRecallDefault = 0.95;
// What a part's calibration is asked for, so that queries find `recall` of theirs: they may be less
// like the rows than the rows that it was measured with. 0.98 for 0.95.
constexpr float calibration_recall(double recall) noexcept {
  return static_cast<float>(1 - 0.4 * (1 - recall));
}

// What searches do that name no ef, in one word: searches read it while tune() replaces it.
struct DefaultEf {
  float recall = calibration_recall(kRecallDefault);  // asked of each part's calibration,
  std::uint16_t ef = 0;  // unless this stands for all, of a search for k
  std::uint16_t k = 0;
};
DefaultEf default_ef(const std::optional<SearchTuning>& tuning) noexcept;
// What it comes to: the greatest that a part asks for.
std::size_t chosen_ef(const View& view, const DefaultEf& choice, std::size_t k, bool filtered);

// k, ef, rerank, width, finite queries, threads.
Status check_search(const IndexOptions& index, const MatrixView& queries,
                    const SearchOptions& options);

// check_search(), search_view(), and whether what it read could be read.
Result<SearchResult> checked_search(const View& view, const IndexOptions& index,
                                    const DefaultEf& choice, const MatrixView& queries,
                                    const SearchOptions& options, ThreadPool& pool,
                                    Progress* progress);
// Options are checked already.
Result<SearchResult> search_view(const View& view, const IndexOptions& index,
                                 const DefaultEf& choice, const MatrixView& queries,
                                 const SearchOptions& options, ThreadPool& pool,
                                 Progress* progress);

struct Hit {
  float rank = 0;
  std::uint32_t part = 0;
  std::uint32_t row = 0;
};
using HitList = std::vector<Hit>;  // of one query

// The live rows that a filter leaves, a mask for each part. Whatever filters by something else than
// a mask or ids makes one of these too: nothing below asks where it came from.
struct MatchSet {
  std::vector<base::RowMask> parts;
  std::uint64_t rows = 0;  // of all parts
};
Result<MatchSet> matching_rows(const View& view, const RowFilter& filter);

// Parts of search_view(). All of one search share this.
struct SearchJob {
  const View& view;
  const IndexOptions& index;
  std::size_t k;
  std::size_t ef;
  std::size_t rerank;
  base::Executor& executor;
  Poller& poller;
  const MatchSet* matches;      // null: no filter
  std::vector<PartPlan> plans;  // one a part, when there is a filter
};

// Whether its graph covers so few rows that a scan is no slower than a walk this wide.
bool is_short(const PartView& part, std::size_t ef) noexcept;
// How wide to walk a part that is expected to have this share of the k results.
std::size_t ef_of_share(std::size_t k, std::size_t ef, double share);
// Best k of `hits` in order; the rest is cut off.
void keep_best(HitList& hits, std::size_t k);
// Scans all live rows, or those that match, for each query. Returns the distances computed.
std::uint64_t scan_view(const SearchJob& job, std::span<const ann::Query> queries,
                        std::span<HitList> hits);
// Walks the graphs for one query, each as wide as its part's share of the rows asks for
// (docs/adr/0011), and scans what they do not cover.
std::uint64_t walk_view(const SearchJob& job, const ann::Query& query, HitList& hits);
// Distances, scores, ids and what else `options` includes.
SearchResult collect_hits(const View& view, const IndexOptions& index, const SearchOptions& options,
                          std::span<HitList> hits);

}  // namespace springg::engine
