// SPDX-License-Identifier: MIT
// The walk over one layer, and the search through all of them, for every kind of graph.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "ann/hnsw.h"
#include "ann/hnsw_links.h"
#include "ann/hnsw_scratch.h"
#include "ann/space.h"
#include "quant/code_query.h"

namespace springg::ann {

inline void prefetch(const void* address) noexcept { __builtin_prefetch(address, 0, 3); }

// The processor's own prefetcher follows from the first lines; asking for all of a long vector
// would push out what is needed sooner.
inline void prefetch_row(const std::byte* row, std::size_t bytes) noexcept {
  prefetch(row);
  if (bytes > 64) prefetch(row + 64);
  if (bytes > 128) prefetch(row + 128);
  if (bytes > 192) prefetch(row + 192);
}

// A walk that ends by distance follows at most four times `ef` rows, and beyond 2,048 no more than
// ef: it takes longer and longer to keep a pool in order.
inline std::size_t near_capacity(std::size_t ef) noexcept {
  return std::max(ef, std::min<std::size_t>(4 * ef, 2048));
}

// What a walk compares rows by: their vectors, exactly,
struct VectorRanker {
  static constexpr bool kEstimates = false;
  const Space& space;
  const Query& query;

  const std::byte* row(std::uint32_t number) const noexcept { return space.vectors.row(number); }
  void fetch(const std::byte* vector, std::uint32_t number) const noexcept {
    prefetch_row(vector, space.vectors.stride);
    if (space.metric == Metric::kCosine) prefetch(space.inverse_norms.row(number));
  }
  void rank(const std::byte* const* vectors, const std::uint32_t* rows, std::size_t count,
            float* ranks) const noexcept {
    query.gather_at(space, vectors, rows, count, ranks);
  }
};

// or codes, which are shorter and give estimates.
struct CodeRanker {
  static constexpr bool kEstimates = true;
  const quant::Codes& codes;
  const quant::CodeQuery& query;

  const std::byte* row(std::uint32_t number) const noexcept { return codes.row(number); }
  void fetch(const std::byte* code, std::uint32_t number) const noexcept {
    prefetch_row(code, codes.stride);
    prefetch(codes.factors_of(number));
  }
  void rank(const std::byte* const* rows, const std::uint32_t* numbers, std::size_t count,
            float* ranks) const noexcept {
    query.rank(codes, rows, numbers, count, ranks);
  }
};

template <class Ranker>
struct SearchTask {
  Ranker ranker;
  SearchScratch& scratch;
  std::uint32_t hidden = kNoRow;  // a row that the walk over the base layer does not meet
  std::uint64_t distances = 0;
};
template <class Ranker>
SearchTask(Ranker, SearchScratch&) -> SearchTask<Ranker>;

// For a walk over numbers below this that begins here.
template <class Ranker>
void begin_walk(SearchTask<Ranker>& task, std::uint32_t start, std::size_t numbers,
                std::size_t ef) {
  VisitedTags& visited = task.scratch.visited;
  visited.reset(numbers);
  visited.insert(start);
  if (task.hidden != kNoRow) visited.insert(task.hidden);
  task.scratch.pool.reset(ef);
}

template <class Layer>
void prefetch_links(const Layer& layer, std::uint32_t number) noexcept {
  const auto* links = reinterpret_cast<const std::byte*>(layer.links(number));
  const std::size_t bytes = std::size_t{layer.width()} * sizeof(std::uint32_t);
  for (std::size_t at = 0; at < bytes; at += 64) prefetch(links + at);
}

// Puts the links of `number` that were not met into the scratch, and asks for their vectors.
// Returns how many.
template <class Layer, class Ranker>
std::size_t collect_links(const Layer& layer, std::uint32_t number,
                          SearchTask<Ranker>& task) noexcept {
  SearchScratch& scratch = task.scratch;
  const std::uint32_t* const links = layer.links(number);
  const std::uint32_t width = layer.width();
  const VisitedTags::Marker marker = scratch.visited.marker();
  std::uint32_t* const numbers = scratch.numbers;
  std::size_t count = 0;
  for (std::uint32_t i = 0; i < width; ++i) {
    const std::uint32_t link = Layer::load(links + i);
    if (!layer.visible(link)) {
      if (link == kNoRow) break;
      continue;
    }
    numbers[count] = link;
    count += marker.insert(link) ? 1 : 0;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t row = layer.row_of(numbers[i]);
    const std::byte* const vector = task.ranker.row(row);
    task.ranker.fetch(vector, row);
    scratch.rows[i] = row;
    scratch.vectors[i] = vector;
  }
  return count;
}

template <class Ranker>
void rank_collected(SearchTask<Ranker>& task, std::size_t count) noexcept {
  SearchScratch& scratch = task.scratch;
  task.ranker.rank(scratch.vectors, scratch.rows, count, scratch.ranks);
  task.distances += count;
}

struct Found {
  float rank;
  std::uint32_t number;
};

template <class Layer, class Ranker>
Found rank_start(const Layer& layer, std::uint32_t number, SearchTask<Ranker>& task) noexcept {
  const std::uint32_t row = layer.row_of(number);
  const std::byte* const vector = task.ranker.row(row);
  float rank = 0;
  task.ranker.rank(&vector, &row, 1, &rank);
  ++task.distances;
  return {rank, number};
}

// Walks to a number none of whose links is nearer. Precondition: what was met since the last reset
// of the tags is not nearer than `best`.
template <class Layer, class Ranker>
Found descend(const Layer& layer, Found best, SearchTask<Ranker>& task) noexcept {
  for (bool moved = true; moved;) {
    const std::size_t count = collect_links(layer, best.number, task);
    rank_collected(task, count);
    moved = false;
    for (std::size_t i = 0; i < count; ++i) {
      if (task.scratch.ranks[i] >= best.rank) continue;
      best = {task.scratch.ranks[i], task.scratch.numbers[i]};
      moved = true;
    }
  }
  return best;
}

// When a walk ends: as soon as what is nearest of the rest is `stretch` times as far as the k-th
// found so far. Where many rows are about as near it goes on for longer than a walk with a pool of
// fixed size and the same mean effort, and stops sooner where the nearest stand out.
struct WalkEnd {
  std::size_t capacity = 0;                                 // of the pool: more are never followed
  std::size_t k = std::numeric_limits<std::size_t>::max();  // as it is: only when all are followed
  float stretch = 1;                                        // at least 1
  float floor = 0;                                          // ranks below are taken for this one

