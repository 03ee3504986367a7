// SPDX-License-Identifier: MIT
// Memory to disk: segments and deltas that are new, then the manifest that names them.
#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "base/seeded_bug.h"
#include "engine/database_core.h"

namespace springg::engine {

// One index as this flush writes it.
struct DatabaseCore::FlushedIndex {
  std::shared_ptr<IndexImpl> index;
  FrozenIndex frozen;
  std::vector<SavedSegment> segments;
  std::vector<std::pair<const Part*, std::shared_ptr<Part>>> mapped;  // memory -> file
};

// Files of a flush that nobody names yet: they go unless keep() is called.
class DatabaseCore::NewFiles {
 public:
  explicit NewFiles(const DatabaseCore& core) : core_(core) {}
  ~NewFiles() {
    for (const std::string& name : names_) {
      if_memory_allows([&] { static_cast<void>(core_.files_->remove(core_.file_path(name))); });
    }
  }
  NewFiles(const NewFiles&) = delete;
  NewFiles& operator=(const NewFiles&) = delete;

  void add(std::string name) { names_.push_back(std::move(name)); }
  bool empty() const noexcept { return names_.empty(); }
  void keep() noexcept { names_.clear(); }

 private:
  const DatabaseCore& core_;
  std::vector<std::string> names_;
};

storage::Delta make_delta(std::uint32_t rows, const Overlay& overlay) {
  storage::Delta delta;
  delta.rows = rows;
  const base::RowBits deleted = overlay.deleted();
  for (std::uint32_t row = 0; row < rows; ++row) {
    if (deleted.test(row)) delta.deleted.push_back(row);
  }
  overlay.for_each_patch([&](const MetadataPatch& patch) {
    std::optional<std::string> text;
    if (patch.text != nullptr) text = *patch.text;
    delta.metadata.emplace_back(patch.row, std::move(text));
  });
  return delta;
}

Status DatabaseCore::flush(FlushAim aim, base::Executor& executor, Progress* progress) {
  SPRINGG_RETURN_IF_ERROR(check_writable());
  base::MutexLock lock(flush_mutex_);
  Status status = flush_once(aim, executor, progress);
  // On a full disk what is kept in reserve may be enough, and cutting the log gives space back.
  if (status.code() == ErrorCode::kResourceExhausted && use_reserve()) {
    status = flush_once(aim, executor, progress);
    if (status.ok()) static_cast<void>(check_reserve());
  }
  return status;
}

namespace {

// A manifest that says otherwise could not be opened: whatever led to it, the one before stays.
Status check_order(const std::vector<PartView>& parts) {
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const std::uint64_t last = parts[i - 1].part->sequence(parts[i - 1].rows - 1);
    const std::uint64_t first = parts[i].part->sequence(0);
    if (first > last) continue;
    return {ErrorCode::kInternal, "segments to be written overlap: expected a sequence above " +
                                      std::to_string(last) + ", got " + std::to_string(first)};
  }
  return {};
}

}  // namespace

Status DatabaseCore::flush_once(FlushAim aim, base::Executor& executor, Progress* progress) {
  // A background flush that waited for the one of close(): there is nothing left to do.
  if (progress != nullptr && !progress->update(0, 0)) return {};
  if (runtime_->log != nullptr) SPRINGG_RETURN_IF_ERROR(runtime_->log->failure());
  NewFiles created(*this);
  std::vector<FlushedIndex> flushed;
  SavedSegments saved;
  Status damaged;  // the first
  for (const auto& index : indexes()) {
    // What cannot be read, of its segments or of its records in the log, stays as it is until it is
    // repaired; the others go on.
    FlushedIndex one;
    one.index = index;
    Status status;
    if (!index->refuses_writes()) status = flush_index(one, aim, created, executor, progress);
    if (index->refuses_writes() || status.code() == ErrorCode::kCorruption) {
      keep_saved(*index, saved);
      if (!status.ok()) index->keep_error(status);
      if (damaged.ok()) damaged = index->refuses_writes() ? index->refusal() : status;
      continue;
    }
    SPRINGG_RETURN_IF_ERROR(std::move(status));
    flushed.push_back(std::move(one));
  }
  if (files_ == nullptr) return damaged;
  for (const FlushedIndex& one : flushed) {
    for (const SavedSegment& segment : one.segments) {
      saved.insert_or_assign(segment.entry.uuid, segment);
    }
  }
  SPRINGG_RETURN_IF_ERROR(publish_flush(flushed, created));
  saved_.swap(saved);
  for (const FlushedIndex& one : flushed) {
    for (const auto& [before, mapped] : one.mapped) {
      // Left in memory, it is mapped by the next flush.
      if_memory_allows([&] { one.index->replace_with_mapped(before, mapped); });
    }
  }
  remove_garbage();
  log_floor_.store(runtime_->log->live_bytes());
  return damaged;
}

