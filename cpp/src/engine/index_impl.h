// SPDX-License-Identifier: MIT
// The Index behind the public interface.
//
// Locks, in the order in which they may be taken:
//   jobs_mutex_    optimize, flush and clear, one at a time
//   write_mutex_   the active memtable, the next sequence, and who may replace which part
//   the log's, and those of the views and of what tune() chose, for the time of copying
// Readers take the last one only. Graphs are built, memtables made into segments, and the log
// waited for without write_mutex_: whoever holds it copies the rows of one call at most. (clear()
// publishes a manifest under it, and a bulk update() writes its segment.)
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/uuid.h"
#include "engine/compaction.h"
#include "engine/memtable.h"
#include "engine/merge_policy.h"
#include "engine/row_input.h"
#include "engine/runtime.h"
#include "engine/search.h"
#include "engine/segment_place.h"
#include "engine/view.h"
#include "engine/view_queue.h"
#include "springg/index.h"
#include "storage/log_records.h"
#include "storage/write_ahead_log.h"

namespace springg::engine {

class IndexImpl;

// What an index asks of the database that it belongs to.
class IndexHome : public SegmentHome {
 public:
  // Makes what tune() chose durable, then shows it. On an error nothing has changed.
  virtual Status publish_tuning(IndexImpl& index, const std::optional<SearchTuning>& tuning) = 0;
  // Makes "no rows" durable. Returns what the log calls the index from now on.
  virtual Result<std::uint32_t> publish_clear(const base::Uuid& index) = 0;
  // After a write: the log may be long enough to be cut.
  virtual void log_grew() noexcept = 0;
  // There is a segment in memory that takes the place of files: a flush gives both back.
  virtual void want_flush() noexcept = 0;

  // Before a write, without locks: flushes in the caller's time when the log is much longer than it
  // should be, because background work does not keep up.
  virtual Status make_log_room(Progress* progress) = 0;
  // The same when rows that memory alone holds take too much of the memory limit.
  virtual Status make_memory_room(Progress* progress) = 0;
  // The first error of a background flush that no call has returned yet.
  virtual Status take_background_error() = 0;
  // On a full disk. What frees space, as deletes do in the end, may use what is kept in reserve;
  // true when there is some now. All else must leave it: ok when there is a reserve, or again one.
  virtual bool use_reserve() noexcept = 0;
  virtual Status check_reserve() = 0;
};

// How an index begins: new, or as recovery found it.
struct IndexState {
  base::Uuid uuid;
  std::string name;
  IndexOptions options;
  std::uint32_t log_ref = 0;
  std::uint64_t next_sequence = 1;
  std::vector<PartView> parts;
  std::optional<SearchTuning> tuning;
};

// What a flush is for: that every row is in a segment on the disk, or also that none of these needs
// rewriting (merge_policy.h): those that do are written anew first.
enum class FlushAim { kRows, kRowsAndSpace };

// The state of an index at one moment with every row in a segment, for flush to write.
struct FrozenIndex {
  std::shared_ptr<const View> view;
  std::uint32_t log_ref = 0;
  storage::Lsn lsn = 0;  // the state holds the records up to here
  std::uint64_t next_sequence = 1;
};

// A segment that a call made of its rows.
struct BulkSegment {
  std::shared_ptr<SegmentPart> part;
  storage::LoggedSegment record;
};

// What every change of a database that was opened read-only returns.
Status read_only_error(const std::string& path);

// Maps a segment that the log names, its graph built anew when that is damaged.
using SegmentOpener =
    base::FunctionRef<Result<std::shared_ptr<SegmentPart>>(const storage::LoggedSegment&)>;

// Background work that failed, one time after another, is tried again later and later.
class Backoff {
 public:
  using Clock = std::chrono::steady_clock;

  void note(bool failed) noexcept {
    failures_ = failed ? failures_ + 1 : 0;
    next_ = Clock::now() + std::chrono::seconds(std::min(failures_ * failures_, kSecondsMax));
  }
  bool failing() const noexcept { return failures_ != 0; }
  bool due() const noexcept { return failures_ == 0 || Clock::now() >= next_; }

