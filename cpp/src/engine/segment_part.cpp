// SPDX-License-Identifier: MIT
#include "engine/segment_part.h"

#include <utility>

namespace springg::engine {

SegmentPart::SegmentPart(std::shared_ptr<const storage::Segment> segment,
                         std::shared_ptr<MemoryBudget> budget)
    : segment_(std::move(segment)), charge_(std::move(budget)) {
  const storage::SegmentSettings& settings = segment_->settings();
  space_.metric = settings.metric;
  space_.dtype = settings.dtype;
  space_.dimensions = settings.dimensions;
  space_.vectors = segment_->vectors();
  space_.inverse_norms = segment_->inverse_norms();
  charge_.set(bytes().total());
}

Result<std::shared_ptr<SegmentPart>> SegmentPart::open(
    std::shared_ptr<const storage::Segment> segment, std::shared_ptr<MemoryBudget> budget) {
  std::shared_ptr<SegmentPart> part(new SegmentPart(std::move(segment), std::move(budget)));
  const storage::Segment& stored = *part->segment_;
  if (stored.graph_damaged()) return corruption("the graph's checksum does not match");
  if (!stored.graph().empty()) {
    SPRINGG_ASSIGN_OR_RETURN(part->graph_, ann::SealedGraph::open(stored.graph(), stored.rows()));
  }
  return part;
}

std::optional<std::uint32_t> SegmentPart::find(const IdView& id, std::uint32_t rows) const {
  const std::optional<std::uint32_t> row = segment_->find(id);
  if (!row.has_value() || *row >= rows) return std::nullopt;
  return row;
}

PartBytes SegmentPart::bytes() const {
  const storage::Segment::Bytes bytes = segment_->bytes();
  return {bytes.vectors, bytes.graph, bytes.ids, bytes.metadata, bytes.other};
}

}  // namespace springg::engine
