// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "ann/calibration.h"
#include "engine/background_worker.h"
#include "engine/memory_budget.h"
#include "engine/part.h"
#include "quant/codes.h"
#include "storage/segment.h"

namespace springg::engine {

// A segment with its graph opened. As a background task it compares the vectors that were not
// compared with their checksums when the file was opened.
class SegmentPart final : public Part, public BackgroundTask {
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
  std::string_view metadata(std::uint32_t row) const noexcept override;
  std::optional<std::uint32_t> find(const IdView& id, std::uint32_t rows) const override;
  std::uint32_t covered() const noexcept override { return graph_.empty() ? 0 : segment_->rows(); }
  ann::GraphAnswer graph_search(const ann::Query& query,
                                const ann::GraphQuery& request) const override;
  std::size_t ef_for(float recall, std::size_t k) const noexcept override {
    return calibration_.ef_for(recall, k);
  }
  float measured_recall(float recall) const noexcept override {
    return calibration_.measured_recall(recall);
  }
  std::optional<quant::CodeKind> code_kind() const noexcept override {
    return codes_.has_value() ? std::optional(codes_->kind) : std::nullopt;
  }
  ann::GraphAnswer scan_matching(const ann::Query& query, const base::RowMask& wanted,
                                 std::uint32_t begin, std::uint32_t end, std::size_t k,
                                 std::size_t rerank) const override;
  std::size_t walked_row_bytes() const noexcept override {
    return codes_.has_value() ? codes_->stride : space_.vectors.stride;
  }
  PartBytes bytes() const override;
  void compare_vectors(std::uint32_t first, std::uint32_t last) const noexcept override {
    segment_->compare_vectors(first, last);
  }
  void let_go(std::uint32_t first, std::uint32_t last) const noexcept override;
  bool compared() const noexcept override { return segment_->compared(); }
  const SegmentPart* segment() const noexcept override { return this; }
  bool background_step(Progress& stop) override;

  const std::shared_ptr<const storage::Segment>& storage() const noexcept { return segment_; }
  // Of bytes(), what is in the file and does not count against the memory limit.
  std::uint64_t mapped_bytes() const noexcept;
  const ann::SealedGraph& graph() const noexcept { return graph_; }

 private:
  SegmentPart(std::shared_ptr<const storage::Segment> segment,
              std::shared_ptr<MemoryBudget> budget);
  std::span<const std::byte> copied(std::span<const std::byte> bytes, base::Buffer& buffer) const;
  void count_bytes() noexcept { charge_.set(bytes().total() - mapped_bytes(), mapped_bytes()); }
  // How a search that ranks few rows exactly sees them.
  ann::Space sparse_space() const noexcept;
  void note_touched(std::uint64_t rows) const noexcept;
  void open_codes();
  void open_calibration();

  std::shared_ptr<const storage::Segment> segment_;
  ann::Space space_;
  ann::SealedGraph graph_;
  std::optional<quant::Codes> codes_;
  ann::Calibration calibration_;        // nothing, when the segment has none
  base::Buffer own_graph_, own_codes_;  // in the place of mapped or damaged ones
  std::shared_ptr<MemoryBudget> budget_;
  MemoryCharge charge_;
  // What walks and documents made resident since all of it was let go, at most.
  mutable std::atomic<std::uint64_t> touched_{0};
  // Searches read vectors where they are mapped, since all of them were let go.
  mutable std::atomic<bool> stays_mapped_{true};
  std::uint32_t next_compared_ = 0;  // of background_step()
};

}  // namespace springg::engine
