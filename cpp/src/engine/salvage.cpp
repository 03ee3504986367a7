// SPDX-License-Identifier: MIT
#include "engine/salvage.h"

#include <algorithm>
#include <utility>

#include "engine/overlay.h"
#include "storage/log_records.h"

namespace springg::engine {

namespace {

// Rows that a record inserted; 0 when nobody can tell.
std::uint64_t rows_in(const storage::WalRecord& record) {
  if (record.type == storage::WalType::kRows) {
    const auto rows = storage::decode_rows(record.payload);
    return rows.ok() ? rows->ids.size() : 0;
  }
  if (record.type == storage::WalType::kSegment) {
    const auto segment = storage::decode_segment(record.payload);
    return segment.ok() ? segment->rows : 0;
  }
  return 0;
}

bool any_has(const std::vector<PartView>& parts, std::size_t begin, const IdView& id) {
  return std::any_of(parts.begin() + static_cast<std::ptrdiff_t>(begin), parts.end(),
                     [&](const PartView& part) { return part.part->find(id, part.rows); });
}

}  // namespace

Result<std::optional<PartView>> Salvage::part(const StoredFiles& from,
                                              const storage::SegmentEntry& entry,
                                              const IndexOptions& options) {
  storage::SegmentEntry bare = entry;
  bare.delta.reset();
  auto stored = open_stored_part(from, bare, options);
  if (!stored.ok()) {
    if (stored.status().code() != ErrorCode::kCorruption) return stored.take_status();
    return std::optional<PartView>();
  }
  without_delta_.insert(stored->part.part.get());
  return std::optional<PartView>(std::move(stored->part));
}

void Salvage::settle(IndexState& state) const {
  for (std::size_t i = 0; i < state.parts.size(); ++i) {
    PartView& part = state.parts[i];
    if (!without_delta_.contains(part.part.get())) continue;
    OverlayEditor editor(part.overlay);
    for (std::uint32_t row = 0; row < part.rows; ++row) {
      if (any_has(state.parts, i + 1, part.part->id(row))) editor.erase(row);
    }
    auto overlay = editor.finish();
    if (overlay->deleted_rows() != 0) part.overlay = std::move(overlay);
  }
}

bool Salvage::wants(const storage::WalFrame& frame) {
  const auto broken = lost_log_rows_.find(frame.record.index_ref);
  if (broken == lost_log_rows_.end()) return true;
  broken->second += rows_in(frame.record);
  return false;
}

void Salvage::lose(const storage::WalFrame& frame) {
  lost_log_rows_[frame.record.index_ref] += rows_in(frame.record);
}

}  // namespace springg::engine
