// SPDX-License-Identifier: MIT
// The log to memory: every record behind the manifest's segments is done again, then a new log
// begins where the old one ended.
#include <algorithm>
#include <utility>

#include "base/seeded_bug.h"
#include "engine/database_core.h"
#include "engine/salvage.h"
#include "engine/stored_index.h"
#include "storage/wal_reader.h"

namespace springg::engine {

Result<std::shared_ptr<SegmentPart>> DatabaseCore::open_logged(const storage::LoggedSegment& logged,
                                                               const IndexOptions& options,
                                                               storage::Lsn lsn) {
  {
    base::MutexLock lock(files_mutex_);
    logged_files_[logged.uuid] = lsn;
  }
  return open_logged_part({*files_, path_, *runtime_}, logged, options);
}

Status DatabaseCore::replay_frame(const storage::WalFrame& frame,
                                  const storage::Manifest& manifest) {
  if (frame.record.index_ref == 0 || frame.record.index_ref >= manifest.next_log_ref) {
    return corruption("log record of an index that was never made: number " +
                      std::to_string(frame.record.index_ref));
  }
  const auto entry = std::find_if(
      manifest.indexes.begin(), manifest.indexes.end(),
      [&](const storage::IndexEntry& one) { return one.log_ref == frame.record.index_ref; });
  // The index was dropped or cleared, or its segments have the record.
  if (entry == manifest.indexes.end() || frame.lsn <= entry->lsn) return {};
  std::shared_ptr<IndexImpl> index;
  {
    base::MutexLock lock(catalog_mutex_);
    index = indexes_.at(entry->name);
  }
  const auto open = [&](const storage::LoggedSegment& logged) {
    return open_logged(logged, entry->options, frame.lsn);
  };
  return salvage_ == nullptr ? index->replay(frame, open) : salvage_->replay(frame, *index, open);
}

Status DatabaseCore::replay_or_lose(const storage::WalFrame& frame,
                                    const storage::Manifest& manifest) {
  if (salvage_ == nullptr) return replay_frame(frame, manifest);
  salvage_->passed(frame.lsn);
  if (!salvage_->wants(frame)) return {};
  Status status = replay_frame(frame, manifest);
  if (status.code() != ErrorCode::kCorruption) return status;
  salvage_->lose(frame);
  return {};
}

Result<storage::WalScan> DatabaseCore::scan_log(const storage::Manifest& manifest) {
  const auto visit = [&](const storage::WalFrame& frame) {
    return replay_or_lose(frame, manifest);
  };
  auto scanned = storage::scan_wal(*files_, path_, manifest.store, manifest.lsn,
                                   manifest.durable_lsn, visit, storage::covered_by(manifest));
  if (salvage_ == nullptr || scanned.status().code() != ErrorCode::kCorruption) return scanned;
  // The frames before the damage were visited. All files are given up; positions go on behind all
  // that are known to have been given, and all that are in the files: dying between the manifest of
  // this repair and the end of the files leaves these, and frames beyond the manifest's position
  // would be done again although those before them were not.
  storage::WalScan scan;
  SPRINGG_ASSIGN_OR_RETURN(const auto names, files_->list(path_));
  for (const std::string& name : names) {
    const auto sequence = storage::wal_file_sequence(name);
    if (sequence.has_value()) scan.files.push_back({*sequence, 0});
  }
  scan.any_file = !scan.files.empty();
  if (scan.any_file) scan.last_sequence = scan.files.back().sequence;
  SPRINGG_ASSIGN_OR_RETURN(const storage::Lsn seen, storage::greatest_lsn(*files_, path_));
  scan.last_lsn = std::max({manifest.lsn, manifest.durable_lsn, salvage_->last_lsn(), seen});
  scan.durable_lsn = scan.last_lsn;
  return scan;
}

void DatabaseCore::refuse_damaged(const storage::WalScan& scan, const storage::Manifest& manifest) {
  for (const auto& [log_ref, damage] : scan.damaged_indexes) {
    for (const storage::IndexEntry& entry : manifest.indexes) {
      if (entry.log_ref != log_ref) continue;
      base::MutexLock lock(catalog_mutex_);
      indexes_.at(entry.name)
          ->refuse_writes(corruption("index '" + entry.name + "' is read-only: " + damage.file +
                                     " is damaged at byte " + std::to_string(damage.offset) +
                                     " (lsn " + std::to_string(damage.lsn) + ")")
                              .with("file", damage.file)
                              .with("offset", static_cast<std::int64_t>(damage.offset)));
    }
  }
}

Status DatabaseCore::replay_log(const storage::Manifest& manifest) {
  SPRINGG_ASSIGN_OR_RETURN(const storage::WalScan scan, scan_log(manifest));
  if (salvage_ == nullptr) refuse_damaged(scan, manifest);
  torn_bytes_ = scan.torn_bytes;
  storage::WalSettings settings;
  settings.directory = path_;
  settings.store = manifest.store;
  settings.file_bytes_min = runtime_->tuning.log_file_bytes_min;
  settings.file_bytes_max = runtime_->tuning.log_file_bytes_max;
  storage::continue_wal(scan, settings);
  SPRINGG_ASSIGN_OR_RETURN(runtime_->log,
                           storage::WriteAheadLog::create(*files_, settings, clock_));
  if constexpr (base::kSeededBug == base::kBugReplayThatLogs) {
    const auto append = [&](const storage::WalFrame& frame) {
      return frame.lsn > scan.last_lsn ? Status() : runtime_->log->append(frame.record).status();
    };
    SPRINGG_RETURN_IF_ERROR(storage::scan_wal(*files_, path_, manifest.store, manifest.lsn,
                                              manifest.durable_lsn, append)
                                .status());
  }
  // While it is repaired, what the log has is in no other place until the flush.
  if (salvage_ == nullptr) runtime_->log->remove_through(manifest.lsn);
  return {};
}

}  // namespace springg::engine
