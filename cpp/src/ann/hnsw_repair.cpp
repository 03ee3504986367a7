// SPDX-License-Identifier: MIT
#include "ann/hnsw_repair.h"

#include <vector>

#include "ann/hnsw_search.h"

namespace springg::ann {

namespace {

constexpr std::size_t kRowsBetweenAsking = 4096;

class Reach {
 public:
  Reach(GrowingBase layer, std::size_t numbers, Pace& pace)
      : layer_(layer), pace_(pace), reached_(numbers, 0) {}

  bool has(std::uint32_t number) const noexcept { return reached_[number] != 0; }

  void spread(std::uint32_t from) {
    reached_[from] = 1;
    queue_.assign(1, from);
    while (!queue_.empty()) {
      const std::uint32_t number = queue_.back();
      queue_.pop_back();
      if (++followed_ % kRowsBetweenAsking == 0) pace_.advance(0);
      const std::uint32_t* links = layer_.links(number);
      for (std::uint32_t i = 0; i < layer_.width(); ++i) {
        const std::uint32_t link = GrowingBase::load(links + i);
        if (link == kNoRow) break;
        if (reached_[link] != 0) continue;
        reached_[link] = 1;
        queue_.push_back(link);
      }
    }
  }

 private:
  const GrowingBase layer_;
  Pace& pace_;
  std::vector<std::uint8_t> reached_;
  std::vector<std::uint32_t> queue_;
  std::size_t followed_ = 0;
};

// Makes `from` link to `lost`. When its links are full the last one is handed on: from -> lost ->
// last, so that nothing that could be reached through it is cut off. `lost` itself leads nowhere
// that counts yet, so any of its links may go.
void attach(const GrowingBase& layer, std::uint32_t from, std::uint32_t lost) {
  std::uint32_t* links = layer.links(from);
  const std::uint32_t width = layer.width();
  const std::size_t count = links_in(links, width);
  if (count < width) {
    store_relaxed(links + count, lost);
    return;
  }
  const std::uint32_t last = load_relaxed(links + width - 1);
  std::uint32_t* own = layer.links(lost);
  const std::size_t own_count = links_in(own, width);
  store_relaxed(own + (own_count < width ? own_count : width - 1), last);
  store_relaxed(links + width - 1, lost);
}

// The nearest reached number of the pool with room for a link, else any reached one; equal vectors
// are spread over it by `lost`.
std::uint32_t choose_parent(const GrowingBase& layer, const Reach& reach, const SearchPool& pool,
                            std::uint32_t entry, std::uint32_t lost) {
  std::vector<std::uint32_t> reached;
  for (std::size_t i = 0; i < pool.size(); ++i) {
    const std::uint32_t number = number_of(pool.keys()[i]);
    if (number == lost || !reach.has(number)) continue;
    if (links_in(layer.links(number), layer.width()) < layer.width()) return number;
    reached.push_back(number);
  }
  if (reached.empty()) return entry;
  // Handing on the link of a near one is better than of a far one, but ties must not pile up.
  const float nearest = rank_of(pool.keys()[0]);
  const bool ties = rank_of(pool.keys()[pool.size() - 1]) <= nearest;
  return ties ? reached[lost % reached.size()] : reached.front();
}

Status repair_layer(const GrowingBase& layer, std::size_t numbers, std::uint32_t entry,
                    std::size_t ef, const Space& space, Pace& pace) {
  Reach reach(layer, numbers, pace);
  reach.spread(entry);
  for (std::uint32_t lost = 0; lost < numbers; ++lost) {
    if (reach.has(lost)) continue;
    if (pace.stopped()) return failed_precondition("stopped by the caller");
    const Query query(space, space.vectors.row(layer.row_of(lost)));
    SearchTask task{VectorRanker{space, query}, thread_scratch()};
    walk(layer, rank_start(layer, entry, task), {.capacity = ef}, numbers, task);
    attach(layer, choose_parent(layer, reach, task.scratch.pool, entry, lost), lost);
    reach.spread(lost);
    pace.advance(0);
  }
  return {};
}

std::uint32_t entry_row(const GrowingSight& sight) noexcept {
  const GraphStart start = sight.start();
  return start.layer == 0 ? 0 : sight.upper(start.layer).row_of(start.number);
}

}  // namespace

Status repair(GrowingData& data, const Space& space, Pace& pace) {
  const GrowingSight sight(data, kNoRow);
  if (sight.limit() == 0) return {};
  const std::size_t ef = data.options.ef_construction;
  return repair_layer(sight.base(), sight.limit(), entry_row(sight), ef, space, pace);
}

std::size_t unreached(const GrowingData& data, Pace& pace) {
  const GrowingSight sight(data, kNoRow);
  if (sight.limit() == 0) return 0;
  Reach reach(sight.base(), sight.limit(), pace);
  reach.spread(entry_row(sight));
  std::size_t count = 0;
  for (std::uint32_t row = 0; row < sight.limit(); ++row) count += reach.has(row) ? 0U : 1U;
  return count;
}

}  // namespace springg::ann
