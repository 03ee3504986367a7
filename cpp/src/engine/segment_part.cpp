// SPDX-License-Identifier: MIT
#include "engine/segment_part.h"

#include "ann/code_scan.h"
#include "engine/segment_codes.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

namespace springg::engine {

namespace {
// Less than this lies in few pages.
constexpr std::size_t kCopiedBytesMin = std::size_t{4} << 20;
// Rows between two looks at the clock.
constexpr std::size_t kStepBytes = std::size_t{1} << 20;
constexpr std::chrono::milliseconds kStepTime{100};
// What the system maps at most when a row is read.
constexpr std::uint64_t kTouchedBytes = std::uint64_t{64} << 10;
}  // namespace

SegmentPart::SegmentPart(std::shared_ptr<const storage::Segment> segment,
                         std::shared_ptr<MemoryBudget> budget)
    : segment_(std::move(segment)), budget_(std::move(budget)), charge_(budget_) {
  const storage::SegmentSettings& settings = segment_->settings();
  space_.metric = settings.metric;
  space_.dtype = settings.dtype;
  space_.dimensions = settings.dimensions;
  space_.vectors = segment_->vectors();
  space_.inverse_norms = segment_->inverse_norms();
  count_bytes();
}

ann::GraphAnswer SegmentPart::scan_matching(const ann::Query& query, const base::RowMask& wanted,
                                            std::uint32_t begin, std::uint32_t end, std::size_t k,
                                            std::size_t rerank) const {
  const std::size_t rows = wanted.count_below(end) - wanted.count_below(begin);
  if (!codes_.has_value() || rows < k * ann::kCodeScanRowsMin) {
    return Part::scan_matching(query, wanted, begin, end, k, rerank);
  }
  ann::GraphAnswer answer =
      ann::scan_codes(sparse_space(), query, *codes_, wanted, begin, end, k, rerank);
  let_go(begin, end);  // of a query that codes do not serve
  return answer;
}

Result<std::shared_ptr<SegmentPart>> SegmentPart::open(
    std::shared_ptr<const storage::Segment> segment, std::shared_ptr<MemoryBudget> budget) {
  std::shared_ptr<SegmentPart> part(new SegmentPart(std::move(segment), std::move(budget)));
  const storage::Segment& stored = *part->segment_;
  if (stored.graph_damaged()) return corruption("the graph's checksum does not match");
  if (!stored.graph().empty()) {
    const std::span<const std::byte> image = part->copied(stored.graph(), part->own_graph_);
    SPRINGG_ASSIGN_OR_RETURN(part->graph_, ann::SealedGraph::open(image, stored.rows()));
    part->open_codes();
    part->open_calibration();
    part->count_bytes();
  }
  return part;
}

// Of a mapped file what every step of a walk reads is copied: memory of our own may have huge
// pages, and a row at random then costs less (docs/measurements.md). Without memory the file will
// do.
std::span<const std::byte> SegmentPart::copied(std::span<const std::byte> bytes,
                                               base::Buffer& buffer) const {
  if (!segment_->mapped() || bytes.size() < kCopiedBytesMin) return bytes;
  auto allocated = base::Buffer::allocate(bytes.size());
  if (!allocated.ok()) return bytes;
  buffer = std::move(allocated).value();
  std::memcpy(buffer.data(), bytes.data(), bytes.size());
  segment_->drop(bytes);
  return buffer.span();
}

void SegmentPart::open_codes() {
  // A file of another program may have what springg does not write.
  if (!can_have_codes(space_.metric, space_.dtype)) return;
  std::span<const std::byte> bytes = segment_->codes();
  if (const std::uint64_t damaged = segment_->damaged_codes_bytes(); damaged != 0) {
    auto remade = remake_codes(space_, segment_->rows(), damaged);
    // Without memory for them the graph is walked on vectors.
    if (!remade.ok() || !remade->has_value()) return;
    own_codes_ = std::move(**remade);
    bytes = own_codes_.span();
  } else {
    bytes = copied(bytes, own_codes_);
  }
  if (bytes.empty()) return;
  codes_ = quant::open_codes(bytes, space_.metric, space_.dimensions, segment_->rows());
}

void SegmentPart::open_calibration() {
  if (const auto calibration = ann::Calibration::read(segment_->calibration())) {
    calibration_ = *calibration;
  }
}

ann::GraphAnswer SegmentPart::graph_search(const ann::Query& query,
                                           const ann::GraphQuery& request) const {
  ann::GraphQuery stretched = request;
  stretched.stretch = calibration_.stretch_for(request.ef, request.k);
  if (!codes_.has_value()) {
    ann::GraphAnswer answer = graph_.search(space_, query, stretched);
    note_touched(answer.distances_computed);
    return answer;
  }
  ann::GraphAnswer answer = graph_.search(sparse_space(), query, *codes_, stretched);
  // About as many are ranked exactly, where they are mapped.
  if (segment_->row_reader() == nullptr) note_touched(std::max(request.k, request.rerank));
  return answer;
}

// Until vectors have to stay on the disk they are read where they are mapped, which is faster. What
// became resident by then goes once.
ann::Space SegmentPart::sparse_space() const noexcept {
  ann::Space space = space_;
  if (!segment_->mapped() || !budget_->limit().has_value()) return space;
  if (!budget_->is_lean()) {
    if (!stays_mapped_.load(std::memory_order_relaxed)) stays_mapped_.store(true);
    return space;
  }
  space.reader = segment_->row_reader();
  if (stays_mapped_.load(std::memory_order_relaxed) && stays_mapped_.exchange(false)) {
    segment_->drop_rows();
  }
  return space;
}

void SegmentPart::let_go(std::uint32_t first, std::uint32_t last) const noexcept {
  if (segment_->mapped() && budget_->is_lean()) segment_->drop_vectors(first, last);
}

// Walks on vectors read too many rows to be dropped one by one, and documents are read by many.
// Each may stand for all that the system maps around it; a part may have its share of what may be
// resident.
void SegmentPart::note_touched(std::uint64_t rows) const noexcept {
  if (!segment_->mapped() || !budget_->is_lean()) return;
  const std::uint64_t bytes = rows * kTouchedBytes;
  const double share = static_cast<double>(mapped_bytes()) /
                       static_cast<double>(std::max<std::uint64_t>(budget_->mapped(), 1));
  const double room = share * static_cast<double>(budget_->resident_max());
  const std::uint64_t before = touched_.fetch_add(bytes, std::memory_order_relaxed);
  if (static_cast<double>(before + bytes) <= room) return;
  touched_.store(0, std::memory_order_relaxed);
  segment_->drop_rows();
}

std::string_view SegmentPart::metadata(std::uint32_t row) const noexcept {
  note_touched(1);
  return segment_->metadata(row);
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
  const std::uint64_t graph = own_graph_.size() == 0 ? bytes.graph : own_graph_.size();
  const std::uint64_t codes = own_codes_.size() == 0 ? bytes.codes : own_codes_.size();
  return {bytes.vectors, graph, codes, bytes.ids, bytes.metadata, bytes.other};
}

// Ids, norms and sequences lie in the file too, but searches and writes read them here and there.
std::uint64_t SegmentPart::mapped_bytes() const noexcept {
  if (!segment_->mapped()) return 0;
  const storage::Segment::Bytes bytes = segment_->bytes();
  return bytes.vectors + bytes.metadata;
}

}  // namespace springg::engine
