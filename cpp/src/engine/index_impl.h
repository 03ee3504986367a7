// SPDX-License-Identifier: MIT
// The Index behind the public interface.
//
// Locks, in the order in which they may be taken:
//   jobs_mutex_    optimize, flush and clear, one at a time
//   write_mutex_   the active memtable, the next sequence, and who may replace which part
//   view_mutex_    the pointer to the current view, for the time of copying it
// Readers take the last one only. Graphs are built, and memtables made into segments, without
// write_mutex_: whoever holds it copies the rows of one call at most. (clear() publishes a manifest
// under it.)
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/uuid.h"
#include "engine/compaction.h"
#include "engine/memtable.h"
#include "engine/row_input.h"
#include "engine/runtime.h"
#include "engine/view.h"
#include "springg/index.h"

namespace springg::engine {

// What an index asks of the database that it belongs to.
class IndexHome {
 public:
  virtual ~IndexHome() = default;
  // Makes "no rows, this incarnation" durable.
  virtual Status publish_clear(const base::Uuid& index, std::uint64_t incarnation) = 0;
};

// How an index begins: new, or as recovery found it.
struct IndexState {
  base::Uuid uuid;
  std::string name;
  IndexOptions options;
  std::uint64_t incarnation = 0;
  std::uint64_t next_sequence = 1;
  std::vector<PartView> parts;
};

// The state of an index at one moment with every row in a segment, for flush to write.
struct FrozenIndex {
  std::shared_ptr<const View> view;
  std::uint64_t incarnation = 0;
  std::uint64_t next_sequence = 1;
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
                          const MetadataColumn* metadata, Progress* progress) override;
  Result<std::size_t> upsert(const IdColumn& ids, const MatrixView& vectors,
                             const MetadataColumn* metadata, Progress* progress) override;
  Result<std::size_t> update(const IdColumn& ids, const MatrixView* vectors,
                             const MetadataColumn* metadata, Progress* progress) override;
  Result<std::size_t> remove(const IdColumn& ids) override;
  Status clear() override;
  Result<RecordBatch> get(const IdColumn& ids, Include include) const override;
  Result<SearchResult> search(const MatrixView& queries, const SearchOptions& options,
                              Progress* progress) const override;
  Result<std::shared_ptr<const IndexView>> view() const override;
  Status optimize(Progress* progress) override;
  Status wait_indexed() override;
  Result<IndexStats> stats() const override;

  // For the database, inside its own calls.
  const base::Uuid& uuid() const noexcept { return uuid_; }
  void rename(const std::string& name) SPRINGG_EXCLUDES(name_mutex_);
  // Calls on it fail from now on; its memory goes when the last reader is done.
  void drop() SPRINGG_EXCLUDES(write_mutex_);
  void let_go() SPRINGG_EXCLUDES(write_mutex_);  // memory at close
  base::Mutex& jobs_mutex() SPRINGG_RETURN_CAPABILITY(jobs_mutex_) { return jobs_mutex_; }
  // Makes segments of all memtables while writers go on: what they store from here on goes into
  // memtables behind those, and is not in the answer. Under jobs_mutex().
  Result<FrozenIndex> freeze(Progress* progress) SPRINGG_REQUIRES(jobs_mutex_)
      SPRINGG_EXCLUDES(write_mutex_);
  // Puts the same rows, mapped from a file now, in the place of `before`.
  void replace_with_mapped(const Part* before, const std::shared_ptr<Part>& mapped)
      SPRINGG_EXCLUDES(write_mutex_);
  std::shared_ptr<const View> current() const SPRINGG_EXCLUDES(view_mutex_);
  IndexStats collect_stats(bool take_error) const;
  std::uint64_t incarnation() const noexcept { return incarnation_.load(); }

  bool background_step(Progress& stop) override;

 private:
  enum class Mode { kAdd, kUpsert, kUpdate };

  IndexImpl(std::shared_ptr<Runtime> runtime, IndexHome& home, IndexState state);

  Status check_not_dropped() const;
  // First thing in every write: dropped, or failed in the background.
  Status check_writable() SPRINGG_REQUIRES(write_mutex_);
  void publish(std::shared_ptr<const View> view) SPRINGG_REQUIRES(write_mutex_);

