// SPDX-License-Identifier: MIT
#include "ann/hnsw_adopt.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include "ann/hnsw_scratch.h"
#include "ann/hnsw_sealed.h"
#include "ann/hnsw_select.h"

namespace springg::ann {

namespace {

constexpr std::uint32_t kTaskRows = 64;
// Candidates are gathered until a row has this many times its width; the last list may go over.
constexpr std::size_t kJoined = 10;

class Adopter {
 public:
  Adopter(GrowingData& data, const SealedGraph& source, std::span<const std::uint32_t> kept,
          const Space& space, base::Executor& executor, Pace& pace)
      : data_(data), source_{source, kNoRow}, kept_(kept), executor_(executor), pace_(pace) {
    for (unsigned i = 0; i < executor.concurrency(); ++i) {
      workers_.push_back(std::make_unique<Worker>(space));
    }
  }

  Status run(std::uint32_t source_rows) {
    new_rows_.assign(source_rows, kNoRow);
    for (std::uint32_t row = 0; row < kept_.size(); ++row) new_rows_[kept_[row]] = row;
    SPRINGG_RETURN_IF_ERROR(number_upper());
    const auto rows = static_cast<std::uint32_t>(kept_.size());
    SPRINGG_RETURN_IF_ERROR(data_.base.reserve(rows));
    link_all(source_.base(), GrowingBase{&data_.base, rows}, kept_, new_rows_);
    for (std::uint32_t l = 1; l <= layers_; ++l) {
      const auto end = std::lower_bound(old_numbers_.begin(), old_numbers_.end(),
                                        source_.numbers_on(l));  // they ascend, as levels fall
      const auto numbers = static_cast<std::uint32_t>(old_numbers_.size());
      link_all(source_.upper(l), GrowingUpper{&data_.nodes, &data_.blocks, l, numbers, rows},
               {old_numbers_.begin(), end}, new_numbers_);
    }
    if (pace_.stopped()) return failed_precondition("stopped by the caller");
    publish(rows);
    return {};
  }

 private:
  struct Worker {
    explicit Worker(const Space& space) : pairs(space) {}
    PairRanks pairs;
    std::vector<std::uint32_t> links;  // numbers: those kept, then candidates, then chosen
    std::vector<std::uint32_t> rows;   // of these numbers
    std::vector<std::uint32_t> gone;   // numbers of the source
    std::vector<float> ranks;
    std::vector<Neighbor> candidates;
  };

  // A mapped source may turn into zeros or worse while it is read; its reader finds out afterwards.
  static std::uint32_t renumbered(std::uint32_t number, const std::vector<std::uint32_t>& now) {
    return number < now.size() ? now[number] : kNoRow;
  }

  // The upper part without the rows that went. Levels fall as numbers rise in the source, so they
  // do here.
  Status number_upper() {
    new_numbers_.assign(source_.numbers(), kNoRow);
    std::size_t blocks = 0;
    std::uint32_t level = source_.layers();
    for (std::uint32_t old = 0; old < source_.numbers(); ++old) {
      while (old >= source_.numbers_on(level)) --level;
      const std::uint32_t row = renumbered(source_.upper(1).row_of(old), new_rows_);
      if (row == kNoRow) continue;
      if (old_numbers_.size() == kept_.size()) break;  // more than there are: a damaged source
      // Few rows, of high levels alone: those behind lose theirs.
      if (blocks + level > data_.blocks.rows_max()) break;
      new_numbers_[old] = static_cast<std::uint32_t>(old_numbers_.size());
      old_numbers_.push_back(old);
      layers_ = std::max(layers_, level);
      SPRINGG_RETURN_IF_ERROR(data_.nodes.reserve(old_numbers_.size()));
      std::uint32_t* node = data_.nodes.row(old_numbers_.size() - 1);
      node[0] = row;
      node[1] = static_cast<std::uint32_t>(blocks);
      blocks += level;
    }
    data_.block_count = blocks;
    return data_.blocks.reserve(blocks);
  }

  // Links of numbers 0, 1, ... of a layer, which were olds[0], olds[1], ... of the source's.
  template <class From, class To>
  void link_all(const From& from, const To& to, std::span<const std::uint32_t> olds,
                const std::vector<std::uint32_t>& now) {
    const std::size_t tasks = (olds.size() + kTaskRows - 1) / kTaskRows;
    executor_.run(tasks, [&](std::size_t task, unsigned worker) {
      const std::size_t first = task * kTaskRows;
      const std::size_t last = std::min(olds.size(), first + kTaskRows);
      for (std::size_t i = first; i < last && !pace_.stopped(); ++i) {
        link(from, olds[i], to, static_cast<std::uint32_t>(i), now, *workers_[worker]);
      }
      pace_.advance(last - first);
    });
  }

