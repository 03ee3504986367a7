// SPDX-License-Identifier: MIT
// Disk to memory: the newest manifest, its segments and deltas, then what the log has beyond them.
// What nothing names any more goes. It only reads until the new log is made, so that dying in it
// costs nothing but doing it again.
#include <set>
#include <string_view>
#include <utility>

#include "engine/database_core.h"

namespace springg::engine {

namespace {

bool take_suffix(std::string_view& name, std::string_view suffix) {
  if (!name.ends_with(suffix)) return false;
  name.remove_suffix(suffix.size());
  return true;
}

enum class FileKind { kForeign, kSegment, kDelta, kManifest, kLog, kTemporary };

// Only names that springg itself would give are springg's to remove.
FileKind kind_of(std::string_view name) {
  const bool temporary = take_suffix(name, ".tmp");
  FileKind kind = FileKind::kForeign;
  if (take_suffix(name, ".segment")) {
    if (base::Uuid::parse(name).has_value()) kind = FileKind::kSegment;
  } else if (take_suffix(name, ".delta")) {
    if (base::Uuid::parse(name).has_value()) kind = FileKind::kDelta;
  } else if (name.starts_with("manifest-") && name.size() == 25 &&
             name.substr(9).find_first_not_of("0123456789") == std::string_view::npos) {
    kind = FileKind::kManifest;
  } else if (storage::wal_file_sequence(name).has_value()) {
    kind = FileKind::kLog;
  }
  if (kind == FileKind::kForeign) return kind;
  return temporary ? FileKind::kTemporary : kind;
}

Status wrong_segment(const storage::SegmentEntry& entry, const std::string& what) {
  const std::string file = storage::segment_file_name(entry.uuid);
  return corruption(file + ": " + what).with("file", file);
}

}  // namespace

Status DatabaseCore::recover() {
  SPRINGG_ASSIGN_OR_RETURN(std::optional<storage::Manifest> manifest,
                           storage::read_newest_manifest(*files_, path_));
  if (!manifest.has_value()) {
    SPRINGG_RETURN_IF_ERROR(refuse_lost_manifest());
    manifest.emplace().store = base::Uuid::random();
  }
  SPRINGG_RETURN_IF_ERROR(recover_indexes(*manifest));
  SPRINGG_RETURN_IF_ERROR(replay_log(*manifest));
  {
    base::MutexLock lock(flush_mutex_);
    remove_garbage(true);
  }
  for (const auto& index : indexes()) index->end_replay();
  return {};
}

Status DatabaseCore::recover_indexes(const storage::Manifest& manifest) {
  SavedSegments saved;
  std::map<std::string, std::shared_ptr<IndexImpl>> indexes;
  for (const storage::IndexEntry& entry : manifest.indexes) {
    IndexState state;
    SPRINGG_RETURN_IF_ERROR(recover_index(entry, saved, state));
    indexes.emplace(entry.name, IndexImpl::create(runtime_, *this, std::move(state)));
  }
  {
    base::MutexLock lock(catalog_mutex_);
    indexes_ = std::move(indexes);
    durable_ = manifest;
  }
  base::MutexLock lock(flush_mutex_);
  saved_ = std::move(saved);
  return {};
}

Status DatabaseCore::refuse_lost_manifest() const {
  SPRINGG_ASSIGN_OR_RETURN(const std::vector<std::string> names, files_->list(path_));
  for (const std::string& name : names) {
    // The first manifest is written before any segment or log: this one was lost.
    if (kind_of(name) != FileKind::kSegment && kind_of(name) != FileKind::kLog) continue;
    return corruption("no manifest in '" + path_ + "' although it has files such as " + name)
        .with("file", name);
  }
  return {};
}

Status DatabaseCore::recover_index(const storage::IndexEntry& entry, SavedSegments& saved,
                                   IndexState& state) {
  SPRINGG_RETURN_IF_ERROR(check_index_options(entry.options));
  state.uuid = entry.uuid;
  state.name = entry.name;
  state.options = entry.options;
  state.log_ref = entry.log_ref;
  state.next_sequence = entry.next_sequence;
  std::uint64_t last = 0;
  for (const storage::SegmentEntry& segment : entry.segments) {
    SPRINGG_ASSIGN_OR_RETURN(PartView part, recover_part(segment, entry.options, saved));
    if (part.rows == 0 || part.part->sequence(0) <= last ||
        part.part->sequence(part.rows - 1) >= entry.next_sequence) {
      return wrong_segment(segment,
                           "sequences do not follow those of the segment before, or "
                           "reach the manifest's next one");
    }
    last = part.part->sequence(part.rows - 1);
    state.parts.push_back(std::move(part));
  }
  return {};
}

Result<PartView> DatabaseCore::recover_part(const storage::SegmentEntry& entry,
                                            const IndexOptions& options, SavedSegments& saved) {
  SPRINGG_ASSIGN_OR_RETURN(auto segment,
                           storage::open_segment(*files_, path_, entry.uuid, entry.file_bytes));
  if (segment->settings() != segment_settings(options)) {
    return wrong_segment(entry, "its settings are not the index's");
  }
  if (segment->rows() != entry.rows) {
    return wrong_segment(entry, "expected " + std::to_string(entry.rows) + " rows, got " +
                                    std::to_string(segment->rows()));
  }
  PartView part;
  part.rows = segment->rows();
  if (entry.delta.has_value()) {
    SPRINGG_ASSIGN_OR_RETURN(const storage::Delta delta,
                             storage::read_delta(*files_, path_, *entry.delta, part.rows));
    part.overlay = make_overlay(delta);
  }
  auto opened = SegmentPart::open(segment, runtime_->budget);
  if (opened.ok()) {
    part.part = std::move(opened).value();
    saved.emplace(entry.uuid, SavedSegment{entry, part.overlay});
    return part;
  }
  // A graph is derived: it is built again, and the next flush writes the segment anew.
  SPRINGG_ASSIGN_OR_RETURN(part.part,
                           rebuild_graph(*segment, options, runtime_->budget, runtime_->pool));
  return part;
}

void DatabaseCore::remove_garbage(bool temporary) {
  const Result<std::vector<std::string>> names = files_->list(path_);
  if (!names.ok()) return;
  std::set<std::string> live;
  storage::Lsn checkpoint = 0;
  {
    base::MutexLock lock(catalog_mutex_);
    checkpoint = durable_.lsn;
    live.insert(storage::manifest_file_name(durable_.generation));
    for (const storage::IndexEntry& index : durable_.indexes) {
      for (const storage::SegmentEntry& segment : index.segments) {
        live.insert(storage::segment_file_name(segment.uuid));
        if (segment.delta.has_value()) live.insert(storage::delta_file_name(*segment.delta));
      }
    }
  }
  {
    base::MutexLock lock(files_mutex_);
    std::erase_if(logged_files_, [&](const auto& file) { return file.second <= checkpoint; });
    for (const auto& file : logged_files_) live.insert(storage::segment_file_name(file.first));
  }
  for (const std::string& name : names.value()) {
    const FileKind kind = is_reserve(name) ? FileKind::kTemporary : kind_of(name);
    // The log removes its own files. Temporary ones may be of calls that are running.
    if (kind == FileKind::kForeign || kind == FileKind::kLog || live.contains(name)) continue;
    if (kind == FileKind::kTemporary && !temporary) continue;
    static_cast<void>(files_->remove(file_path(name)));
  }
}

}  // namespace springg::engine
