// SPDX-License-Identifier: MIT
#include "ann/hnsw_refine.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "ann/hnsw_scratch.h"
#include "ann/hnsw_select.h"
#include "base/buffer.h"

namespace springg::ann {

namespace {

constexpr std::uint32_t kTaskRows = 64;
constexpr std::uint32_t kPartsPerThread = 4;
// Of a row with `width` links, the links' links are looked at until `width` times kJoined are
// known, and the nearest `width` times kCandidateHalves / 2 are chosen from.
constexpr std::size_t kJoined = 10;
constexpr std::size_t kCandidateHalves = 3;
// A link whose rank is this much above every candidate's leads out of the row's cluster. It stays a
// candidate, or the clusters would come apart.
constexpr float kAwayFactor = 1.2F;
constexpr float kRefineLooseFactor = 1.4F;

bool leads_away(Metric metric, const Neighbor& link, const Neighbor& farthest) noexcept {
  // A factor says nothing of ranks that may be negative.
  if (metric == Metric::kDot) return nearer(farthest, link);
  return link.rank > kAwayFactor * farthest.rank;
}

class Refiner {
 public:
  Refiner(GrowingData& data, const Space& space, base::Executor& executor, Pace& pace)
      : rows_(data.covered.load(std::memory_order_relaxed)),
        layer_{&data.base, rows_},
        most_{layer_.width(), std::size_t{layer_.width()} * 3 / 4, kRefineLooseFactor},
        executor_(executor),
        pace_(pace) {
    for (unsigned i = 0; i < executor.concurrency(); ++i) {
      workers_.push_back(std::make_unique<Worker>(space));
    }
  }

  Status run() {
    SPRINGG_ASSIGN_OR_RETURN(
        memory_, base::Buffer::allocate(std::size_t{rows_} * layer_.width() * sizeof(Neighbor)));
    chosen_ = reinterpret_cast<Neighbor*>(memory_.data());
    executor_.run((rows_ + kTaskRows - 1) / kTaskRows, [&](std::size_t task, unsigned worker) {
      const auto first = static_cast<std::uint32_t>(task) * kTaskRows;
      const std::uint32_t last = std::min(rows_, first + kTaskRows);
      for (std::uint32_t row = first; row < last && !pace_.stopped(); ++row) {
        choose(row, *workers_[worker]);
      }
      pace_.advance(last - first);
    });
    if (pace_.stopped()) return failed_precondition("stopped by the caller");
    const std::uint32_t parts = executor_.concurrency() * kPartsPerThread;
    executor_.run(parts, [&](std::size_t part, unsigned worker) {
      const std::uint64_t rows = rows_;
      write_part(static_cast<std::uint32_t>(rows * part / parts),
                 static_cast<std::uint32_t>(rows * (part + 1) / parts), *workers_[worker]);
    });
    if (pace_.stopped()) return failed_precondition("stopped by the caller");
    return {};
  }

 private:
  struct Worker {
    explicit Worker(const Space& space) : pairs(space) {}
    PairRanks pairs;
    std::vector<std::uint32_t> joined;  // rows
    std::vector<float> ranks;           // theirs
    std::vector<Neighbor> own;          // links that the row has, nearest first
    std::vector<Neighbor> candidates;
  };

  // The links chosen for `row` until the first kNoRow: strictly chosen ones first.
  std::span<Neighbor> chosen(std::uint32_t row) const noexcept {
    return {chosen_ + std::size_t{row} * layer_.width(), layer_.width()};
  }

  // Adds the links of `row` that were not met yet to worker.joined.
  void join(std::uint32_t row, VisitedTags& visited, Worker& worker) const {
    const std::uint32_t* links = layer_.links(row);
    for (std::uint32_t i = 0; i < layer_.width(); ++i) {
      const std::uint32_t link = load_relaxed(links + i);
      if (link == kNoRow) break;
      if (visited.insert(link)) worker.joined.push_back(link);
    }
  }

  // Makes candidates of worker.joined from place `from` on.
  static void rank_joined(std::size_t from, Worker& worker) {
    worker.ranks.resize(worker.joined.size());
    worker.pairs.rank(worker.joined.data() + from, worker.joined.size() - from,
                      worker.ranks.data() + from);
    for (std::size_t i = from; i < worker.joined.size(); ++i) {
      worker.candidates.push_back({worker.ranks[i], worker.joined[i]});
    }
  }

  // Leaves only as many copies of the row among its candidates as may be chosen.
  void thin_ties(std::uint32_t row, std::vector<Neighbor>& candidates) const {
    if (candidates.empty()) return;
    const std::size_t tied_max = tied_most(most_.strict);
    const float nearest = std::min_element(candidates.begin(), candidates.end(), nearer)->rank;
    const auto end = std::partition(candidates.begin(), candidates.end(),
                                    [&](const Neighbor& link) { return link.rank == nearest; });
    const auto tied = static_cast<std::size_t>(end - candidates.begin());
    if (tied <= tied_max) return;
    std::sort(candidates.begin(), end, nearer);
    spread_ties({candidates.begin(), end}, row);
    candidates.erase(candidates.begin() + static_cast<std::ptrdiff_t>(tied_max), end);
  }

