// SPDX-License-Identifier: MIT
// The catalogue of indexes, and the life of a database.
#include "engine/database_core.h"

#include <algorithm>
#include <utility>

#include "engine/poller.h"
#include "engine/spelling.h"
#include "kernels/dispatch.h"
#include "springg/cpu.h"

namespace springg::engine {

namespace {

constexpr int kRetrySecondsMax = 60;  // between background flushes that fail

std::string describe(const IndexOptions& options) {
  return std::to_string(options.dimensions) + " dimensions, " +
         std::string(to_string(options.metric)) + ", " + std::string(to_string(options.dtype)) +
         ", quantization " + std::string(to_string(options.quantization)) + ", m " +
         std::to_string(options.m) + ", ef_construction " +
         std::to_string(options.ef_construction) + ", seed " + std::to_string(options.seed);
}

void insert_by_name(std::vector<storage::IndexEntry>& entries, storage::IndexEntry entry) {
  const auto at = std::lower_bound(
      entries.begin(), entries.end(), entry.name,
      [](const storage::IndexEntry& have, const std::string& name) { return have.name < name; });
  entries.insert(at, std::move(entry));
}

auto find_entry(std::vector<storage::IndexEntry>& entries, const base::Uuid& uuid) {
  return std::find_if(entries.begin(), entries.end(),
                      [&](const storage::IndexEntry& entry) { return entry.uuid == uuid; });
}

}  // namespace

DatabaseCore::DatabaseCore(std::string path, const DatabaseOptions& options, io::FileSystem* files,
                           base::WallClock clock, const Tuning& tuning, unsigned threads)
    : path_(std::move(path)),
      options_(options),
      files_(files),
      clock_(clock),
      runtime_(std::make_shared<Runtime>(options, tuning, threads)) {}

Result<std::shared_ptr<DatabaseCore>> DatabaseCore::open(std::string path,
                                                         const DatabaseOptions& options,
                                                         io::FileSystem* files,
                                                         base::WallClock clock,
                                                         const Tuning& tuning, Salvage* salvage) {
  SPRINGG_RETURN_IF_ERROR(kernels::check_forced_isa());
  const unsigned threads = options.threads == 0 ? usable_processors() : options.threads;
  std::shared_ptr<DatabaseCore> core(
      new DatabaseCore(std::move(path), options, files, clock, tuning, threads));
  if (files == nullptr) return core;
  core->salvage_ = salvage;
  if (options.read_only) {
    SPRINGG_RETURN_IF_ERROR(core->open_read_only());
    return core;
  }
  SPRINGG_RETURN_IF_ERROR(files->create_directories(core->path_));
  SPRINGG_ASSIGN_OR_RETURN(core->lock_, files->lock_directory(core->path_));
  SPRINGG_RETURN_IF_ERROR(core->recover());
  core->salvage_ = nullptr;
  return core;
}

std::vector<std::shared_ptr<IndexImpl>> DatabaseCore::indexes() const {
  base::MutexLock lock(catalog_mutex_);
  std::vector<std::shared_ptr<IndexImpl>> all;
  all.reserve(indexes_.size());
  for (const auto& entry : indexes_) all.push_back(entry.second);
  return all;
}

std::vector<std::string> DatabaseCore::index_names() const {
  base::MutexLock lock(catalog_mutex_);
  std::vector<std::string> names;
  names.reserve(indexes_.size());
  for (const auto& entry : indexes_) names.push_back(entry.first);
  return names;
}

Status DatabaseCore::missing_index(const std::string& name) const {
  std::vector<std::string> names;
  names.reserve(indexes_.size());
  for (const auto& entry : indexes_) names.push_back(entry.first);
  std::string message = "no index '" + name + "'";
  const std::vector<std::string> near = near_spellings(name, names);
  for (std::size_t i = 0; i < near.size(); ++i) {
    message += (i == 0 ? "; did you mean '" : " or '") + near[i] + "'";
  }
  return not_found(near.empty() ? message : message + "?").with("index", name);
}

Result<std::shared_ptr<Index>> DatabaseCore::index(const std::string& name) const {
  base::MutexLock lock(catalog_mutex_);
  const auto found = indexes_.find(name);
  if (found == indexes_.end()) return missing_index(name);
  return std::shared_ptr<Index>(found->second);
}

Result<std::shared_ptr<Index>> DatabaseCore::create_index(const std::string& name,
                                                          const IndexOptions& options,
                                                          bool exist_ok) {
  SPRINGG_RETURN_IF_ERROR(check_writable());
  SPRINGG_RETURN_IF_ERROR(check_index_name(name));
  SPRINGG_RETURN_IF_ERROR(check_index_options(options));
  base::MutexLock lock(catalog_mutex_);
  if (const auto found = indexes_.find(name); found != indexes_.end()) {
    const IndexOptions& have = found->second->options();
    if (exist_ok && have == options) return std::shared_ptr<Index>(found->second);
    std::string message = "index '" + name + "' already exists";
    if (have != options) {
      message +=
          " with other settings: it has " + describe(have) + "; asked for " + describe(options);
    }
    return already_exists(std::move(message)).with("index", name);
  }
  if (indexes_.size() >= limits::kIndexesMax) {
    return resource_exhausted("too many indexes: the limit is " +
                              std::to_string(limits::kIndexesMax));
  }
  IndexState state;
  state.uuid = base::Uuid::random();
  state.name = name;
  state.options = options;
  storage::Manifest next = durable_;
  storage::IndexEntry entry;
  entry.name = name;
  entry.uuid = state.uuid;
  entry.options = options;
  entry.log_ref = state.log_ref = next.next_log_ref++;
  entry.lsn = last_lsn();
  insert_by_name(next.indexes, std::move(entry));
  // Made before it is published: nothing may fail after that.
  auto index = IndexImpl::create(runtime_, *this, std::move(state));
  decltype(indexes_) made{{name, index}};
  SPRINGG_RETURN_IF_ERROR(publish(std::move(next)));
  indexes_.merge(made);
  return std::shared_ptr<Index>(std::move(index));
}

Status DatabaseCore::drop_index(const std::string& name) {
  SPRINGG_RETURN_IF_ERROR(check_writable());
  std::shared_ptr<IndexImpl> dropped;
  storage::IndexEntry entry;
  {
    base::MutexLock lock(catalog_mutex_);
    const auto found = indexes_.find(name);
    if (found == indexes_.end()) return missing_index(name);
    storage::Manifest next = durable_;
    const auto at = find_entry(next.indexes, found->second->uuid());
    entry = std::move(*at);
    next.indexes.erase(at);
    SPRINGG_RETURN_IF_ERROR(publish(std::move(next)));
    dropped = std::move(found->second);
    indexes_.erase(found);
  }
  dropped->drop();
  remove_files_of(entry);
  return {};
}

Status DatabaseCore::rename_index(const std::string& from, const std::string& to) {
  SPRINGG_RETURN_IF_ERROR(check_writable());
  SPRINGG_RETURN_IF_ERROR(check_index_name(to));
  base::MutexLock lock(catalog_mutex_);
  const auto found = indexes_.find(from);
  if (found == indexes_.end()) return missing_index(from);
  if (from == to) return {};
  if (indexes_.contains(to)) {
    return already_exists("index '" + to + "' already exists").with("index", to);
  }
  storage::Manifest next = durable_;
  const auto at = find_entry(next.indexes, found->second->uuid());
  storage::IndexEntry entry = std::move(*at);
  next.indexes.erase(at);
  entry.name = to;
  insert_by_name(next.indexes, std::move(entry));
  // Nothing may fail once it is published.
  std::string name = to;
  std::string key = to;
  SPRINGG_RETURN_IF_ERROR(publish(std::move(next)));
  found->second->rename(std::move(name));
  auto renamed = indexes_.extract(found);
  renamed.key() = std::move(key);
  indexes_.insert(std::move(renamed));
  return {};
}

Result<std::uint32_t> DatabaseCore::publish_clear(const base::Uuid& index) {
  storage::IndexEntry entry;
  std::uint32_t log_ref = 0;
  {
    base::MutexLock lock(catalog_mutex_);
    storage::Manifest next = durable_;
    const auto at = find_entry(next.indexes, index);
    if (at == next.indexes.end()) return failed_precondition("the index was dropped");
    entry = *at;
    at->segments.clear();
    at->log_ref = log_ref = next.next_log_ref++;
    at->lsn = last_lsn();
    SPRINGG_RETURN_IF_ERROR(publish(std::move(next)));
  }
  remove_files_of(entry);
  return log_ref;
}

Status DatabaseCore::publish_tuning(IndexImpl& index, const std::optional<SearchTuning>& tuning) {
  base::MutexLock lock(catalog_mutex_);
  storage::Manifest next = durable_;
  const auto at = find_entry(next.indexes, index.uuid());
  if (at == next.indexes.end()) return failed_precondition("the index was dropped");
  at->tuning = tuning;
  SPRINGG_RETURN_IF_ERROR(publish(std::move(next)));
  // Under the lock: of two calls the later one is shown and kept.
  index.show_tuning(tuning);
  return {};
}

std::map<std::string, std::uint64_t> DatabaseCore::memory_usage() const {
  IndexStats sum;
  for (const auto& index : indexes()) {
    const IndexStats one = index->collect_stats();
    sum.vector_bytes += one.vector_bytes;
    sum.graph_bytes += one.graph_bytes;
    sum.code_bytes += one.code_bytes;
    sum.id_bytes += one.id_bytes;
    sum.metadata_bytes += one.metadata_bytes;
    sum.other_bytes += one.other_bytes;
  }
  return {{"vectors", sum.vector_bytes},
          {"graphs", sum.graph_bytes},
          {"codes", sum.code_bytes},
          {"ids", sum.id_bytes},
          {"metadata", sum.metadata_bytes},
          {"other", sum.other_bytes},
          {"mapped", runtime_->budget->mapped()},
          {"counted", runtime_->budget->used()},
          {"total", sum.vector_bytes + sum.graph_bytes + sum.code_bytes + sum.id_bytes +
                        sum.metadata_bytes + sum.other_bytes}};
}

std::map<std::string, std::uint64_t> DatabaseCore::stats() const {
  std::map<std::string, std::uint64_t> sum{{"rows", 0},           {"deleted_rows", 0},
                                           {"segments", 0},       {"memtable_rows", 0},
                                           {"unindexed_rows", 0}, {"last_sequence", 0}};
  const auto all = indexes();
  sum["indexes"] = all.size();
  for (const auto& index : all) {
    const IndexStats one = index->collect_stats();
    sum["rows"] += one.rows;
    sum["deleted_rows"] += one.deleted_rows;
    sum["segments"] += one.segments;
    sum["memtable_rows"] += one.memtable_rows;
    sum["unindexed_rows"] += one.unindexed_rows;
    sum["last_sequence"] = std::max(sum["last_sequence"], one.last_sequence);
  }
  if (const storage::WriteAheadLog* log = runtime_->log.get(); log != nullptr) {
    sum["last_lsn"] = log->last_lsn();
    sum["durable_lsn"] = log->durable_lsn();
    sum["log_bytes"] = log->live_bytes();
    sum["torn_bytes"] = torn_bytes_;
  } else if (options_.read_only) {
    sum["last_lsn"] = replica_lsn_.load();
    sum["stale"] = stale_.load() ? 1 : 0;
  }
  base::MutexLock lock(catalog_mutex_);
  sum["generation"] = durable_.generation;
  return sum;
}

Status DatabaseCore::sync() {
  SPRINGG_RETURN_IF_ERROR(check_writable());
  return runtime_->log == nullptr ? Status() : runtime_->log->sync();
}

void DatabaseCore::log_grew() noexcept {
  if (bytes_to_cut() > options_.log_bytes_max) want_flush();
}

void DatabaseCore::want_flush() noexcept {
  if (files_ == nullptr) return;
  {
    base::MutexLock lock(error_mutex_);
    if (failed_flushes_ != 0 && std::chrono::steady_clock::now() < next_flush_) return;
  }
  if (checkpoint_asked_.exchange(true)) return;
  // Without memory or a thread for it now: the next write asks again.
  if (!runtime_->keeper.add(weak_from_this())) checkpoint_asked_.store(false);
}

bool DatabaseCore::background_step(Progress& stop) {
  checkpoint_asked_.store(false);
  base::InlineExecutor executor;
  StopEither either(stop, closing_);
  Status status = guarded([&] { return flush(FlushAim::kRows, executor, &either); });
  // Of one index, which keeps it; the others were flushed.
  if (status.code() == ErrorCode::kCorruption) status = Status();
  base::MutexLock lock(error_mutex_);
  failed_flushes_ = status.ok() ? 0 : failed_flushes_ + 1;
  // Stopped because the database closes: that flushes as well.
  if (status.ok() || !either.update(0, 0)) return false;
  next_flush_ = std::chrono::steady_clock::now() +
                std::chrono::seconds(std::min(failed_flushes_ * failed_flushes_, kRetrySecondsMax));
  if (background_error_.ok()) background_error_ = std::move(status);
  return false;
}

Status DatabaseCore::take_background_error() {
  base::MutexLock lock(error_mutex_);
  return std::exchange(background_error_, Status());
}

std::string DatabaseCore::background_error() const {
  {
    base::MutexLock lock(error_mutex_);
    if (!background_error_.ok()) return background_error_.message();
  }
  for (const auto& index : indexes()) {
    if (std::string error = index->background_error(); !error.empty()) return error;
  }
  return {};
}

bool DatabaseCore::any_index_damaged() const {
  const auto all = indexes();
  return std::any_of(all.begin(), all.end(),
                     [](const auto& index) { return index->refuses_writes(); });
}

Status DatabaseCore::make_log_room(Progress* progress) {
  const storage::WriteAheadLog* const log = runtime_->log.get();
  if (log == nullptr || bytes_to_cut() / 2 <= options_.log_bytes_max) return {};
  return make_memory_room(progress);
}

Status DatabaseCore::make_memory_room(Progress* progress) {
  Status status = flush(FlushAim::kRows, runtime_->pool, progress);
  // That of another index, which says so itself; the others were flushed.
  if (status.code() == ErrorCode::kCorruption) status = Status();
  if (status.ok()) runtime_->budget->note_flushed();
  return status;
}

std::unique_ptr<io::ScratchMemory> DatabaseCore::make_scratch(std::uint64_t bytes) {
  if (files_ == nullptr) return nullptr;
  auto scratch = files_->make_scratch(path_, bytes);
  return scratch.ok() ? std::move(scratch).value() : nullptr;
}

std::uint64_t DatabaseCore::bytes_to_cut() const {
  const std::uint64_t bytes = runtime_->log->live_bytes();
  return bytes - std::min(bytes, log_floor_.load(std::memory_order_relaxed));
}

Status DatabaseCore::flush_and_remove_log() {
  SPRINGG_RETURN_IF_ERROR(flush(FlushAim::kRows));
  // What a damaged index has in the log must not go: it is not in its segments.
  if (!any_index_damaged()) runtime_->log->close_and_remove();
  return {};
}

Status DatabaseCore::close() {
  runtime_->gate.shut();
  closing_.store(true);
  bool final = false;  // an error that staying open does not mend
  Status status;
  if (files_ != nullptr && !options_.read_only) {
    status = guarded([&]() -> Status {
      Status failure = runtime_->log->failure();
      final = !failure.ok();
      // A log that has failed can only be read again: what it holds is found by the next open.
      if (final) return failure;
      return flush_and_remove_log();
    });
    // All else was flushed; the log stays, with what a damaged index has in it.
    final = final || status.code() == ErrorCode::kCorruption;
    if (!status.ok() && !final) {
      closing_.store(false);
      runtime_->gate.reopen();
      return status;
    }
  }
  abandon();
  return status;
}

void DatabaseCore::abandon() {
  runtime_->gate.shut();
  follower_.stop();
  runtime_->keeper.stop();
  runtime_->builder.stop();
  runtime_->pool.stop();
  runtime_->log.reset();
  remove_reserve();
  gone_.store(true);
  decltype(indexes_) all;
  {
    base::MutexLock lock(catalog_mutex_);
    all.swap(indexes_);
  }
  for (const auto& entry : all) entry.second->let_go();
  {
    base::MutexLock lock(flush_mutex_);
    saved_.clear();
  }
  {
    base::MutexLock lock(refresh_mutex_);
    replica_.reset();
  }
  lock_.reset();
}

}  // namespace springg::engine