void DatabaseCore::keep_saved(const IndexImpl& index, SavedSegments& saved) {
  base::MutexLock lock(catalog_mutex_);
  for (const storage::IndexEntry& entry : durable_.indexes) {
    if (entry.uuid != index.uuid()) continue;
    for (const storage::SegmentEntry& segment : entry.segments) {
      const auto found = saved_.find(segment.uuid);
      if (found != saved_.end()) saved.insert(*found);
    }
  }
}

Status DatabaseCore::flush_index(FlushedIndex& flushed, FlushAim aim, NewFiles& created,
                                 base::Executor& executor, Progress* progress) {
  base::MutexLock jobs(flushed.index->jobs_mutex());
  SPRINGG_ASSIGN_OR_RETURN(flushed.frozen, flushed.index->freeze(aim, executor, progress));
  if (files_ == nullptr) return {};
  for (const PartView& part : flushed.frozen.view->parts) {
    SPRINGG_RETURN_IF_ERROR(save_part(part, flushed, created));
  }
  // Behind save_part(), which has asked whether all of them can be read.
  return check_order(flushed.frozen.view->parts);
}

Status DatabaseCore::save_part(const PartView& part, FlushedIndex& flushed, NewFiles& created) {
  const storage::Segment& segment = *part.part->segment()->storage();
  const auto known = saved_.find(segment.uuid());
  SavedSegment saved;
  if (known != saved_.end()) {
    saved = known->second;
  } else if (segment.mapped()) {  // a call wrote it, and the log named it
    saved.entry.uuid = segment.uuid();
    saved.entry.rows = segment.rows();
    saved.entry.file_bytes = segment.file_bytes();
  } else {
    created.add(storage::segment_file_name(segment.uuid()));
    SPRINGG_ASSIGN_OR_RETURN(saved.entry.file_bytes, segment.write(*files_, path_));
    saved.entry.uuid = segment.uuid();
    saved.entry.rows = segment.rows();
  }
  if (!segment.mapped()) {
    // Read back before anything depends on it; from then on the file stands for the memory.
    SPRINGG_ASSIGN_OR_RETURN(
        auto file, storage::open_segment(*files_, path_, segment.uuid(), saved.entry.file_bytes,
                                         storage::kCompareAll, runtime_->residency()));
    SPRINGG_ASSIGN_OR_RETURN(auto mapped, SegmentPart::open(std::move(file), runtime_->budget));
    flushed.mapped.emplace_back(part.part.get(), std::move(mapped));
  }
  SPRINGG_RETURN_IF_ERROR(segment.check_readable());
  if (saved.overlay != part.overlay) {
    saved.overlay = part.overlay;
    saved.entry.delta = base::Uuid::random();
    created.add(storage::delta_file_name(*saved.entry.delta));
    SPRINGG_RETURN_IF_ERROR(storage::write_delta(*files_, path_, *saved.entry.delta,
                                                 make_delta(segment.rows(), *part.overlay)));
  }
  flushed.segments.push_back(std::move(saved));
  return {};
}

// A mistake for tests: an index that was dropped while it was being written is there again.
void DatabaseCore::write_back(const FlushedIndex& one, storage::Manifest& next) {
  storage::IndexEntry entry;
  entry.uuid = one.index->uuid();
  entry.name = one.index->name();
  const auto at = std::lower_bound(
      next.indexes.begin(), next.indexes.end(), entry.name,
      [](const storage::IndexEntry& have, const std::string& name) { return have.name < name; });
  const bool known = std::any_of(next.indexes.begin(), next.indexes.end(), [&](const auto& have) {
    return have.uuid == entry.uuid || have.name == entry.name;
  });
  if (known) return;
  entry.options = one.index->options();
  entry.log_ref = one.frozen.log_ref;
  entry.lsn = one.frozen.lsn;
  entry.next_sequence = one.frozen.next_sequence;
  for (const SavedSegment& segment : one.segments) entry.segments.push_back(segment.entry);
  next.indexes.insert(at, std::move(entry));
}

