// SPDX-License-Identifier: MIT
// Walks of layer 0 that return rows of a mask alone. Entry is that of every search.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "ann/hnsw_search.h"
#include "base/row_mask.h"

namespace springg::ann {

// Rows that do not match and are followed all the same, in one search.
inline constexpr std::size_t kBridgesMax = 16;
// Matches are far from the query where so small a part of their share of all rows is near it,
inline constexpr double kFarPart = 0.5;
// and to find the nearest of them takes so many times the width.
inline constexpr std::size_t kFarWidth = 3;
// Matching rows whose links are counted before a walk may give up.
inline constexpr std::size_t kProbes = 2;

// What both walks keep: the pool of matching rows, which bounds the walk, and a heap of what is yet
// to be followed.
template <class Layer, class Ranker>
class MatchingWalk {
 public:
  MatchingWalk(const Layer& layer, const base::RowMask& matching, std::size_t ef,
               std::size_t numbers, SearchTask<Ranker>& task)
      : layer_(layer),
        matching_(matching),
        task_(task),
        scratch_(task.scratch),
        pool_(task.scratch.pool),
        visited_(task.scratch.visited),
        frontier_(task.scratch.frontier) {
    visited_.reset(numbers);
    pool_.reset(ef);
    frontier_.clear();
  }

  void enter(Found start) {
    visited_.insert(start.number);
    follow_later(make_key(start.rank, start.number));
  }
  // The entry is followed at once, since what is around it says how to go on. Where matches are
  // far, the nearest are at an edge of all that match, which takes a wider walk that looks through
  // everything. False when the request gives up there.
  bool enter(Found start, const GraphQuery& request) {
    visited_.insert(start.number);
    const std::size_t links = collect_two_hops(start.number);
    far_ = static_cast<double>(matches_seen_) * matching_.rows() <
           kFarPart * static_cast<double>(seen_) * matching_.size();
    if (far_ && !request.walks_far) return false;
    if (far_) pool_.reset(kFarWidth * std::max(request.ef, request.k));
    if (matching_.test(start.number)) pool_.insert(make_key(start.rank, start.number));
    meet_collected(links);
    if (matches_seen_ < kBridgeBelow) bridge();
    std::size_t count = 0;
    for (const std::uint32_t row : request.seeds) {
      if (layer_.visible(row) && visited_.insert(row)) collect(row, count++);
    }
    meet_collected(count);
    return true;
  }

  // Scores every row that it meets: two pools, as for deleted rows.
  void walk_plainly() {
    while (more()) {
      const std::size_t count = collect_links(layer_, pop(), task_);
      fetch_next();
      meet_collected(count);
    }
  }

  // Scores matching rows alone, and looks through the others at their links: ACORN-1 (Patel et al.,
  // "ACORN: Performant and Predicate-Agnostic Search Over Vector Embeddings and Structured Data",
  // 2024, section 5.2), each of them once in a search. Where hardly anything matches, rows that do
  // not are followed as bridges, nearest first, some of them. False when it gave up.
  bool walk_two_hops(double pass_rate_min) {
    std::size_t bridges = kBridgesMax;
    std::size_t probes = kProbes;
    std::size_t seen = 0;
    std::size_t matches = 0;
    while (more()) {
      const std::uint32_t number = pop();
      const bool match = matching_.test(layer_.row_of(number));
      if (!match && bridges == 0) continue;
      if (!match) --bridges;
      const std::size_t count = collect_two_hops(number);
      fetch_next();
      meet_collected(count);
      if (matches_seen_ < kBridgeBelow && bridges != 0) bridge();
      if (!match || probes == 0) continue;
      seen += seen_;
      matches += matches_seen_;
      if (--probes != 0) continue;
      if (static_cast<double>(matches) < pass_rate_min * static_cast<double>(seen)) return false;
    }
    return true;
  }

 private:
  // Matching rows seen below which a row is followed for others than matches.
  static constexpr std::size_t kBridgeBelow = 2;
  static constexpr std::size_t kFetchAhead = 4;  // rows of links

  bool more() const noexcept { return !frontier_.empty() && frontier_.front() <= pool_.bound(); }
  static bool later(Key a, Key b) noexcept { return a > b; }
  std::uint32_t pop() noexcept {
    const std::uint32_t number = number_of(frontier_.front());
    std::pop_heap(frontier_.begin(), frontier_.end(), later);
    frontier_.pop_back();
    return number;
  }
  void fetch_next() const noexcept {
    if (!frontier_.empty()) prefetch_links(layer_, number_of(frontier_.front()));
  }
  void follow_later(Key key) {
    if (key >= pool_.bound()) return;
    frontier_.push_back(key);
    std::push_heap(frontier_.begin(), frontier_.end(), later);
    if (matching_.test(layer_.row_of(number_of(key)))) pool_.insert(key);
  }
  void collect(std::uint32_t row, std::size_t place) noexcept {
    const std::byte* vector = task_.ranker.row(row);
    task_.ranker.fetch(vector, row);
    scratch_.numbers[place] = row;
    scratch_.rows[place] = row;
    scratch_.vectors[place] = vector;
  }
  void meet_collected(std::size_t count) {
    rank_collected(task_, count);
    for (std::size_t i = 0; i < count; ++i) {
      follow_later(make_key(scratch_.ranks[i], scratch_.numbers[i]));
    }
  }

