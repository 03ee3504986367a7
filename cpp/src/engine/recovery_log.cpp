// SPDX-License-Identifier: MIT
// The log to memory: every record behind the manifest's segments is done again, then a new log
// begins where the old one ended.
#include <algorithm>
#include <utility>

#include "base/seeded_bug.h"
#include "engine/compaction.h"
#include "engine/database_core.h"
#include "storage/wal_reader.h"

namespace springg::engine {

Result<std::shared_ptr<SegmentPart>> DatabaseCore::open_logged(const storage::LoggedSegment& logged,
                                                               const IndexOptions& options,
                                                               storage::Lsn lsn) {
  SPRINGG_ASSIGN_OR_RETURN(auto segment,
                           storage::open_segment(*files_, path_, logged.uuid, logged.file_bytes));
  {
    base::MutexLock lock(files_mutex_);
    logged_files_[logged.uuid] = lsn;
  }
  auto opened = SegmentPart::open(segment, runtime_->budget);
  if (opened.ok()) return opened;
  if (segment->settings() != segment_settings(options)) return opened;
  return rebuild_graph(*segment, options, runtime_->budget, runtime_->pool);
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
  return index->replay(frame, [&](const storage::LoggedSegment& logged) {
    return open_logged(logged, entry->options, frame.lsn);
  });
}

Status DatabaseCore::replay_log(const storage::Manifest& manifest) {
  storage::Lsn durable = manifest.durable_lsn;
  std::vector<std::pair<storage::WalRecord, std::vector<std::byte>>> logged_again;
  const auto visit = [&](const storage::WalFrame& frame) {
    if constexpr (base::kSeededBug == base::kBugReplayThatLogs) {
      const std::span<const std::byte> payload = frame.record.payload;
      logged_again.emplace_back(frame.record, std::vector(payload.begin(), payload.end()));
    }
    return replay_frame(frame, manifest);
  };
  SPRINGG_ASSIGN_OR_RETURN(
      const storage::WalScan scan,
      storage::scan_wal(*files_, path_, manifest.store, manifest.lsn, durable, visit));
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
  storage::WalSettings settings;
  settings.directory = path_;
  settings.store = manifest.store;
  settings.file_bytes_min = runtime_->tuning.log_file_bytes_min;
  settings.file_bytes_max = runtime_->tuning.log_file_bytes_max;
  storage::continue_wal(scan, settings);
  SPRINGG_ASSIGN_OR_RETURN(runtime_->log,
                           storage::WriteAheadLog::create(*files_, settings, clock_));
  for (auto& [record, payload] : logged_again) {
    record.payload = payload;
    SPRINGG_RETURN_IF_ERROR(runtime_->log->append(record).status());
  }
  runtime_->log->remove_through(manifest.lsn);
  return {};
}

}  // namespace springg::engine
