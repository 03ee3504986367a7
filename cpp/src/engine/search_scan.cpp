// SPDX-License-Identifier: MIT
#include <algorithm>
#include <atomic>

#include "ann/flat.h"
#include "engine/search.h"

namespace springg::engine {

namespace {

// Rows of one task: as many as stay in the second-level cache while all queries pass over them,
// and few enough that a task of a large block of queries ends within some 10 ms.
constexpr std::size_t kTaskBytes = std::size_t{1} << 20;
constexpr std::size_t kTaskRowsMin = 64;

// Scans one part for a block of queries: each task takes a range of rows, each thread keeps its own
// best, and the best of all threads do not depend on who saw which range.
class PartScan {
 public:
  PartScan(const SearchJob& job, std::span<const ann::Query> queries, std::uint32_t number,
           const std::vector<std::uint32_t>* listed)
      : job_(job),
        queries_(queries),
        number_(number),
        part_(job.view.parts[number]),
        space_(part_.part->space()),
        deleted_(part_.deleted()),
        listed_(listed),
        positions_(listed == nullptr ? part_.rows : listed->size()),
        tops_(job.executor.concurrency()) {}

  std::uint64_t run(std::span<HitList> hits) {
    const std::size_t step = std::max(kTaskRowsMin, kTaskBytes / space_.vectors.stride);
    const std::size_t tasks = (positions_ + step - 1) / step;
    job_.executor.run(tasks, [&](std::size_t task, unsigned worker) {
      if (!job_.poller.advance(0)) return;
      scan(task * step, std::min(positions_, (task + 1) * step), worker);
    });
    for (std::vector<ann::TopK>& tops : tops_) {
      for (std::size_t query = 0; query < tops.size(); ++query) {
        for (const ann::Neighbor& found : tops[query].take_sorted()) {
          hits[query].push_back({found.rank, number_, found.row});
        }
      }
    }
    const std::uint64_t live = listed_ == nullptr ? part_.live_rows() : listed_->size();
    return live * queries_.size();
  }

 private:
  void scan(std::size_t begin, std::size_t end, unsigned worker) {
    std::vector<ann::TopK>& tops = tops_[worker];
    if (tops.empty()) {
      tops.assign(queries_.size(), ann::TopK(std::min<std::size_t>(job_.k, positions_)));
    }
    if (listed_ != nullptr) {
      const auto rows = std::span(*listed_).subspan(begin, end - begin);
      if (!part_.part->compared()) {
        for (const std::uint32_t row : rows) part_.part->compare_vectors(row, row + 1);
      }
      for (std::size_t i = 0; i < queries_.size(); ++i) {
        ann::scan_listed(space_, queries_[i], rows, tops[i]);
      }
      return;
    }
    const auto first = static_cast<std::uint32_t>(begin);
    const auto last = static_cast<std::uint32_t>(end);
    part_.part->compare_vectors(first, last);
    if (queries_.size() == 1) {
      ann::scan_rows(space_, queries_[0], first, last, deleted_, tops[0]);
    } else {
      ann::scan_rows_batch(space_, queries_, first, last, deleted_, tops);
    }
  }

  const SearchJob& job_;
  std::span<const ann::Query> queries_;
  std::uint32_t number_;
  const PartView& part_;
  ann::Space space_;
  base::RowBits deleted_;
  const std::vector<std::uint32_t>* listed_;
  std::size_t positions_;
  std::vector<std::vector<ann::TopK>> tops_;  // by worker, then by query
};

}  // namespace

std::uint64_t scan_view(const SearchJob& job, std::span<const ann::Query> queries,
                        const ListedRows* listed, std::span<HitList> hits) {
  std::uint64_t distances = 0;
  for (std::uint32_t number = 0; number < job.view.parts.size(); ++number) {
    if (listed != nullptr && (*listed)[number].empty()) continue;
    PartScan scan(job, queries, number, listed == nullptr ? nullptr : &(*listed)[number]);
    distances += scan.run(hits);
    for (HitList& list : hits) keep_best(list, job.k);
    if (!job.poller.advance(0)) break;
  }
  job.poller.advance(queries.size());
  return distances;
}

}  // namespace springg::engine
