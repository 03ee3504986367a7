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
  const auto lost = lost_records_.find(frame.record.index_ref);
  if (lost == lost_records_.end() || !lost->second.ended) return true;
  lost->second.rows += rows_in(frame.record);
  return false;
}

// Rows and deletes find the rows that they replace, or none. Metadata alone needs them: what is
// changed of rows that went with a segment is lost with these, and the rest of the record is not.
Status Salvage::replay(const storage::WalFrame& frame, IndexImpl& index,
                       const SegmentOpener& open) {
  if (frame.record.type != storage::WalType::kMetadata) return index.replay(frame, open);
  SPRINGG_ASSIGN_OR_RETURN(const auto logged, storage::decode_metadata(frame.record.payload));
  const std::shared_ptr<const View> view = index.current();  // nothing waits while it is recovered
  IdColumn ids;
  MetadataColumn texts;
  for (std::size_t i = 0; i < logged.ids.size(); ++i) {
    if (!view->find(logged.ids[i]).has_value()) continue;
    ids.append(logged.ids[i]);
    logged.metadata.has(i) ? texts.append(logged.metadata.text(i)) : texts.append_none();
  }
  SPRINGG_RETURN_IF_ERROR(check_readable(view->parts));
  if (ids.size() == logged.ids.size()) return index.replay(frame, open);
  lost_records_[frame.record.index_ref].metadata += logged.ids.size() - ids.size();
  if (ids.empty()) return {};
  const storage::Payload payload = storage::encode_metadata(ids, texts);
  storage::WalFrame present = frame;
  present.record.payload = payload;
  return index.replay(present, open);
}

// Whether the records behind a lost one are done again.
//
// The row of an id is that of the last record that inserted it, unless a later one deleted it. So
// for ids that the lost record did not have, going on gives what was acknowledged last. For an id
// that it had, a record behind it that inserts or deletes the id gives that too: neither asks what
// was there before. When there is none, the row from before the lost record is back, but so it is
// when the replay ends there. Ending early therefore never hides an older row that going on would
// show; it brings back more of them, those that later records replace or delete.
//
// One thing is made that never was: when the lost record upserted an id whose metadata alone was
// changed later, the row from before gets that metadata. Which ids these are nobody can tell, since
// they are in the lost segment; to leave the change out for all would lose what was acknowledged
// for rows that have nothing to do with it, and most segments only add. The report says so.
//
// Behind a record that is whole by its checksum and cannot be decoded, or does not fit the index,
// it ends: that is no damage of a disk but a writer that this release does not understand, which
// may have deleted or replaced anything, and what it wrote next may depend on it in the same way.
// The index stays in a state that it had. So it does behind a damaged payload, which the scan does
// not go on behind. Metadata has no rows and is replaced as a whole: without it only itself is old.
void Salvage::lose(const storage::WalFrame& frame) {
  LostRecords& lost = lost_records_[frame.record.index_ref];
  const bool segment = frame.record.type == storage::WalType::kSegment;
  if (segment && storage::decode_segment(frame.record.payload).ok()) {
    ++lost.segments;
  } else if (frame.record.type == storage::WalType::kMetadata) {
    ++lost.unreadable_metadata;
  } else {
    lost.ended = true;
    lost.rows += rows_in(frame.record);
  }
}

}  // namespace springg::engine