  template <class From, class To>
  void link(const From& from, std::uint32_t old, const To& to, std::uint32_t number,
            const std::vector<std::uint32_t>& now, Worker& worker) {
    worker.links.clear();
    worker.gone.clear();
    split_links(from, old, now, worker);
    if (!worker.gone.empty()) {
      join_links_of_gone(from, number, now, worker);
      choose(to, number, worker);
    }
    std::uint32_t* links = to.links(number);
    for (std::uint32_t i = 0; i < to.width(); ++i) {
      store_relaxed(links + i, i < worker.links.size() ? worker.links[i] : kNoRow);
    }
  }

  template <class From>
  static void split_links(const From& from, std::uint32_t old,
                          const std::vector<std::uint32_t>& now, Worker& worker) {
    const std::uint32_t* links = from.links(old);
    for (std::uint32_t i = 0; i < from.width() && links[i] < now.size(); ++i) {
      const std::uint32_t number = now[links[i]];
      number == kNoRow ? worker.gone.push_back(links[i]) : worker.links.push_back(number);
    }
  }

  template <class From>
  void join_links_of_gone(const From& from, std::uint32_t number,
                          const std::vector<std::uint32_t>& now, Worker& worker) const {
    VisitedTags& visited = thread_scratch().visited;
    visited.reset(kept_.size());
    visited.insert(number);
    for (const std::uint32_t link : worker.links) visited.insert(link);
    for (const std::uint32_t gone : worker.gone) {
      if (worker.links.size() >= kJoined * from.width()) break;
      const std::uint32_t* links = from.links(gone);
      for (std::uint32_t i = 0; i < from.width(); ++i) {
        const std::uint32_t link = renumbered(links[i], now);
        if (link != kNoRow && visited.insert(link)) worker.links.push_back(link);
      }
    }
  }

  // Leaves those of worker.links that `number` is to be linked to.
  template <class To>
  static void choose(const To& to, std::uint32_t number, Worker& worker) {
    const std::size_t count = worker.links.size();
    worker.rows.resize(count);
    worker.ranks.resize(count);
    for (std::size_t i = 0; i < count; ++i) worker.rows[i] = to.row_of(worker.links[i]);
    worker.pairs.set_pivot(to.row_of(number));
    worker.pairs.rank(worker.rows.data(), count, worker.ranks.data());
    worker.candidates.clear();
    for (std::size_t i = 0; i < count; ++i) {
      worker.candidates.push_back({worker.ranks[i], worker.links[i]});
    }
    std::sort(worker.candidates.begin(), worker.candidates.end(), nearer);
    spread_ties(worker.candidates, number);
    Neighbor kept[SearchScratch::kLinksMax];
    const std::size_t width = to.width();
    const std::size_t chosen =
        select_neighbors(worker.pairs, to, worker.candidates, {width, width * 3 / 4}, kept);
    worker.links.clear();
    for (std::size_t i = 0; i < chosen; ++i) worker.links.push_back(kept[i].row);
  }

  void publish(std::uint32_t rows) {
    for (std::uint32_t l = 1; l <= layers_; ++l) {
      data_.entries[l].store(0, std::memory_order_release);  // number 0 is on all of them
    }
    data_.layers.store(layers_, std::memory_order_release);
    data_.upper_count.store(static_cast<std::uint32_t>(old_numbers_.size()),
                            std::memory_order_release);
    data_.covered.store(rows, std::memory_order_release);
  }

  GrowingData& data_;
  const SealedGraphAccess source_;
  std::span<const std::uint32_t> kept_;
  base::Executor& executor_;
  Pace& pace_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::uint32_t> new_rows_;     // row of the source -> row, or kNoRow
  std::vector<std::uint32_t> new_numbers_;  // the same of numbers of the upper part
  std::vector<std::uint32_t> old_numbers_;  // number of the upper part -> that of the source
  std::uint32_t layers_ = 0;
};

}  // namespace

Status adopt(GrowingData& data, const SealedGraph& source, std::span<const std::uint32_t> kept,
             const Space& space, base::Executor& executor, Pace& pace) {
  return Adopter(data, source, kept, space, executor, pace).run(source.rows());
}

}  // namespace springg::ann