Status DatabaseCore::publish_flush(const std::vector<FlushedIndex>& flushed, NewFiles& created) {
  if (!created.empty()) SPRINGG_RETURN_IF_ERROR(files_->sync_directory(path_));
  SPRINGG_RETURN_IF_ERROR(runtime_->log->sync());
  base::MutexLock lock(catalog_mutex_);
  storage::Manifest next = durable_;
  bool changed = false;
  for (const FlushedIndex& one : flushed) {
    for (storage::IndexEntry& entry : next.indexes) {
      // An index that was cleared or dropped since it was frozen keeps what that published.
      if (entry.uuid != one.index->uuid() || entry.log_ref != one.frozen.log_ref) continue;
      std::vector<storage::SegmentEntry> segments;
      segments.reserve(one.segments.size());
      for (const SavedSegment& segment : one.segments) segments.push_back(segment.entry);
      changed =
          changed || entry.segments != segments || entry.next_sequence != one.frozen.next_sequence;
      entry.segments = std::move(segments);
      entry.next_sequence = one.frozen.next_sequence;
      entry.lsn = std::max(entry.lsn, one.frozen.lsn);
    }
  }
  if constexpr (base::kSeededBug == base::kBugFlushOfDropped) {
    for (const FlushedIndex& one : flushed) write_back(one, next);
  }
  // With no index left, all there is in the log is void.
  next.lsn = runtime_->log->durable_lsn();
  for (const storage::IndexEntry& entry : next.indexes) next.lsn = std::min(next.lsn, entry.lsn);
  if constexpr (base::kSeededBug == base::kBugDropLogEarly) runtime_->log->remove_through(next.lsn);
  if (changed || next.lsn != durable_.lsn) {
    Status status = publish(std::move(next));
    // Files that a manifest on the disk may name must stay.
    if (!status.ok() && !runtime_->log->failure().ok()) created.keep();
    SPRINGG_RETURN_IF_ERROR(std::move(status));
  }
  created.keep();
  runtime_->log->remove_through(durable_.lsn);
  return {};
}

Status DatabaseCore::publish(storage::Manifest next) {
  next.generation = durable_.generation + 1;
  next.created_at_unix_ms = clock_();
  if (next.store.nil()) next.store = base::Uuid::random();
  if (files_ != nullptr) {
    const std::string path = file_path(storage::manifest_file_name(next.generation));
    const std::string before = file_path(storage::manifest_file_name(durable_.generation));
    SPRINGG_RETURN_IF_ERROR(runtime_->log->failure());
    // Everything before this change is as durable as the change will be.
    SPRINGG_RETURN_IF_ERROR(runtime_->log->sync());
    next.durable_lsn = runtime_->log->durable_lsn();
    Status status = guarded([&] { return storage::publish_manifest(*files_, path_, next); });
    if (!status.ok()) {
      // Somebody else's, who should not be here: it is not ours to remove.
      if (status.code() == ErrorCode::kAlreadyExists) return status;
      // Once it has its name, whether a power cut takes it is unknown, and no later sync tells: the
      // system may have dropped what it could not write. The next open goes by what it finds, so
      // nothing may be acknowledged that is void in one of the two.
      const auto there = guarded([&] { return files_->exists(path); });
      if (!there.ok() || there.value()) {
        runtime_->log->give_up(status);
        return runtime_->log->failure();
      }
      return status;
    }
    // The one before is of no use any more; left over, it is removed by the next open.
    if_memory_allows([&] { static_cast<void>(files_->remove(before)); });
  }
  durable_ = std::move(next);
  return {};
}

Result<std::shared_ptr<const storage::Segment>> DatabaseCore::write_file(
    const storage::Segment& segment) {
  if (files_ == nullptr) return std::shared_ptr<const storage::Segment>();
  {
    base::MutexLock lock(files_mutex_);
    logged_files_[segment.uuid()] = std::numeric_limits<storage::Lsn>::max();
  }
  const auto write = [&]() -> Result<std::shared_ptr<const storage::Segment>> {
    SPRINGG_ASSIGN_OR_RETURN(const std::uint64_t bytes, segment.write(*files_, path_));
    // What could not be read was written as zeros, and has the checksums of zeros.
    SPRINGG_RETURN_IF_ERROR(segment.check_readable());
    SPRINGG_RETURN_IF_ERROR(files_->sync_directory(path_));
    return storage::open_segment(*files_, path_, segment.uuid(), bytes, storage::kCompareAll,
                                 runtime_->residency());
  };
  auto written = guarded(write);
  if (!written.ok()) forget_file(segment.uuid());
  return written;
}

void DatabaseCore::keep_file(const base::Uuid& segment, storage::Lsn lsn) noexcept {
  base::MutexLock lock(files_mutex_);
  if (const auto found = logged_files_.find(segment); found != logged_files_.end()) {
    found->second = lsn;
  }
}

void DatabaseCore::forget_file(const base::Uuid& segment) noexcept {
  {
    base::MutexLock lock(files_mutex_);
    logged_files_.erase(segment);
  }
  // Left over, it is removed by the next flush.
  if_memory_allows(
      [&] { static_cast<void>(files_->remove(file_path(storage::segment_file_name(segment)))); });
}

// The manifest without these rows is durable: what the log has of them is void.
void DatabaseCore::remove_files_of(const storage::IndexEntry& entry) noexcept {
  if (files_ == nullptr) return;
  if_memory_allows([&] {
    for (const storage::SegmentEntry& segment : entry.segments) {
      static_cast<void>(files_->remove(file_path(storage::segment_file_name(segment.uuid))));
      if (!segment.delta.has_value()) continue;
      static_cast<void>(files_->remove(file_path(storage::delta_file_name(*segment.delta))));
    }
  });
}

}  // namespace springg::engine
