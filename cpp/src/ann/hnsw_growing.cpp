// SPDX-License-Identifier: MIT
#include <algorithm>
#include <new>
#include <string>

#include "ann/hnsw.h"
#include "ann/hnsw_adopt.h"
#include "ann/hnsw_build.h"
#include "ann/hnsw_filtered.h"
#include "ann/hnsw_image.h"
#include "ann/hnsw_links.h"
#include "ann/hnsw_refine.h"
#include "ann/hnsw_repair.h"

namespace springg::ann {

namespace {

// Of the rows of a graph that is taken over so many may have lost their way.
constexpr std::size_t kUnreachedPart = 64;

class GrowingGraphImpl final : public GrowingGraph {
 public:
  GrowingGraphImpl(const GraphOptions& options, std::uint32_t rows_max) {
    data_.options = options;
    data_.rows_max = rows_max;
    data_.base.create(2 * options.m, rows_max);
    data_.nodes.create(2, rows_max);
    // Expected are rows / (m - 1) blocks; a row that would pass this gets no level.
    data_.blocks.create(options.m, std::size_t{rows_max} * 2 + kLayersMax);
  }

  std::uint32_t covered() const noexcept override {
    return data_.covered.load(std::memory_order_acquire);
  }

  Status extend(const Space& space, std::uint32_t end, base::Executor& executor, Progress* progress,
                bool finish, const quant::Codes* codes) override try {
    if (end > data_.rows_max) {
      return resource_exhausted("the graph has room for " + std::to_string(data_.rows_max) +
                                " rows, got " + std::to_string(end));
    }
    const std::uint32_t begin = covered();
    if (finish && begin >= end && finished_ == begin) return {};
    Pace pace(progress, (end > begin ? end - begin : 0) + (finish ? refine_steps(end) : 0));
    BatchInserter inserter(data_, space, codes, executor, pace);
    for (std::uint32_t at = begin; at < end; at = covered()) {
      if (pace.stopped()) return failed_precondition("stopped by the caller");
      SPRINGG_RETURN_IF_ERROR(inserter.insert(at + std::min(end - at, inserter.batch_rows(at))));
    }
    if (finish) {
      SPRINGG_RETURN_IF_ERROR(refine(data_, space, executor, pace));
      SPRINGG_RETURN_IF_ERROR(repair(data_, space, pace));
      finished_ = covered();
    }
    // Whoever asked to stop must hear so, although the work is done: it may have raised for it.
    return pace.stopped() ? failed_precondition("stopped by the caller") : Status{};
  } catch (const std::bad_alloc&) {
    return resource_exhausted("no memory left to grow the graph");
  }

  Result<bool> adopt(const SealedGraph& source, std::span<const std::uint32_t> kept,
                     const Space& space, base::Executor& executor, Progress* progress) override
      try {
    Pace pace(progress, kept.size());
    SPRINGG_RETURN_IF_ERROR(ann::adopt(data_, source, kept, space, executor, pace));
    // New rows would be linked within what can be reached: a few are linked in now, with more apart
    // the graph has fallen into pieces.
    if (unreached(data_, pace) * kUnreachedPart > kept.size()) return false;
    SPRINGG_RETURN_IF_ERROR(repair(data_, space, pace));
    return true;
  } catch (const std::bad_alloc&) {
    return resource_exhausted("no memory left to take a graph over");
  }

  GraphAnswer search(const Space& space, const Query& query,
                     const GraphQuery& request) const override {
    return search_rows(GrowingSight(data_, request.row_limit), VectorRanker{space, query}, request);
  }

  std::size_t memory_bytes() const noexcept override {
    const std::size_t numbers = data_.upper_count.load(std::memory_order_acquire);
    const std::size_t blocks = numbers + numbers / (data_.options.m - 1);
    return data_.base.touched_bytes(covered()) + data_.nodes.touched_bytes(numbers) +
           data_.blocks.touched_bytes(blocks);
  }

  std::size_t image_bytes() const override { return ann::image_bytes(data_); }
  void write_image(std::span<std::byte> image) const override { ann::write_image(data_, image); }

 private:
  GrowingData data_;
  std::uint32_t finished_ = 0;  // rows that the graph had when it was last finished
};

}  // namespace

Result<std::unique_ptr<GrowingGraph>> GrowingGraph::create(const GraphOptions& options,
                                                           std::uint32_t rows_max) try {
  if (options.m < limits::kMMin || options.m > limits::kMMax) {
    return invalid_argument("m must be " + std::to_string(limits::kMMin) + " to " +
                            std::to_string(limits::kMMax) + ", got " + std::to_string(options.m));
  }
  if (options.ef_construction < limits::kEfConstructionMin ||
      options.ef_construction > limits::kEfConstructionMax) {
    return invalid_argument("ef_construction must be " +
                            std::to_string(limits::kEfConstructionMin) + " to " +
                            std::to_string(limits::kEfConstructionMax) + ", got " +
                            std::to_string(options.ef_construction));
  }
  return std::unique_ptr<GrowingGraph>(std::make_unique<GrowingGraphImpl>(options, rows_max));
} catch (const std::bad_alloc&) {
  return resource_exhausted("no memory left for a graph of " + std::to_string(rows_max) + " rows");
}

}  // namespace springg::ann