  // visit(link) for the visible links of a row, until it says no.
  template <class Visit>
  void for_each_link(std::uint32_t number, Visit visit) const {
    const std::uint32_t* links = layer_.links(number);
    const std::uint32_t width = layer_.width();
    for (std::uint32_t i = 0; i < width; ++i) {
      const std::uint32_t link = Layer::load(links + i);
      if (!layer_.visible(link)) {
        if (link == kNoRow) break;
        continue;
      }
      if (!visit(link)) break;
    }
  }

  // Puts matching rows that were not met before into the scratch: links, then links of links that
  // do not match, until so many matching rows were seen as rows have links on average. Far from the
  // query those that were met before do not count.
  std::size_t collect_two_hops(std::uint32_t number) {
    std::size_t count = 0;
    std::size_t others = 0;
    matches_seen_ = 0;
    seen_ = 0;
    looked_through_ = 0;
    for_each_link(number, [&](std::uint32_t link) {
      ++seen_;
      if (!matching_.test(link)) {
        through_[others++] = link;
        return true;
      }
      ++matches_seen_;
      if (visited_.insert(link)) collect(link, count++);
      return true;
    });
    const std::size_t wanted = far_ ? layer_.width() : layer_.width() * 5 / 8;
    for (std::size_t i = 0; i < std::min(others, kFetchAhead); ++i) {
      prefetch_links(layer_, through_[i]);
    }
    for (std::size_t i = 0; i < others && matches_seen_ < wanted; ++i) {
      if (i + kFetchAhead < others) prefetch_links(layer_, through_[i + kFetchAhead]);
      const std::uint32_t other = through_[i];
      if (!visited_.insert(other)) continue;
      through_[looked_through_++] = other;
      for_each_link(other, [&](std::uint32_t link) {
        ++seen_;
        if (link == number || !matching_.test(link)) return true;
        const bool met_before = !visited_.insert(link);
        if (!met_before) collect(link, count++);
        if (!met_before || !far_) ++matches_seen_;
        return matches_seen_ < wanted;
      });
    }
    return count;
  }

  // Ranks what was looked through, to be followed itself.
  void bridge() {
    for (std::size_t i = 0; i < looked_through_; ++i) collect(through_[i], i);
    meet_collected(looked_through_);
  }

  const Layer layer_;
  const base::RowMask& matching_;
  SearchTask<Ranker>& task_;
  SearchScratch& scratch_;
  SearchPool& pool_;
  VisitedTags& visited_;
  std::vector<Key>& frontier_;
  bool far_ = false;
  std::size_t seen_ = 0;            // links of the row followed last, and of those looked through
  std::size_t matches_seen_ = 0;    // those of them that match
  std::size_t looked_through_ = 0;  // the first of through_
  std::uint32_t through_[SearchScratch::kLinksMax];
};

struct Filled {
  std::uint64_t distances = 0;
  bool starved = false;  // of matching rows, or given up
};

// fill_pool() for a request with a mask.
template <class Sight, class Ranker>
Filled fill_with_matches(const Sight& sight, Ranker ranker, const GraphQuery& request) {
  SearchTask task{ranker, thread_scratch()};
  const std::size_t ef = std::max(request.ef, request.k);
  const Found start = descend_to(sight, 0, sight.start(), task);
  MatchingWalk walk(sight.base(), *request.matching, ef, sight.limit(), task);
  bool whole = true;
  if (request.walk == MatchWalk::kPlain) {
    walk.enter(start);
    walk.walk_plainly();
  } else {
    whole = walk.enter(start, request) && walk.walk_two_hops(request.pass_rate_min);
  }
  return {task.distances, !whole || task.scratch.pool.size() < ef};
}

// What a part's search() fills the thread's pool by: with a mask or without. `floor`: see WalkEnd.
template <class Sight, class Ranker>
Filled fill_with_rows(const Sight& sight, Ranker ranker, const GraphQuery& request,
                      float floor = 0) {
  if (request.matching != nullptr) return fill_with_matches(sight, ranker, request);
  return {fill_pool(sight, ranker, request, floor), false};
}

// The `k` best that the walk finds, by the ranker's ranks.
template <class Sight, class Ranker>
GraphAnswer search_rows(const Sight& sight, Ranker ranker, const GraphQuery& request) {
  GraphAnswer answer;
  if (sight.limit() == 0 || request.k == 0) return answer;
  const Filled filled = fill_with_rows(sight, ranker, request);
  answer.distances_computed = filled.distances;
  answer.starved = filled.starved;
  const SearchPool& pool = thread_scratch().pool;
  const std::size_t count = std::min(request.k, pool.size());
  answer.neighbors.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    answer.neighbors.push_back({rank_of(pool.keys()[i]), number_of(pool.keys()[i])});
  }
  return answer;
}

}  // namespace springg::ann
