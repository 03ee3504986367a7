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
constexpr std::size_t kTaskDistances = std::size_t{4} << 20;
constexpr std::size_t kTasksOfThread = 4;
// Fewer queries do not pay for copying the matching rows side by side.
constexpr std::size_t kBatchQueriesMin = 4;

// Scans one part for a block of queries: each task takes a range of rows, each thread keeps its own
// best, and the best of all threads do not depend on who saw which range.
class PartScan {
 public:
  PartScan(const SearchJob& job, std::span<const ann::Query> queries, std::uint32_t number)
      : job_(job),
        queries_(queries),
        number_(number),
        part_(job.view.parts[number]),
        space_(part_.part->space()),
        deleted_(part_.deleted()),
        matching_(job.matches == nullptr ? nullptr : &job.matches->parts[number]),
        scanned_(matching_ == nullptr ? part_.live_rows() : matching_->size()),
        tops_(job.executor.concurrency()) {}

  std::uint64_t run(std::span<HitList> hits) {
    const std::vector<std::uint32_t> begins = task_begins();
    job_.executor.run(begins.size(), [&](std::size_t task, unsigned worker) {
      if (!job_.poller.advance(0)) return;
      const bool last = task + 1 == begins.size();
      const std::uint32_t end = last ? part_.rows : begins[task + 1];
      scan(begins[task], end, worker);
      part_.part->let_go(begins[task], end);
    });
    for (std::vector<ann::TopK>& tops : tops_) {
      for (std::size_t query = 0; query < tops.size(); ++query) {
        for (const ann::Neighbor& found : tops[query].take_sorted()) {
          hits[query].push_back({found.rank, number_, found.row});
        }
      }
    }
    return scanned_ * queries_.size();
  }

 private:
  // Short rows would make tasks that leave threads without one, or that last for seconds.
  std::size_t task_rows() const {
    const std::size_t threads = job_.executor.concurrency();
    const std::size_t of_thread =
        (scanned_ + kTasksOfThread * threads - 1) / (kTasksOfThread * threads);
    const std::size_t rows =
        std::min({kTaskBytes / space_.vectors.stride, kTaskDistances / queries_.size(), of_thread});
    return std::max(kTaskRowsMin, rows);
  }
  // The first row of each task. With a filter, tasks have as many matching rows as others have
  // rows.
  std::vector<std::uint32_t> task_begins() const {
    const auto step = static_cast<std::uint32_t>(task_rows());
    if (matching_ != nullptr) return matching_->sample((scanned_ + step - 1) / step);
    std::vector<std::uint32_t> begins;
    for (std::uint32_t begin = 0; begin < part_.rows; begin += step) begins.push_back(begin);
    return begins;
  }

  void scan(std::uint32_t begin, std::uint32_t end, unsigned worker) {
    std::vector<ann::TopK>& tops = tops_[worker];
    if (tops.empty()) {
      tops.assign(queries_.size(), ann::TopK(std::min<std::size_t>(job_.k, scanned_)));
    }
    if (matching_ != nullptr) return scan_matching(begin, end, tops);
    part_.part->compare_vectors(begin, end);
    if (queries_.size() == 1) {
      ann::scan_rows(space_, queries_[0], begin, end, deleted_, tops[0]);
    } else {
      ann::scan_rows_batch(space_, queries_, begin, end, deleted_, tops);
    }
  }

  void scan_matching(std::uint32_t begin, std::uint32_t end, std::vector<ann::TopK>& tops) {
    part_.part->compare_matching(*matching_, begin, end);
    if (queries_.size() < kBatchQueriesMin) {
      for (std::size_t i = 0; i < queries_.size(); ++i) {
        ann::scan_matching(space_, queries_[i], *matching_, begin, end, tops[i]);
      }
    } else {
      ann::scan_matching_batch(space_, queries_, *matching_, begin, end, tops);
    }
  }

  const SearchJob& job_;
  std::span<const ann::Query> queries_;
  std::uint32_t number_;
  const PartView& part_;
  ann::Space space_;
  base::RowBits deleted_;
  const base::RowMask* matching_;
  std::uint32_t scanned_;
  std::vector<std::vector<ann::TopK>> tops_;  // by worker, then by query
};

}  // namespace

std::uint64_t scan_view(const SearchJob& job, std::span<const ann::Query> queries,
                        std::span<HitList> hits) {
  std::uint64_t distances = 0;
  for (std::uint32_t number = 0; number < job.view.parts.size(); ++number) {
    if (job.matches != nullptr && job.matches->parts[number].size() == 0) continue;
    distances += PartScan(job, queries, number).run(hits);
    for (HitList& list : hits) keep_best(list, job.k);
    if (!job.poller.advance(0)) break;
  }
  job.poller.advance(queries.size());
  return distances;
}

}  // namespace springg::engine