  // Keys beyond are neither kept nor followed.
  Key bound(const SearchPool& pool) const noexcept {
    if (pool.size() < k) return pool.bound();
    const float farthest = std::max(rank_of(pool.keys()[k - 1]), floor);
    return std::min(make_key(stretch * farthest, 0), pool.bound());
  }
};

// Puts those of the collected that are no farther than `bound` among the scratch's passed keys.
// Returns how many: few are, in no order, so that no branch is taken for each.
inline std::size_t pass_collected(SearchScratch& scratch, std::size_t count, Key bound) noexcept {
  std::uint32_t places[SearchScratch::kLinksMax];
  const float farthest = bound == ~Key{0} ? std::numeric_limits<float>::infinity() : rank_of(bound);
  std::size_t passed = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    places[passed] = i;
    passed += scratch.ranks[i] <= farthest ? 1 : 0;
  }
  for (std::size_t i = 0; i < passed; ++i) {
    scratch.passed[i] = make_key(scratch.ranks[places[i]], scratch.numbers[places[i]]);
  }
  return passed;
}

// Most often the nearest that was just met is followed next: its links come while the pool is put
// in order.
template <class Layer>
void prefetch_links_of_nearest(const Layer& layer, const Key* keys, std::size_t count) noexcept {
  if (count != 0) prefetch_links(layer, number_of(*std::min_element(keys, keys + count)));
}

// Fills the pool with the nearest that the walk from `start` meets. `numbers` bounds the layer's
// numbers.
template <class Layer, class Ranker>
void walk(const Layer& layer, Found start, const WalkEnd& end, std::size_t numbers,
          SearchTask<Ranker>& task) {
  SearchScratch& scratch = task.scratch;
  SearchPool& pool = scratch.pool;
  begin_walk(task, start.number, numbers, end.capacity);
  pool.insert(make_key(start.rank, start.number));
  Key bound = pool.bound();  // the first row is followed, whatever its rank
  std::size_t cursor = 0;
  while (cursor < pool.size() && pool.keys()[cursor] <= bound) {
    const std::uint32_t number = number_of(pool.keys()[cursor]);
    pool.keys()[cursor] |= kExpanded;
    do {
      ++cursor;
    } while (cursor < pool.size() && (pool.keys()[cursor] & kExpanded) != 0);
    const std::size_t count = collect_links(layer, number, task);
    if (cursor < pool.size()) prefetch_links(layer, number_of(pool.keys()[cursor]));
    rank_collected(task, count);
    const std::size_t passed = pass_collected(scratch, count, bound);
    prefetch_links_of_nearest(layer, scratch.passed, passed);
    for (std::size_t i = 0; i < passed; ++i) {
      if (scratch.passed[i] >= bound) continue;
      const std::size_t place = pool.insert(scratch.passed[i]);
      cursor = std::min(cursor, place);
      if (place < end.k || pool.full()) bound = end.bound(pool);
    }
    if (end.k == 1) bound = end.bound(pool);  // the first row may be the nearest of all
  }
}

