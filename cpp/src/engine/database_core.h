// SPDX-License-Identifier: MIT
// One open database, shared by all handles on it.
//
// Locks, in the order in which they may be taken: flush_mutex_ or refresh_mutex_, then an index's
// jobs_mutex and write_mutex, then catalog_mutex_, then files_mutex_.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/wall_clock.h"
#include "engine/index_impl.h"
#include "engine/periodic_thread.h"
#include "engine/replica.h"
#include "engine/runtime.h"
#include "io/file_system.h"
#include "springg/database.h"
#include "springg/maintenance.h"
#include "storage/delta.h"
#include "storage/manifest.h"

namespace springg::engine {

class Salvage;

class DatabaseCore final : public IndexHome,
                           public BackgroundTask,
                           public std::enable_shared_from_this<DatabaseCore> {
 public:
  // `files` null: in memory. Else `path` is a directory in it, which this database holds until it
  // is closed, unless it is read-only. `files` must outlive it. `salvage`: to repair; what is
  // damaged is left out and counted there.
  static Result<std::shared_ptr<DatabaseCore>> open(std::string path,
                                                    const DatabaseOptions& options,
                                                    io::FileSystem* files, base::WallClock clock,
                                                    const Tuning& tuning = {},
                                                    Salvage* salvage = nullptr);
  ~DatabaseCore() override { abandon(); }

  const std::string& path() const noexcept { return path_; }
  const DatabaseOptions& options() const noexcept { return options_; }
  Runtime& runtime() const noexcept { return *runtime_; }
  storage::Manifest manifest() const SPRINGG_EXCLUDES(catalog_mutex_) {
    base::MutexLock lock(catalog_mutex_);
    return durable_;
  }

  Result<std::shared_ptr<Index>> create_index(const std::string& name, const IndexOptions& options,
                                              bool exist_ok);
  Result<std::shared_ptr<Index>> index(const std::string& name) const;
  std::vector<std::string> index_names() const SPRINGG_EXCLUDES(catalog_mutex_);
  Status drop_index(const std::string& name);
  Status rename_index(const std::string& from, const std::string& to);
  // Works on `executor`. `progress` (may be null) only stops it. Indexes that cannot be read stay
  // as they are: kCorruption of the first when all else is done.
  Status flush(FlushAim aim, base::Executor& executor, Progress* progress)
      SPRINGG_EXCLUDES(flush_mutex_);
  Status flush_once(FlushAim aim, base::Executor& executor, Progress* progress)
      SPRINGG_REQUIRES(flush_mutex_);
  Status flush(FlushAim aim = FlushAim::kRowsAndSpace) {
    return flush(aim, runtime_->pool, nullptr);
  }
  std::map<std::string, std::uint64_t> memory_usage() const;
  std::map<std::string, std::uint64_t> stats() const;
  // Waits for running calls, flushes, lets go of everything. After an error that may pass it is
  // open as before; after others (kCorruption, a log that has failed) it is closed, and the log
  // stays.
  Status close();
  // The same without a flush: for destructors.
  void abandon();
  bool gone() const noexcept { return gone_.load(); }  // after close() or abandon()

  Status sync();
  // Read-only: what the writer has written by now is shown. Else nothing is to be done.
  Status refresh() SPRINGG_EXCLUDES(refresh_mutex_);
  Result<SnapshotInfo> snapshot(const std::string& to) SPRINGG_EXCLUDES(flush_mutex_);
  Result<CheckReport> check(bool repair) const;

  Result<std::uint32_t> publish_clear(const base::Uuid& index) override;
  Status publish_tuning(IndexImpl& index, const std::optional<SearchTuning>& tuning) override;
  Result<std::shared_ptr<const storage::Segment>> write_file(
      const storage::Segment& segment) override SPRINGG_EXCLUDES(files_mutex_);
  void keep_file(const base::Uuid& segment, storage::Lsn lsn) noexcept override
      SPRINGG_EXCLUDES(files_mutex_);
  void forget_file(const base::Uuid& segment) noexcept override SPRINGG_EXCLUDES(files_mutex_);
  void log_grew() noexcept override;
  void want_flush() noexcept override;
  Status make_log_room(Progress* progress) override;
  Status make_memory_room(Progress* progress) override;
  std::unique_ptr<io::ScratchMemory> make_scratch(std::uint64_t bytes) override;
  Status take_background_error() override;
  bool use_reserve() noexcept override SPRINGG_EXCLUDES(reserve_mutex_);
  Status check_reserve() override SPRINGG_EXCLUDES(reserve_mutex_);
  // For stats(): what take_background_error() would return, or an index's own; it stays.
  std::string background_error() const;
  // Whether the log has records of one that nobody can read.
  bool any_index_damaged() const;
  // A checkpoint, when the log is long.
  bool background_step(Progress& stop) override;

 private:
  // What the manifest has of a segment, and the overlay that its delta file holds.
  struct SavedSegment {
    storage::SegmentEntry entry;
    std::shared_ptr<const Overlay> overlay;
  };
  using SavedSegments = std::map<base::Uuid, SavedSegment>;
  struct FlushedIndex;
  class NewFiles;

  DatabaseCore(std::string path, const DatabaseOptions& options, io::FileSystem* files,
               base::WallClock clock, const Tuning& tuning, unsigned threads);

  std::string file_path(const std::string& name) const { return path_ + "/" + name; }
  std::vector<std::shared_ptr<IndexImpl>> indexes() const SPRINGG_EXCLUDES(catalog_mutex_);
  Status missing_index(const std::string& name) const SPRINGG_REQUIRES(catalog_mutex_);

  // recovery.cpp
  Status recover() SPRINGG_EXCLUDES(flush_mutex_, catalog_mutex_);
  Status recover_indexes(const storage::Manifest& manifest)
      SPRINGG_EXCLUDES(flush_mutex_, catalog_mutex_);
  // Replays the log and begins a new one behind it.
  Status replay_log(const storage::Manifest& manifest);
  Status replay_frame(const storage::WalFrame& frame, const storage::Manifest& manifest);
  Status replay_or_lose(const storage::WalFrame& frame, const storage::Manifest& manifest);
  Result<storage::WalScan> scan_log(const storage::Manifest& manifest);
  void refuse_damaged(const storage::WalScan& scan, const storage::Manifest& manifest)
      SPRINGG_EXCLUDES(catalog_mutex_);
  Result<std::shared_ptr<SegmentPart>> open_logged(const storage::LoggedSegment& logged,
                                                   const IndexOptions& options, storage::Lsn lsn);
  Result<std::optional<PartView>> recover_part(const storage::SegmentEntry& entry,
                                               const IndexOptions& options, SavedSegments& saved);
  // Removes temporary files and the reserve of a process that died. No call may be writing yet.
  // Failures leave garbage, no harm; here and below.
  void remove_leftovers() noexcept SPRINGG_EXCLUDES(catalog_mutex_);
  // Removes files of ours that neither the manifest nor the log names, but for temporary ones.
  void remove_garbage() noexcept SPRINGG_REQUIRES(flush_mutex_) SPRINGG_EXCLUDES(catalog_mutex_);
  std::set<std::string> live_files() SPRINGG_EXCLUDES(catalog_mutex_, files_mutex_);

  // following.cpp
  Status check_writable() const;
  Status open_read_only() SPRINGG_EXCLUDES(refresh_mutex_);
  Status refresh_replica(bool patient) SPRINGG_REQUIRES(refresh_mutex_)
      SPRINGG_EXCLUDES(catalog_mutex_);
  void follow() SPRINGG_EXCLUDES(refresh_mutex_);

  // flush.cpp
  Status flush_index(FlushedIndex& index, FlushAim aim, NewFiles& created, base::Executor& executor,
                     Progress* progress) SPRINGG_REQUIRES(flush_mutex_);
  Status save_part(const PartView& part, FlushedIndex& index, NewFiles& created)
      SPRINGG_REQUIRES(flush_mutex_);
  static void write_back(const FlushedIndex& one, storage::Manifest& next);
  // What the manifest has of an index that is not flushed stays known.
  void keep_saved(const IndexImpl& index, SavedSegments& saved) SPRINGG_REQUIRES(flush_mutex_)
      SPRINGG_EXCLUDES(catalog_mutex_);
  // Of the log, those that a flush may cut.
  std::uint64_t bytes_to_cut() const;
  Status publish_flush(const std::vector<FlushedIndex>& flushed, NewFiles& created)
      SPRINGG_REQUIRES(flush_mutex_) SPRINGG_EXCLUDES(catalog_mutex_);
  // Makes `next` the durable state; its generation is set here. On an error the old one stays.
  Status publish(storage::Manifest next) SPRINGG_REQUIRES(catalog_mutex_);
  void remove_files_of(const storage::IndexEntry& entry) noexcept;
  Status flush_and_remove_log() SPRINGG_EXCLUDES(flush_mutex_, catalog_mutex_);
  void remove_reserve() noexcept SPRINGG_EXCLUDES(reserve_mutex_);
  storage::Lsn last_lsn() const { return runtime_->log == nullptr ? 0 : runtime_->log->last_lsn(); }

  const std::string path_;
  const DatabaseOptions options_;
  io::FileSystem* const files_;
  const base::WallClock clock_;
  std::shared_ptr<Runtime> runtime_;
  std::unique_ptr<io::DirectoryLock> lock_;
  Salvage* salvage_ = nullptr;    // while the directory is being repaired
  std::uint64_t torn_bytes_ = 0;  // cut off the end of the log, by recover()

  // Read-only: what is shown, and who keeps it up to date.
  base::Mutex refresh_mutex_;
  std::unique_ptr<Replica> replica_ SPRINGG_GUARDED_BY(refresh_mutex_);
  std::atomic<storage::Lsn> replica_lsn_{0};
  std::atomic<bool> stale_{false};  // the last refresh failed
  // The replica has a manifest whose names are not shown yet.
  bool catalog_behind_ SPRINGG_GUARDED_BY(refresh_mutex_) = false;
  PeriodicThread follower_;

  base::Mutex flush_mutex_;
  SavedSegments saved_ SPRINGG_GUARDED_BY(flush_mutex_);

  // Segments that the log names, by its last record that does; those of running calls by the
  // greatest there is. Their files stay.
  base::Mutex files_mutex_;
  std::map<base::Uuid, storage::Lsn> logged_files_ SPRINGG_GUARDED_BY(files_mutex_);

  std::atomic<bool> checkpoint_asked_{false};
  std::atomic<std::uint64_t> log_floor_{0};  // bytes of the log that the last flush had to leave
  std::atomic<bool> closing_{false};         // background flushes end, and none begins
  std::atomic<bool> gone_{false};

  mutable base::Mutex error_mutex_;
  Status background_error_ SPRINGG_GUARDED_BY(error_mutex_);
  // Background flushes that failed, one after another, and when the next one may begin.
  int failed_flushes_ SPRINGG_GUARDED_BY(error_mutex_) = 0;
  std::chrono::steady_clock::time_point next_flush_ SPRINGG_GUARDED_BY(error_mutex_);

  // An open file with space and no content; null after it was used on a full disk.
  base::Mutex reserve_mutex_;
  std::unique_ptr<io::WritableFile> reserve_ SPRINGG_GUARDED_BY(reserve_mutex_);

  mutable base::Mutex catalog_mutex_;
  std::map<std::string, std::shared_ptr<IndexImpl>> indexes_ SPRINGG_GUARDED_BY(catalog_mutex_);
  storage::Manifest durable_ SPRINGG_GUARDED_BY(catalog_mutex_);
};

// What a set of changes on top of a segment's own rows is on disk.
storage::Delta make_delta(std::uint32_t rows, const Overlay& overlay);

// A database over a given file system, on its own: for tests.
Result<std::shared_ptr<Database>> open_in(io::FileSystem& files, const std::string& path,
                                          const DatabaseOptions& options,
                                          base::WallClock clock = &base::system_unix_ms,
                                          const Tuning& tuning = {});
// The same in memory.
Result<std::shared_ptr<Database>> open_in_memory(const DatabaseOptions& options,
                                                 const Tuning& tuning);

}  // namespace springg::engine