 private:
  static constexpr int kSecondsMax = 60;

  int failures_ = 0;
  Clock::time_point next_;
};

class IndexImpl final : public Index,
                        public BackgroundTask,
                        public std::enable_shared_from_this<IndexImpl> {
 public:
  // After a fork the child leaks it: its locks may be held by threads that are not there.
  static std::shared_ptr<IndexImpl> create(std::shared_ptr<Runtime> runtime, IndexHome& home,
                                           IndexState state);

  std::string name() const override;
  const IndexOptions& options() const override { return options_; }
  Result<std::size_t> rows() const override;
  Result<bool> contains(const IdView& id) const override;
  Result<std::size_t> add(const IdColumn& ids, const MatrixView& vectors,
                          const MetadataColumn* metadata, Progress* progress,
                          std::optional<Durability> durability) override;
  Result<std::size_t> upsert(const IdColumn& ids, const MatrixView& vectors,
                             const MetadataColumn* metadata, Progress* progress,
                             std::optional<Durability> durability) override;
  Result<std::size_t> update(const IdColumn& ids, const MatrixView* vectors,
                             const MetadataColumn* metadata, Progress* progress,
                             std::optional<Durability> durability) override;
  Result<std::size_t> remove(const IdColumn& ids, std::optional<Durability> durability) override;
  Status clear() override;
  Result<RecordBatch> get(const IdColumn& ids, Include include) const override;
  Result<SearchResult> search(const MatrixView& queries, const SearchOptions& options,
                              Progress* progress) const override;
  Result<std::shared_ptr<const IndexView>> view() const override;
  Status optimize(Progress* progress) override;
  Result<SearchTuning> tune(const MatrixView* queries, std::optional<double> recall, std::size_t k,
                            Progress* progress) override;
  Status wait_indexed() override;
  Result<IndexStats> stats() const override;

  // For the database, inside its own calls.
  const base::Uuid& uuid() const noexcept { return uuid_; }
  void rename(std::string name) noexcept SPRINGG_EXCLUDES(name_mutex_);
  std::optional<SearchTuning> tuning() const SPRINGG_EXCLUDES(tuning_mutex_);
  // What searches do from now on that name no ef.
  void show_tuning(const std::optional<SearchTuning>& tuning) noexcept
      SPRINGG_EXCLUDES(tuning_mutex_);
  // Of background work, for the next write to raise.
  void keep_error(Status status);
  // Calls on it fail from now on; its memory goes when the last reader is done.
  void drop() noexcept SPRINGG_EXCLUDES(write_mutex_);
  void let_go() noexcept SPRINGG_EXCLUDES(write_mutex_);  // memory at close
  base::Mutex& jobs_mutex() SPRINGG_RETURN_CAPABILITY(jobs_mutex_) { return jobs_mutex_; }
  // Makes segments of all memtables while writers go on: what they store from here on goes into
  // memtables behind those, and is not in the answer. Under jobs_mutex().
  Result<FrozenIndex> freeze(FlushAim aim, base::Executor& executor, Progress* progress)
      SPRINGG_REQUIRES(jobs_mutex_) SPRINGG_EXCLUDES(write_mutex_);
  // Puts the same rows, mapped from a file now, in the place of `before`.
  void replace_with_mapped(const Part* before, const std::shared_ptr<Part>& mapped)
      SPRINGG_EXCLUDES(write_mutex_);
  // What readers see.
  std::shared_ptr<const View> current() const { return views_.shown(); }
  IndexStats collect_stats() const;  // without background_error
  // What the next write will raise; it stays.
  std::string background_error() const;
  std::uint32_t log_ref() const noexcept { return log_ref_.load(); }

  // For recovery, before anybody else has the index: does again what the record says.
  Status replay(const storage::WalFrame& frame, const SegmentOpener& open)
      SPRINGG_EXCLUDES(write_mutex_);
  // The log was read up to `lsn`: that is what stats() tells, and the background may begin.
  void end_replay(storage::Lsn lsn) SPRINGG_EXCLUDES(write_mutex_);
  // Shows the state of `fresh` from now on, an index of the same options that was replayed for that
  // and that nobody else has.
  void take_state(IndexImpl& fresh) SPRINGG_EXCLUDES(write_mutex_);
  // From now on reads work and writes return this error.
  void refuse_writes(Status error) { refusal_ = std::move(error); }
  bool refuses_writes() const noexcept { return !refusal_.ok(); }
  const Status& refusal() const noexcept { return refusal_; }

  bool background_step(Progress& stop) override;

 private:
  enum class Mode { kAdd, kUpsert, kUpdate };

  IndexImpl(std::shared_ptr<Runtime> runtime, IndexHome& home, IndexState state);

  Status check_not_dropped() const;
  // First thing in every write: dropped, or failed in the background.
  Status check_writable() SPRINGG_REQUIRES(write_mutex_);
  // `nothing`: a view without rows.
  void show_nothing(std::shared_ptr<const View> nothing) noexcept SPRINGG_REQUIRES(write_mutex_);
  // index_commit.cpp
  // What a writer works on: the newest state, shown to readers or not.
  std::shared_ptr<const View> newest() const { return views_.newest(); }
  static ViewQueue::Node entry_of(std::shared_ptr<const View> view);
  // Where a write that readers may not see yet is in the log, and how far the log must be.
  struct Receipt {
    storage::Lsn lsn = 0;  // 0: there is no log
    storage::Lsn written = 0;
    storage::Lsn durable = 0;
  };
  // The record enters the log. On an error nothing has changed; after it the write must not fail.
  Result<Receipt> log(storage::WalType type, const storage::Payload& payload, Durability durability)
      SPRINGG_REQUIRES(write_mutex_);
  // For a write that had nothing to do, because of what may not be durable yet: what it found must
  // survive what was asked of it.
  Receipt receipt_of_all(Durability durability) SPRINGG_REQUIRES(write_mutex_);
  // The view of a write, by its receipt; or of a change that readers do not notice.
  void stage(ViewQueue::Node entry, storage::Lsn lsn) noexcept SPRINGG_REQUIRES(write_mutex_);
  void stage(std::shared_ptr<const View> view) SPRINGG_REQUIRES(write_mutex_);
  // Waits for the log, then shows the write.
  Status acknowledge(const Receipt& receipt) SPRINGG_EXCLUDES(write_mutex_);
  Durability level(std::optional<Durability> asked) const {
    return asked.value_or(runtime_->durability);
  }

  // index_write.cpp
  // For a call that needs so many bytes, after a flush where that makes room.
  Result<MemoryReservation> reserve_memory(std::uint64_t bytes, Progress* progress);
  Status wait_for_memory(std::uint64_t bytes, Progress* progress) const;
  // Of segments made of others.
  SegmentPlace place();
  Result<std::size_t> store(const RowInput& input, Mode mode, Durability durability,
                            Progress* progress);
  Result<std::size_t> store_in_memtable(const RowInput& input, Mode mode, Durability durability,
                                        Progress* progress) SPRINGG_EXCLUDES(write_mutex_);
  Status make_active(std::size_t rows) SPRINGG_REQUIRES(write_mutex_);
  storage::Payload staged_rows(std::uint32_t rows) SPRINGG_REQUIRES(write_mutex_);
  // Rows that are staged in the active memtable enter the log, and the newest view in the place of
  // the `old` ones.
  Result<Receipt> insert_staged(const View& before, const std::vector<std::optional<Location>>& old,
                                std::uint32_t rows, storage::WalType type,
                                const storage::Payload& payload, Durability durability)
      SPRINGG_REQUIRES(write_mutex_);
  Status find_old_rows(const RowInput& input, Mode mode, const View& view,
                       std::vector<std::optional<Location>>& old) const;
  Status stage_rows(const RowInput& input, Mode mode, const View& view,
                    const std::vector<std::optional<Location>>& old, Progress* progress)
      SPRINGG_REQUIRES(write_mutex_);
  Result<std::size_t> erase(const RowInput& input, Durability durability)
      SPRINGG_EXCLUDES(write_mutex_);
  Result<std::size_t> patch_metadata(const RowInput& input, Durability durability)
      SPRINGG_EXCLUDES(write_mutex_);

  // index_bulk.cpp
  Result<std::size_t> store_as_segment(const RowInput& input, Mode mode, Durability durability,
                                       Progress* progress) SPRINGG_EXCLUDES(write_mutex_);
  // The same rows in a file of their own instead of the log, then in the memtable.
  Result<std::size_t> store_beside_log(const RowInput& input, Mode mode, Durability durability,
                                       Progress* progress) SPRINGG_EXCLUDES(write_mutex_);
  class PendingBulk;
  std::uint64_t take_sequences(std::size_t rows) SPRINGG_REQUIRES(write_mutex_);
  Result<Receipt> insert_segment(const RowInput& input, Mode mode, Durability durability,
                                 const BulkSegment& bulk) SPRINGG_REQUIRES(write_mutex_);
  Result<Receipt> insert_from_segment(const RowInput& input, Mode mode, Durability durability,
                                      const BulkSegment& bulk) SPRINGG_REQUIRES(write_mutex_);

  // index_replay.cpp
  Status replay_rows(const storage::LoggedRows& rows) SPRINGG_REQUIRES(write_mutex_);
  Status replay_delete(const IdColumn& ids) SPRINGG_REQUIRES(write_mutex_);
  Status replay_metadata(const storage::LoggedMetadata& logged) SPRINGG_REQUIRES(write_mutex_);
  Status replay_segment(const storage::LoggedSegment& logged, const SegmentOpener& open)
      SPRINGG_REQUIRES(write_mutex_);
  // Rows of a segment, staged in the active memtable.
  Status stage_segment_rows(const storage::Segment& segment, std::uint64_t first_sequence)
      SPRINGG_REQUIRES(write_mutex_);

  // index_background.cpp
  // Before a write of `rows` rows: does the builder's work when it has fallen behind.
  Status make_room(std::size_t rows, Progress* progress) SPRINGG_EXCLUDES(write_mutex_);
  Status wait_for_graph(std::size_t rows, Progress* progress);
  // Until graphs have all rows of the view that are to be in one.
  Status cover(const View& view, Progress* progress);
  // Waits, at most 2 ms a row, while merges are far behind: writers then go no faster than merges.
  // Deletes, and calls that make segments, do not wait.
  Status slow_down(std::size_t rows, Progress* progress) SPRINGG_EXCLUDES(write_mutex_);
  std::chrono::microseconds merge_wait(std::size_t rows) SPRINGG_EXCLUDES(write_mutex_);
  void wake_builder() noexcept SPRINGG_REQUIRES(write_mutex_);
  std::optional<PartView> claim_sealed() SPRINGG_REQUIRES(write_mutex_);
  std::size_t sealed_waiting() SPRINGG_REQUIRES(write_mutex_);
  void release_claim(const Part* part) SPRINGG_REQUIRES(write_mutex_);
  bool is_claimed(const Part* part) const SPRINGG_REQUIRES(write_mutex_);
  bool is_merging(const Part* part) const SPRINGG_REQUIRES(write_mutex_);
  bool bulk_between(const PartView& left, const PartView& right) const
      SPRINGG_REQUIRES(write_mutex_);
  // Turns a claimed memtable into a segment and ends the claim.
  Status convert_claimed(const PartView& source, base::Executor& executor, Progress* progress)
      SPRINGG_EXCLUDES(write_mutex_);
  // Puts `made` in the place of `sources`, with what changed in those since they were read.
  void replace_parts(const std::vector<PartView>& sources, const Compacted& made)
      SPRINGG_REQUIRES(write_mutex_);
  Result<bool> extend_active(base::Executor& executor, Progress& stop);

  // index_merge.cpp
  // Segments that background work should make one of, entered into merging_; none: nothing to do.
  std::vector<PartView> claim_merge() SPRINGG_REQUIRES(write_mutex_);
  bool merge_due() SPRINGG_REQUIRES(write_mutex_);
  void wake_merger() noexcept SPRINGG_REQUIRES(write_mutex_);
  Result<bool> merge_step(base::Executor& executor, Progress& stop) SPRINGG_EXCLUDES(write_mutex_);
  // Merges them unless `stop` or somebody who needs the parts says stop.
  Status merge(const std::vector<PartView>& sources, base::Executor& executor, Progress& stop)
      SPRINGG_EXCLUDES(write_mutex_);
  std::vector<MergeCandidate> merge_candidates(const View& view) SPRINGG_REQUIRES(write_mutex_);
  // Whether background work has nothing to do, nor will have when the index is at rest.
  bool is_settled(const View& view) const;
  // Asks a running merge to stop, and waits for that.
  void stop_merging() SPRINGG_REQUIRES(write_mutex_);
  // After each change of rows: the index is not at rest, and is looked at again when it may be.
  void note_change() noexcept SPRINGG_REQUIRES(write_mutex_);
  // Asks the keeper to call look_for_rest() then, unless it has been asked already.
  void await_rest(BackgroundWorker::Clock::time_point when) noexcept SPRINGG_REQUIRES(write_mutex_);
  // Nobody has changed a spread index for Tuning::rest_ms: seals its memtable and wakes the merger.
  void look_for_rest() noexcept SPRINGG_EXCLUDES(write_mutex_);
  std::chrono::milliseconds rest_time() const {
    return std::chrono::milliseconds(runtime_->tuning.rest_ms);
  }
  std::uint64_t rest_rows_min() const { return runtime_->tuning.rest_rows_min; }
  std::optional<MergeRange> next_merge() SPRINGG_REQUIRES(write_mutex_);

  // index_optimize.cpp
  // Seals the active memtable and enters all parts into held_, so that nobody else replaces them.
  // Waits, without the lock, for those who are replacing some. Returns them.
  Result<std::vector<PartView>> seal_and_hold(Progress* progress)
      SPRINGG_REQUIRES(jobs_mutex_, write_mutex_);
  // All parts, held; none when there is nothing to do.
  Result<std::vector<PartView>> claim_everything(Progress* progress) SPRINGG_REQUIRES(jobs_mutex_)
      SPRINGG_EXCLUDES(write_mutex_);
  // Whether many rows of the segments that are being merged are deleted.
  bool is_rewriting() SPRINGG_REQUIRES(write_mutex_);
  // Parts from the returned number on may become one; the end when there are not two of them.
  std::size_t first_free_to_merge(const std::vector<PartView>& parts, std::size_t first) const
      SPRINGG_REQUIRES(write_mutex_);
  // Segments in the place of memtables, here and in the view; the parts from `alone` on become one.
  // `parts` are all parts, held.
  Status convert_held(std::vector<PartView>& parts, std::size_t alone, base::Executor& executor,
                      Progress* progress) SPRINGG_EXCLUDES(write_mutex_);
  // Those of `parts` whose deleted rows take too much room, written anew.
  Status rewrite_held(std::vector<PartView>& parts, base::Executor& executor, Progress* progress)
      SPRINGG_EXCLUDES(write_mutex_);
  // One memtable, or parts to be merged. Returns the segment as the sources were: without what
  // changed in them meanwhile, which the view has.
  Result<PartView> replace_held(const std::vector<PartView>& sources, base::Executor& executor,
                                Progress* progress) SPRINGG_EXCLUDES(write_mutex_);

  const std::shared_ptr<Runtime> runtime_;
  IndexHome& home_;
  const std::shared_ptr<const View> last_view_;  // without rows: ending must not need memory
  const base::Uuid uuid_;
  const IndexOptions options_;
  std::atomic<std::uint32_t> log_ref_;
  std::atomic<bool> dropped_{false};
  std::atomic<bool> builder_awake_{false};

  mutable base::Mutex name_mutex_;
  std::string name_ SPRINGG_GUARDED_BY(name_mutex_);

  // Of tuning_, what searches read.
  std::atomic<DefaultEf> default_ef_;
  static_assert(std::atomic<DefaultEf>::is_always_lock_free);
  mutable base::Mutex tuning_mutex_;
  std::optional<SearchTuning> tuning_ SPRINGG_GUARDED_BY(tuning_mutex_);

  base::Mutex jobs_mutex_;
  base::Mutex write_mutex_;
  base::CondVar claims_changed_;
  std::shared_ptr<Memtable> active_ SPRINGG_GUARDED_BY(write_mutex_);  // null: none yet
  std::uint64_t next_sequence_ SPRINGG_GUARDED_BY(write_mutex_) = 1;
  // Parts that someone is replacing: sealed memtables one by one, and what optimize() or flush()
  // works on.
  std::vector<const Part*> claimed_ SPRINGG_GUARDED_BY(write_mutex_);
  std::vector<const Part*> held_ SPRINGG_GUARDED_BY(write_mutex_);
  bool claims_paused_ SPRINGG_GUARDED_BY(write_mutex_) = false;
  // Segments that background work makes one of. Unlike those above a flush does not wait for them:
  // it writes them as they were, and the merged one next time. But kRowsAndSpace stops the merge
  // when one of them needs rewriting, and does that itself.
  std::vector<const Part*> merging_ SPRINGG_GUARDED_BY(write_mutex_);
  Backoff merges_ SPRINGG_GUARDED_BY(write_mutex_);
  Backoff conversions_ SPRINGG_GUARDED_BY(write_mutex_);  // of sealed memtables in the background
  // First sequences of bulk calls whose segments are being made. Parts on both sides of one must
  // not become one part: it could not have its place between them, and sequences would not ascend.
  std::vector<std::uint64_t> pending_bulks_ SPRINGG_GUARDED_BY(write_mutex_);
  std::atomic<bool> merge_unwanted_{false};
  // The index as the task of another thread than the builder's.
  class Merger final : public BackgroundTask {
   public:
    explicit Merger(IndexImpl& index) : index_(index) {}
    bool background_step(Progress& stop) override;

   private:
    IndexImpl& index_;
  };
  Merger merger_{*this};
  std::atomic<bool> merger_awake_{false};
  class Rester final : public BackgroundTask {
   public:
    explicit Rester(IndexImpl& index) : index_(index) {}
    bool background_step(Progress& stop) override;

   private:
    IndexImpl& index_;
  };
  Rester rester_{*this};
  bool rest_awaited_ SPRINGG_GUARDED_BY(write_mutex_) = false;
  bool at_rest_ SPRINGG_GUARDED_BY(write_mutex_) = false;
  BackgroundWorker::Clock::time_point last_change_ SPRINGG_GUARDED_BY(write_mutex_);

  storage::Lsn last_lsn_ SPRINGG_GUARDED_BY(write_mutex_) = 0;  // of the newest view
  // The last records that were asked to be written, and durable.
  storage::Lsn written_lsn_ SPRINGG_GUARDED_BY(write_mutex_) = 0;
  storage::Lsn durable_lsn_ SPRINGG_GUARDED_BY(write_mutex_) = 0;
  // Of every write; ok: none. Set before anybody else has the index.
  Status refusal_;

  ViewQueue views_;

  mutable base::Mutex error_mutex_;
  mutable Status background_error_ SPRINGG_GUARDED_BY(error_mutex_);
};

}  // namespace springg::engine