// The same when some rows are deleted: the pool holds live rows only and bounds the walk, so that
// it is as wide as without deletes; what is yet to be followed waits in a heap of its own.
template <class Layer, class Ranker>
void walk_live(const Layer& layer, Found start, const WalkEnd& end, std::size_t numbers,
               const base::RowBits& deleted, SearchTask<Ranker>& task) {
  SearchScratch& scratch = task.scratch;
  SearchPool& pool = scratch.pool;
  std::vector<Key>& frontier = scratch.frontier;
  const auto later = [](Key a, Key b) { return a > b; };
  begin_walk(task, start.number, numbers, end.capacity);
  Key bound = pool.bound();
  const auto meet = [&](Key key) {
    if (key >= bound) return;
    frontier.push_back(key);
    std::push_heap(frontier.begin(), frontier.end(), later);
    if (deleted.test(layer.row_of(number_of(key)))) return;
    if (pool.insert(key) < end.k || pool.full()) bound = end.bound(pool);
  };
  frontier.clear();
  meet(make_key(start.rank, start.number));
  bound = pool.bound();  // the first row is followed, whatever its rank
  while (!frontier.empty() && frontier.front() <= bound) {
    const std::uint32_t number = number_of(frontier.front());
    std::pop_heap(frontier.begin(), frontier.end(), later);
    frontier.pop_back();
    const std::size_t count = collect_links(layer, number, task);
    if (!frontier.empty()) prefetch_links(layer, number_of(frontier.front()));
    rank_collected(task, count);
    const std::size_t passed = pass_collected(scratch, count, bound);
    for (std::size_t i = 0; i < passed; ++i) meet(scratch.passed[i]);
    if (end.k == 1) bound = end.bound(pool);  // the first row may be the nearest of all
  }
}

// From where the graph is entered down to `floor` (exclusive), greedily. Precondition: some row is
// visible. The result is a number of layer `floor` when floor > 0 and the graph reaches it.
template <class Sight, class Ranker>
Found descend_to(const Sight& sight, std::uint32_t floor, GraphStart start,
                 SearchTask<Ranker>& task) {
  if (start.layer == 0) return rank_start(sight.base(), 0, task);
  Found best = rank_start(sight.upper(start.layer), start.number, task);
  // Numbers are the same on all upper layers: one met above need not be ranked again below.
  task.scratch.visited.reset(sight.numbers());
  task.scratch.visited.insert(start.number);
  for (std::uint32_t layer = start.layer; layer > floor; --layer) {
    best = descend(sight.upper(layer), best, task);
  }
  if (floor == 0) best.number = sight.upper(1).row_of(best.number);
  return best;
}

// Fills the thread's pool with what the walk finds, nearest first. `floor`: see WalkEnd. Returns
// the distances computed.
template <class Sight, class Ranker>
std::uint64_t fill_pool(const Sight& sight, Ranker ranker, const GraphQuery& request,
                        float floor = 0) {
  SearchTask task{ranker, thread_scratch()};
  task.hidden = request.hidden;
  const std::size_t ef = std::max(request.ef, request.k);
  const Found start = descend_to(sight, 0, sight.start(), task);
  const WalkEnd end = request.stretch >= 1
                          ? WalkEnd{near_capacity(ef), request.k, request.stretch, floor}
                          : WalkEnd{.capacity = ef};
  if (request.deleted.empty()) {
    walk(sight.base(), start, end, sight.limit(), task);
  } else {
    walk_live(sight.base(), start, end, sight.limit(), request.deleted, task);
  }
  return task.distances;
}

// The k nearest of the pool, whose numbers are rows and whose ranks are estimates with this
// standard deviation: the best, at least k and `rerank`, are ranked on their vectors, for as long
// as an estimate may hide one of the k.
void rank_pool_exactly(const Space& space, const Query& query, std::size_t k, std::size_t rerank,
                       float deviation, GraphAnswer& answer);

}  // namespace springg::ann