  // index_write.cpp
  Result<std::size_t> store(const RowInput& input, Mode mode, Progress* progress);
  Result<std::size_t> store_in_memtable(const RowInput& input, Mode mode, Progress* progress)
      SPRINGG_EXCLUDES(write_mutex_);
  Status find_old_rows(const RowInput& input, Mode mode, const View& view,
                       std::vector<std::optional<Location>>& old) const;
  Status stage_rows(const RowInput& input, Mode mode, const View& view,
                    const std::vector<std::optional<Location>>& old, Progress* progress)
      SPRINGG_REQUIRES(write_mutex_);
  Result<std::size_t> patch_metadata(const RowInput& input) SPRINGG_EXCLUDES(write_mutex_);

  // index_bulk.cpp
  Result<std::size_t> store_as_segment(const RowInput& input, Mode mode, Progress* progress)
      SPRINGG_EXCLUDES(write_mutex_);
  Result<std::size_t> publish_segment(const RowInput& input, Mode mode,
                                      storage::SegmentBuilder& builder)
      SPRINGG_REQUIRES(write_mutex_);

  // index_background.cpp
  // Before a write of `rows` rows: does the builder's work when it has fallen behind.
  Status make_room(std::size_t rows, Progress* progress) SPRINGG_EXCLUDES(write_mutex_);
  Status wait_for_graph(std::size_t rows, Progress* progress);
  void wake_builder() SPRINGG_REQUIRES(write_mutex_);
  std::optional<PartView> claim_sealed() SPRINGG_REQUIRES(write_mutex_);
  std::size_t sealed_waiting() SPRINGG_REQUIRES(write_mutex_);
  void release_claim(const Part* part) SPRINGG_REQUIRES(write_mutex_);
  bool is_claimed(const Part* part) const SPRINGG_REQUIRES(write_mutex_);
  // Turns a claimed memtable into a segment and ends the claim.
  Status convert_claimed(const PartView& source, base::Executor& executor, Progress* progress)
      SPRINGG_EXCLUDES(write_mutex_);
  // Puts `made` in the place of `sources`, with what changed in those since they were read.
  void replace_parts(const std::vector<PartView>& sources, const Compacted& made)
      SPRINGG_REQUIRES(write_mutex_);
  Result<bool> extend_active(base::Executor& executor, Progress& stop);
  void keep_error(Status status);

  // index_optimize.cpp
  // Seals the active memtable and enters all parts into held_, so that nobody else replaces them.
  // Waits, without the lock, for those who are replacing some.
  Status seal_and_hold(Progress* progress) SPRINGG_REQUIRES(jobs_mutex_, write_mutex_);
  // All parts, held; none when there is nothing to do.
  Result<std::vector<PartView>> claim_everything(Progress* progress) SPRINGG_REQUIRES(jobs_mutex_)
      SPRINGG_EXCLUDES(write_mutex_);
  // Segments in the place of memtables, here and in the view. `parts` are all parts, held.
  Status convert_held(std::vector<PartView>& parts, Progress* progress)
      SPRINGG_EXCLUDES(write_mutex_);
  // One memtable, or parts to be merged. Returns the segment as the sources were: without what
  // changed in them meanwhile, which the view has.
  Result<PartView> replace_held(const std::vector<PartView>& sources, Progress* progress)
      SPRINGG_EXCLUDES(write_mutex_);

  const std::shared_ptr<Runtime> runtime_;
  IndexHome& home_;
  const base::Uuid uuid_;
  const IndexOptions options_;
  std::atomic<std::uint64_t> incarnation_;
  std::atomic<bool> dropped_{false};
  std::atomic<bool> builder_awake_{false};

  mutable base::Mutex name_mutex_;
  std::string name_ SPRINGG_GUARDED_BY(name_mutex_);

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

  mutable base::Mutex view_mutex_;
  std::shared_ptr<const View> view_ SPRINGG_GUARDED_BY(view_mutex_);

  mutable base::Mutex error_mutex_;
  mutable Status background_error_ SPRINGG_GUARDED_BY(error_mutex_);
};

}  // namespace springg::engine
