// SPDX-License-Identifier: MIT
#include "engine/stored_index.h"

#include <utility>

#include "engine/compaction.h"
#include "engine/file_names.h"
#include "engine/overlay.h"
#include "storage/delta.h"
#include "storage/segment.h"

namespace springg::engine {

Status wrong_segment(const storage::SegmentEntry& entry, const std::string& what) {
  const std::string file = storage::segment_file_name(entry.uuid);
  return corruption(file + ": " + what).with("file", file);
}

Status refuse_lost_manifest(const std::string& directory, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const NameKind kind = kind_of_name(name);
    if (kind != NameKind::kSegment && kind != NameKind::kLog) continue;
    std::string message = "no manifest in '" + directory + "' although it has files such as ";
    message += name;
    return corruption(std::move(message)).with("file", name);
  }
  return {};
}

std::shared_ptr<const Overlay> make_overlay(const storage::Delta& delta) {
  OverlayEditor editor(nullptr);
  for (const std::uint32_t row : delta.deleted) editor.erase(row);
  for (const auto& [row, text] : delta.metadata) {
    editor.patch(row, text.has_value() ? std::make_shared<const std::string>(*text) : nullptr);
  }
  return editor.finish();
}

Result<StoredPart> open_stored_part(const StoredFiles& from, const storage::SegmentEntry& entry,
                                    const IndexOptions& options) {
  SPRINGG_ASSIGN_OR_RETURN(
      auto segment,
      storage::open_segment(from.files, from.directory, entry.uuid, entry.file_bytes,
                            from.runtime.tuning.compare_later_bytes, from.runtime.residency()));
  if (segment->settings() != segment_settings(options)) {
    return wrong_segment(entry, "its settings are not the index's");
  }
  if (segment->rows() != entry.rows) {
    return wrong_segment(entry, "expected " + std::to_string(entry.rows) + " rows, got " +
                                    std::to_string(segment->rows()));
  }
  StoredPart stored;
  stored.part.rows = segment->rows();
  if (entry.delta.has_value()) {
    SPRINGG_ASSIGN_OR_RETURN(
        const storage::Delta delta,
        storage::read_delta(from.files, from.directory, *entry.delta, stored.part.rows));
    stored.part.overlay = make_overlay(delta);
  }
  auto opened = SegmentPart::open(segment, from.runtime.budget);
  if (opened.status().code() == ErrorCode::kResourceExhausted) return opened.take_status();
  stored.as_stored = opened.ok();
  if (!opened.ok()) {
    opened = rebuild_graph(*segment, options, from.runtime.budget, from.runtime.pool);
  }
  SPRINGG_ASSIGN_OR_RETURN(const std::shared_ptr<SegmentPart> part, std::move(opened));
  if (!part->compared() && from.runtime.tuning.compare_in_background) {
    from.runtime.keeper.add(part);
  }
  stored.part.part = part;
  return stored;
}

Result<std::shared_ptr<SegmentPart>> open_logged_part(const StoredFiles& from,
                                                      const storage::LoggedSegment& logged,
                                                      const IndexOptions& options) {
  SPRINGG_ASSIGN_OR_RETURN(
      auto segment,
      storage::open_segment(from.files, from.directory, logged.uuid, logged.file_bytes,
                            storage::kCompareAll, from.runtime.residency()));
  auto opened = SegmentPart::open(segment, from.runtime.budget);
  if (opened.ok() || opened.status().code() == ErrorCode::kResourceExhausted) return opened;
  if (segment->settings() != segment_settings(options)) return opened;
  return rebuild_graph(*segment, options, from.runtime.budget, from.runtime.pool);
}

Result<IndexState> open_stored_index(const storage::IndexEntry& entry, StoredPartOpener open) {
  SPRINGG_RETURN_IF_ERROR(check_index_options(entry.options));
  IndexState state;
  state.uuid = entry.uuid;
  state.name = entry.name;
  state.options = entry.options;
  state.log_ref = entry.log_ref;
  state.next_sequence = entry.next_sequence;
  state.tuning = entry.tuning;
  std::uint64_t last = 0;
  for (const storage::SegmentEntry& segment : entry.segments) {
    SPRINGG_ASSIGN_OR_RETURN(std::optional<PartView> part, open(segment));
    if (!part.has_value()) continue;
    if (part->rows == 0 || part->part->sequence(0) <= last ||
        part->part->sequence(part->rows - 1) >= entry.next_sequence) {
      return wrong_segment(segment,
                           "sequences do not follow those of the segment before, or "
                           "reach the manifest's next one");
    }
    last = part->part->sequence(part->rows - 1);
    state.parts.push_back(std::move(*part));
  }
  return state;
}

}  // namespace springg::engine
