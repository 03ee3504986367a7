// SPDX-License-Identifier: MIT
// Disk to memory: the newest manifest, its segments and deltas, then what the log has beyond them.
// What nothing names any more goes. But for files that have no content of their own it only reads
// until the new log is made, so that dying in it costs nothing but doing it again.
#include <utility>

#include "engine/compaction.h"
#include "engine/database_core.h"
#include "engine/file_names.h"
#include "engine/salvage.h"
#include "engine/stored_index.h"

namespace springg::engine {

Status DatabaseCore::recover() {
  remove_leftovers();
  SPRINGG_ASSIGN_OR_RETURN(std::optional<storage::Manifest> manifest,
                           storage::read_newest_manifest(*files_, path_));
  if (!manifest.has_value()) {
    SPRINGG_ASSIGN_OR_RETURN(const auto names, files_->list(path_));
    SPRINGG_RETURN_IF_ERROR(refuse_lost_manifest(path_, names));
    manifest.emplace().store = base::Uuid::random();
  }
  SPRINGG_RETURN_IF_ERROR(recover_indexes(*manifest));
  SPRINGG_RETURN_IF_ERROR(replay_log(*manifest));
  {
    base::MutexLock lock(flush_mutex_);
    remove_garbage();
  }
  for (const auto& index : indexes()) index->end_replay(runtime_->log->last_lsn());
  return {};
}

Status DatabaseCore::recover_indexes(const storage::Manifest& manifest) {
  SavedSegments saved;
  std::map<std::string, std::shared_ptr<IndexImpl>> indexes;
  for (const storage::IndexEntry& entry : manifest.indexes) {
    const auto open = [&](const storage::SegmentEntry& segment) {
      return recover_part(segment, entry.options, saved);
    };
    SPRINGG_ASSIGN_OR_RETURN(IndexState state, open_stored_index(entry, open));
    if (salvage_ != nullptr) salvage_->settle(state);
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

Result<std::optional<PartView>> DatabaseCore::recover_part(const storage::SegmentEntry& entry,
                                                           const IndexOptions& options,
                                                           SavedSegments& saved) {
  const StoredFiles from{*files_, path_, *runtime_};
  auto opened = open_stored_part(from, entry, options);
  if (salvage_ != nullptr && opened.status().code() == ErrorCode::kCorruption) {
    return salvage_->part(from, entry, options);
  }
  SPRINGG_ASSIGN_OR_RETURN(StoredPart stored, std::move(opened));
  const storage::Segment& segment = *stored.part.part->segment()->storage();
  const bool derived_damaged = segment.id_table_damaged() || segment.damaged_codes_bytes() != 0 ||
                               segment.calibration_damaged();
  if (salvage_ != nullptr && derived_damaged) {
    SPRINGG_ASSIGN_OR_RETURN(stored.part.part,
                             rebuild_graph(segment, options, runtime_->budget, runtime_->pool));
    stored.as_stored = false;
  }
  // A graph that was built again: the next flush writes the segment anew.
  if (stored.as_stored) saved.emplace(entry.uuid, SavedSegment{entry, stored.part.overlay});
  return std::optional<PartView>(std::move(stored.part));
}

std::set<std::string> DatabaseCore::live_files() {
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
  base::MutexLock lock(files_mutex_);
  std::erase_if(logged_files_, [&](const auto& file) { return file.second <= checkpoint; });
  for (const auto& file : logged_files_) live.insert(storage::segment_file_name(file.first));
  return live;
}

// First of all: on a full disk the new log may need what was kept in reserve.
void DatabaseCore::remove_leftovers() noexcept {
  if_memory_allows([&] {
    const Result<std::vector<std::string>> names = files_->list(path_);
    if (!names.ok()) return;
    for (const std::string& name : names.value()) {
      const NameKind kind = kind_of_name(name);
      if (kind != NameKind::kTemporary && kind != NameKind::kReserve) continue;
      static_cast<void>(files_->remove(file_path(name)));
    }
  });
}

void DatabaseCore::remove_garbage() noexcept {
  if_memory_allows([&] {
    const Result<std::vector<std::string>> names = files_->list(path_);
    if (!names.ok()) return;
    const std::set<std::string> live = live_files();
    // Records that could not be read may name segments: those are what a repair keeps.
    const bool unread_names = any_index_damaged();
    for (const std::string& name : names.value()) {
      const NameKind kind = kind_of_name(name);
      if (unread_names && kind == NameKind::kSegment) continue;
      // The log removes its own files. Temporary ones may be of calls that are running.
      if (kind == NameKind::kForeign || kind == NameKind::kLock || kind == NameKind::kLog) continue;
      if (kind == NameKind::kTemporary || kind == NameKind::kReserve) continue;
      if (live.contains(name)) continue;
      static_cast<void>(files_->remove(file_path(name)));
    }
  });
}

}  // namespace springg::engine
