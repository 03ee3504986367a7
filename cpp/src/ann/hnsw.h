// SPDX-License-Identifier: MIT
// HNSW graphs (Malkov & Yashunin, "Efficient and robust approximate nearest neighbor search using
// Hierarchical Navigable Small World graphs", 2018): growing in memory, and sealed in a segment.
//
// Layer 0 is a table of fixed-width rows of 2M row numbers, 64-byte aligned, in no order, ended by
// kNoRow, without counts. Rows with a level (1 in M) are numbered again in a compact upper part
// whose links are those numbers. Vectors lie elsewhere (Space).
//
// Growing: batch-synchronous (docs/adr): rows are inserted in batches that are at most a small part
// of the graph. Each batch searches the frozen graph in parallel and, exactly, itself, since rows
// that come together are often alike; then forward links are written, then reverse links are
// grouped by target and each target is pruned once. A complete graph is refined (hnsw_refine.h).
// Levels come from hash(seed, row) when a row is inserted; one that adopt() took over keeps its
// level. So equal rows and seed give an equal graph for any number of threads, if extend() is
// called once; the graph grown in steps depends on the steps alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ann/space.h"
#include "ann/top_k.h"
#include "base/executor.h"
#include "base/row_bits.h"
#include "base/row_mask.h"
#include "quant/codes.h"
#include "springg/progress.h"
#include "springg/status.h"

namespace springg::ann {

inline constexpr std::uint32_t kNoRow = 0xffff'ffffU;

struct GraphOptions {
  std::uint32_t m = 16;
  std::uint32_t ef_construction = 200;
  std::uint64_t seed = 0;
};

// How to walk where only some rows match (hnsw_filtered.h).
enum class MatchWalk : std::uint8_t { kTwoHop, kPlain };

// One approximate search.
struct GraphQuery {
  std::size_t k = 10;
  std::size_t ef = 64;               // at least k
  base::RowBits deleted;             // walked through, never returned, and not counted in ef
  std::uint32_t row_limit = kNoRow;  // rows at or above are not looked at
  // From 1 on: the walk ends by distance (hnsw_search.h, WalkEnd) and ef bounds it from afar.
  float stretch = 0;
  std::uint32_t hidden = kNoRow;  // a row of the base layer alone that is as if it were not there
  std::size_t rerank = 0;  // of a walk on codes: so many are ranked on their vectors at the least

  // Rows that may be returned, of which none is deleted; null: all that are not. Then `deleted` is
  // not looked at.
  const base::RowMask* matching = nullptr;
  MatchWalk walk = MatchWalk::kTwoHop;
  std::span<const std::uint32_t> seeds;  // at most 128 matching rows that kTwoHop begins at, too
  // kTwoHop gives up, starved, when a smaller share of the rows matches where it comes to: a scan
  // of all matches costs less then, or finds more.
  double pass_rate_min = 0;
  // Likewise when the matches are far from the query, and this says no.
  bool walks_far = true;
};
struct GraphAnswer {
  std::vector<Neighbor> neighbors;  // nearest first, at most k
  std::uint64_t distances_computed = 0;
  bool starved = false;  // of a walk among matching rows: it did not meet ef of them
};

class SealedGraph;

// A graph that rows are added to while others search it. One thread extends at a time; any number
// search. Links are relaxed atomics; a searcher only looks at rows below the covered() that it
// read first, whose vectors therefore happened before.
class GrowingGraph {
 public:
  // Memory is taken as rows come; `rows_max` only bounds tables of chunk pointers.
  static Result<std::unique_ptr<GrowingGraph>> create(const GraphOptions& options,
                                                      std::uint32_t rows_max);
  virtual ~GrowingGraph() = default;

  // Rows [0, covered()) are in the graph. Acquire.
  virtual std::uint32_t covered() const noexcept = 0;
  // Inserts rows [covered(), end); space must hold them. covered() advances batch by batch. With
  // `finish`, for a graph that gets no more rows, the links of layer 0 are then chosen again now
  // that all rows are there, and rows that cannot be reached from the entry are linked in; nothing
  // happens when that was done already.
  // With `codes` of the rows [0, end) the graph is walked on these; candidates are then ranked on
  // their vectors, so that links are nearly the same, and wide rows are inserted sooner.
  // kFailedPrecondition when progress says stop (the graph is then whole up to covered()),
  // kResourceExhausted without memory.
  virtual Status extend(const Space& space, std::uint32_t end, base::Executor& executor,
                        Progress* progress, bool finish, const quant::Codes* codes = nullptr) = 0;
  // Begins an empty graph with the rows of a sealed one that are kept: row i of `space` was kept[i]
  // there (ascending). A row that lost no neighbor costs no distance, another a choice of links
  // (hnsw_adopt.h). extend() with `finish` should follow. The source has the same m. False when the
  // rows that went held the others together: then, and after kFailedPrecondition (stopped) and
  // kResourceExhausted, the graph is of no use.
  virtual Result<bool> adopt(const SealedGraph& source, std::span<const std::uint32_t> kept,
                             const Space& space, base::Executor& executor, Progress* progress) = 0;
  virtual GraphAnswer search(const Space& space, const Query& query,
                             const GraphQuery& request) const = 0;
  virtual std::size_t memory_bytes() const noexcept = 0;

  // The sealed form, for a segment: covered() rows. No extend() may run meanwhile.
  virtual std::size_t image_bytes() const = 0;
  virtual void write_image(std::span<std::byte> image) const = 0;
};

// A sealed graph over bytes that someone else holds (8-byte aligned; a mapped segment).
class SealedGraph {
 public:
  SealedGraph() = default;
  // Checks every count and every link against `rows`. kCorruption with the offset in the image.
  static Result<SealedGraph> open(std::span<const std::byte> image, std::uint32_t rows);

  bool empty() const noexcept { return rows_ == 0; }
  std::uint32_t rows() const noexcept { return rows_; }
  // Rows on layers above the base.
  std::span<const std::uint32_t> upper_rows() const noexcept { return {upper_rows_, upper_count_}; }
  GraphAnswer search(const Space& space, const Query& query, const GraphQuery& request) const;
  // The same on codes of the rows; those that may be among the k best, as far as the codes' error
  // tells, are then ranked on their vectors.
  GraphAnswer search(const Space& space, const Query& query, const quant::Codes& codes,
                     const GraphQuery& request) const;

 private:
  friend struct SealedGraphAccess;
  std::uint32_t rows_ = 0;
  std::uint32_t m_ = 0;
  std::uint32_t upper_count_ = 0;
  std::uint32_t entry_ = kNoRow;          // number in the upper part, or a row when there is none
  std::uint32_t layers_ = 0;              // layers above 0
  const std::uint32_t* links_ = nullptr;  // rows_ x 2m
  const std::uint32_t* upper_rows_ = nullptr;      // upper_count_: upper number -> row
  std::vector<const std::uint32_t*> layer_links_;  // a layer: (rows with that level) x m
  std::vector<std::uint32_t> layer_counts_;        // a layer: rows with that level
};

}  // namespace springg::ann
