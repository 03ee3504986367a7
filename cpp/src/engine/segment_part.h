// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "engine/memory_budget.h"
#include "engine/part.h"
#include "storage/segment.h"

namespace springg::engine {

// A segment with its graph opened.
class SegmentPart final : public Part {
 public:
  // kCorruption when the graph is damaged; the segment itself is whole then. A segment without a
  // graph is scanned.
  static Result<std::shared_ptr<SegmentPart>> open(std::shared_ptr<const storage::Segment> segment,
                                                   std::shared_ptr<MemoryBudget> budget);

  ann::Space space() const noexcept override { return space_; }
  IdView id(std::uint32_t row) const noexcept override { return segment_->id(row); }
  std::uint64_t sequence(std::uint32_t row) const noexcept override {
    return segment_->sequences()[row];
  }
  bool has_metadata(std::uint32_t row) const noexcept override {
    return segment_->has_metadata(row);
  }
  std::string_view metadata(std::uint32_t row) const noexcept override {
    return segment_->metadata(row);
  }
  std::optional<std::uint32_t> find(const IdView& id, std::uint32_t rows) const override;
  std::uint32_t covered() const noexcept override { return graph_.empty() ? 0 : segment_->rows(); }
  ann::GraphAnswer graph_search(const ann::Query& query,
                                const ann::GraphQuery& request) const override {
    return graph_.search(space_, query, request);
  }
  PartBytes bytes() const override;
  const SegmentPart* segment() const noexcept override { return this; }

  const std::shared_ptr<const storage::Segment>& storage() const noexcept { return segment_; }

 private:
  SegmentPart(std::shared_ptr<const storage::Segment> segment,
              std::shared_ptr<MemoryBudget> budget);

  std::shared_ptr<const storage::Segment> segment_;
  ann::Space space_;
  ann::SealedGraph graph_;
  MemoryCharge charge_;
};

}  // namespace springg::engine
