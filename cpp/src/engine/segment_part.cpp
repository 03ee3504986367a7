// SPDX-License-Identifier: MIT
#include "engine/segment_part.h"

#include "engine/segment_codes.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace springg::engine {

namespace {
// Rows between two looks at the clock.
constexpr std::size_t kStepBytes = std::size_t{1} << 20;
constexpr std::chrono::milliseconds kStepTime{100};
}  // namespace

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
    SPRINGG_RETURN_IF_ERROR(part->open_codes());
  }
  return part;
}

Status SegmentPart::open_codes() {
  std::span<const std::byte> bytes = segment_->codes();
  if (const std::uint64_t damaged = segment_->damaged_codes_bytes(); damaged != 0) {
    SPRINGG_ASSIGN_OR_RETURN(auto remade, remake_codes(space_, segment_->rows(), damaged));
    if (!remade.has_value()) return {};
    remade_codes_ = std::move(*remade);
    bytes = remade_codes_.span();
    charge_.set(this->bytes().total());
  }
  if (!bytes.empty()) {
    codes_ = quant::open_codes(bytes, space_.metric, space_.dimensions, segment_->rows());
  }
  if (const auto calibration = ann::Calibration::read(segment_->calibration())) {
    calibration_ = *calibration;
  }
  return {};
}

ann::GraphAnswer SegmentPart::graph_search(const ann::Query& query,
                                           const ann::GraphQuery& request) const {
  ann::GraphQuery stretched = request;
  stretched.stretch = calibration_.stretch_for(request.ef, request.k);
  return codes_.has_value() ? graph_.search(space_, query, *codes_, stretched)
                            : graph_.search(space_, query, stretched);
}

std::optional<std::uint32_t> SegmentPart::find(const IdView& id, std::uint32_t rows) const {
  const std::optional<std::uint32_t> row = segment_->find(id);
  if (!row.has_value() || *row >= rows) return std::nullopt;
  return row;
}

bool SegmentPart::background_step(Progress& stop) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point end = Clock::now() + kStepTime;
  const auto rows =
      static_cast<std::uint32_t>(std::max<std::size_t>(kStepBytes / space_.vectors.stride, 1));
  while (next_compared_ < segment_->rows() && !segment_->unreadable()) {
    if (Clock::now() >= end || !stop.update(0, 0)) return true;
    const std::uint32_t last = next_compared_ + std::min(rows, segment_->rows() - next_compared_);
    segment_->compare_vectors(next_compared_, last);
    next_compared_ = last;
  }
  return false;
}

PartBytes SegmentPart::bytes() const {
  const storage::Segment::Bytes bytes = segment_->bytes();
  return {bytes.vectors, bytes.graph,    bytes.codes + remade_codes_.size(),
          bytes.ids,     bytes.metadata, bytes.other};
}

}  // namespace springg::engine
