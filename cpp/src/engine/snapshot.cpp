// SPDX-License-Identifier: MIT
// Snapshots of an open database, and databases made of them.
#include <algorithm>
#include <limits>
#include <utility>

#include "engine/check.h"
#include "engine/database_core.h"
#include "engine/snapshot.h"
#include "engine/store_copy.h"

namespace springg::engine {

namespace {

// Newer manifests that may come while a directory is copied. A writer that is faster than that many
// times in a row flushes without end.
constexpr int kTries = 20;

// Opens a copy as a reader does, which verifies all of it and says what is in it.
Result<std::uint64_t> rows_of_copy(io::FileSystem& files, const std::string& path) {
  DatabaseOptions options;
  options.read_only = true;
  Tuning tuning;
  tuning.follow_interval_ms = 0;
  tuning.compare_later_bytes = storage::kCompareAll;
  SPRINGG_ASSIGN_OR_RETURN(
      const auto core, DatabaseCore::open(path, options, &files, &base::system_unix_ms, tuning));
  return core->stats().at("rows");
}

Result<SnapshotInfo> end_copy(io::FileSystem& files, StoreCopy& copy, const std::string& to,
                              const storage::Manifest& manifest) {
  SnapshotInfo info;
  info.path = to;
  info.lsn = copy.log_end();
  info.generation = std::max<std::uint64_t>(manifest.generation, 1);
  info.linked = copy.linked();
  SPRINGG_ASSIGN_OR_RETURN(info.rows, rows_of_copy(files, to));
  SPRINGG_ASSIGN_OR_RETURN(info.bytes, copy.bytes());
  copy.keep();
  return info;
}

Result<SnapshotInfo> copy_generation(io::FileSystem& files, const std::string& from,
                                     const std::string& to, const storage::ManifestStamp& stamp,
                                     base::WallClock clock) {
  SPRINGG_ASSIGN_OR_RETURN(const auto manifest,
                           storage::read_manifest(files, from, stamp.generation));
  StoreCopy copy(files, from, to);
  SPRINGG_RETURN_IF_ERROR(copy.begin());
  SPRINGG_RETURN_IF_ERROR(copy.take(manifest));
  SPRINGG_RETURN_IF_ERROR(copy.take_log(manifest, std::numeric_limits<storage::Lsn>::max()));
  // Of one moment only if no index was made, cleared or dropped since.
  SPRINGG_ASSIGN_OR_RETURN(const auto now, storage::newest_manifest_stamp(files, from));
  if (now != stamp) return failed_precondition("files went while they were copied from " + from);
  SPRINGG_RETURN_IF_ERROR(copy.finish(manifest, clock()));
  return end_copy(files, copy, to, manifest);
}

}  // namespace

Result<SnapshotInfo> DatabaseCore::snapshot(const std::string& to) {
  if (files_ == nullptr) {
    return failed_precondition("a database in memory has no files to take a snapshot of");
  }
  if (to.empty()) return invalid_argument("path of the snapshot is empty: expected a directory");
  if (options_.read_only) return copy_directory(*files_, path_, to, clock_);
  // Short is the log that has to be copied.
  SPRINGG_RETURN_IF_ERROR(flush(FlushAim::kRows));
  StoreCopy copy(*files_, path_, to);
  SPRINGG_RETURN_IF_ERROR(copy.begin());
  storage::Manifest manifest;
  {
    // While this is held no flush removes a file, or a part of the log.
    base::MutexLock lock(flush_mutex_);
    storage::Lsn last = 0;
    {
      // Nor is an index made, cleared or dropped, whose records would begin or end here.
      base::MutexLock catalog(catalog_mutex_);
      SPRINGG_RETURN_IF_ERROR(runtime_->log->sync());
      last = runtime_->log->durable_lsn();
      manifest = durable_;
      SPRINGG_RETURN_IF_ERROR(copy.take(manifest));
    }
    SPRINGG_RETURN_IF_ERROR(copy.take_log(manifest, last));
  }
  SPRINGG_RETURN_IF_ERROR(copy.finish(manifest, clock_()));
  return end_copy(*files_, copy, to, manifest);
}

Result<SnapshotInfo> copy_directory(io::FileSystem& files, const std::string& from,
                                    const std::string& to, base::WallClock clock) {
  for (int i = 0;; ++i) {
    SPRINGG_ASSIGN_OR_RETURN(const auto stamp, storage::newest_manifest_stamp(files, from));
    if (!stamp.has_value()) {
      return not_found("no springg database at " + from).with("file", from);
    }
    auto info = copy_generation(files, from, to, *stamp, clock);
    if (info.ok() || i == kTries) return info;
    const auto now = storage::newest_manifest_stamp(files, from);
    if (!now.ok() || *now == stamp) return info;
  }
}

Status restore_directory(io::FileSystem& files, const std::string& snapshot,
                         const std::string& path, base::WallClock clock) {
  SPRINGG_ASSIGN_OR_RETURN(const CheckReport report, check_directory(files, snapshot));
  if (!report.ok()) {
    const Problem& first = report.problems.front();
    return corruption("nothing was restored: " + snapshot + " is damaged: " + first.what)
        .with("file", snapshot + "/" + first.file);
  }
  return copy_directory(files, snapshot, path, clock).status();
}

}  // namespace springg::engine

namespace springg {

Status restore(const std::string& snapshot, const std::string& path) {
  return engine::guarded([&]() -> Status {
    if (path.empty()) return invalid_argument("path is empty: expected a directory");
    return engine::restore_directory(io::posix_file_system(), snapshot, path,
                                     &base::system_unix_ms);
  });
}

}  // namespace springg