  // Gathers what the row may be linked to, nearest first.
  void gather_candidates(std::uint32_t row, Worker& worker) const {
    VisitedTags& visited = thread_scratch().visited;
    visited.reset(rows_);
    visited.insert(row);
    std::vector<Neighbor>& candidates = worker.candidates;
    worker.joined.clear();
    candidates.clear();
    worker.pairs.set_pivot(row);
    join(row, visited, worker);
    rank_joined(0, worker);
    std::sort(candidates.begin(), candidates.end(), nearer);
    worker.own = candidates;
    for (const Neighbor& link : worker.own) {
      if (worker.joined.size() >= kJoined * layer_.width()) break;
      join(link.row, visited, worker);
    }
    rank_joined(worker.own.size(), worker);
    const std::size_t most = kCandidateHalves * layer_.width() / 2;
    thin_ties(row, candidates);
    if (candidates.size() <= most) {
      std::sort(candidates.begin(), candidates.end(), nearer);
      return;
    }
    const auto end = candidates.begin() + static_cast<std::ptrdiff_t>(most);
    std::partial_sort(candidates.begin(), end, candidates.end(), nearer);
    candidates.erase(end, candidates.end());
    const Neighbor farthest = candidates.back();
    for (const Neighbor& link : worker.own) {
      if (leads_away(worker.pairs.metric(), link, farthest)) candidates.push_back(link);
    }
  }

  void choose(std::uint32_t row, Worker& worker) const {
    gather_candidates(row, worker);
    const std::span<Neighbor> kept = chosen(row);
    const std::size_t count =
        select_neighbors(worker.pairs, layer_, worker.candidates, most_, kept.data());
    for (Neighbor& none : kept.subspan(count)) none.row = kNoRow;
  }

  template <class Take>
  void for_each_edge_to(std::uint32_t first, std::uint32_t last, Take take) const {
    for (std::uint32_t source = 0; source < rows_; ++source) {
      for (const Neighbor& link : chosen(source)) {
        if (link.row == kNoRow) break;
        if (link.row >= first && link.row < last) take(Edge{link.row, source, link.rank});
      }
    }
  }

  // Who chose the rows [first, last). In memory of its own, which the system gets back at once: in
  // vectors it would stay with the threads that refined.
  std::span<Edge> collect_edges(std::uint32_t first, std::uint32_t last,
                                base::Buffer& memory) const {
    std::size_t count = 0;
    for_each_edge_to(first, last, [&](const Edge&) { ++count; });
    if (count == 0) return {};
    auto allocated = base::Buffer::allocate(count * sizeof(Edge));
    if (!allocated.ok()) throw std::bad_alloc();
    memory = std::move(allocated).value();
    Edge* edges = reinterpret_cast<Edge*>(memory.data());
    std::size_t at = 0;
    for_each_edge_to(first, last, [&](const Edge& edge) { edges[at++] = edge; });
    return {edges, count};
  }

  // Writes the links of rows [first, last): what they chose, and who chose them. Each part reads
  // all that was chosen, which is little beside the distances.
  void write_part(std::uint32_t first, std::uint32_t last, Worker& worker) {
    base::Buffer memory;
    const std::span<Edge> edges = collect_edges(first, last, memory);
    std::sort(edges.begin(), edges.end(), by_target);
    auto begin = edges.begin();
    for (std::uint32_t target = first; target < last && !pace_.stopped(); ++target) {
      const auto end =
          std::find_if(begin, edges.end(), [&](const Edge& edge) { return edge.target != target; });
      write(target, {begin, end}, worker);
      begin = end;
      if (target % kTaskRows == 0) pace_.advance(0);
    }
  }

  void write(std::uint32_t target, std::span<const Edge> edges, Worker& worker) const {
    std::vector<Neighbor>& candidates = worker.candidates;
    candidates.clear();
    for (const Neighbor& link : chosen(target)) {
      if (link.row == kNoRow) break;
      candidates.push_back(link);
    }
    const std::size_t own = candidates.size();
    for (const Edge& edge : edges) {
      const auto end = candidates.begin() + static_cast<std::ptrdiff_t>(own);
      const bool linked = std::any_of(
          candidates.begin(), end, [&](const Neighbor& link) { return link.row == edge.source; });
      if (!linked) candidates.push_back({edge.rank, edge.source});
    }
    const std::uint32_t width = layer_.width();
    if (candidates.size() > width) {
      Neighbor kept[SearchScratch::kLinksMax];
      std::sort(candidates.begin(), candidates.end(), nearer);
      spread_ties(candidates, target);
      const std::size_t count = select_neighbors(worker.pairs, layer_, candidates, most_, kept);
      candidates.assign(kept, kept + count);
    }
    std::uint32_t* links = layer_.links(target);
    for (std::uint32_t i = 0; i < width; ++i) {
      store_relaxed(links + i, i < candidates.size() ? candidates[i].row : kNoRow);
    }
  }

  std::uint32_t rows_;
  GrowingBase layer_;
  SelectLimits most_;
  base::Executor& executor_;
  Pace& pace_;
  std::vector<std::unique_ptr<Worker>> workers_;
  base::Buffer memory_;
  Neighbor* chosen_ = nullptr;  // rows_ x width
};

}  // namespace

Status refine(GrowingData& data, const Space& space, base::Executor& executor, Pace& pace) {
  return Refiner(data, space, executor, pace).run();
}

}  // namespace springg::ann
