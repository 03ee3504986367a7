// SPDX-License-Identifier: MIT
// Handles on databases, and the register of those that are open in this process.
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "engine/database_core.h"

namespace springg::engine {

namespace {

std::string bytes_text(const std::optional<std::uint64_t>& bytes) {
  return bytes.has_value() ? std::to_string(*bytes) + " bytes" : "none";
}

// "threads 1, asked for 2; ..."
std::string differences(const DatabaseOptions& have, const DatabaseOptions& asked) {
  std::string text;
  const auto add = [&](const char* what, const std::string& before, const std::string& now) {
    if (before == now) return;
    if (!text.empty()) text += "; ";
    text += std::string(what) + " " + before + ", asked for " + now;
  };
  add("threads", std::to_string(have.threads), std::to_string(asked.threads));
  add("memory limit", bytes_text(have.memory_limit_bytes), bytes_text(asked.memory_limit_bytes));
  add("durability", std::string(to_string(have.durability)),
      std::string(to_string(asked.durability)));
  add("log bytes", std::to_string(have.log_bytes_max), std::to_string(asked.log_bytes_max));
  return text;
}

// Directories that are open here, so that opening one twice gives one database. One that is open
// for writing may be open read-only beside that, as in another process.
class Register {
 public:
  struct Entry {
    std::shared_ptr<DatabaseCore> core;
    int handles = 0;  // 0: it is being closed, and whoever does that decides what comes next
  };

  static Register& instance();

  // Waits while the database is being closed: its directory is free only after that.
  Result<std::shared_ptr<DatabaseCore>> open(const std::string& path,
                                             const DatabaseOptions& options)
      SPRINGG_EXCLUDES(mutex_);
  // Closes the database with its last handle. On an error the handle counts as before.
  Status close(const std::shared_ptr<DatabaseCore>& core) SPRINGG_EXCLUDES(mutex_);
  // After a close() that failed, for a handle that goes all the same.
  void abandon(const std::shared_ptr<DatabaseCore>& core) SPRINGG_EXCLUDES(mutex_);

 private:
  // Takes one handle away. True when it was the last one: end_closing() has to follow.
  bool begin_closing(const DatabaseCore& core) SPRINGG_EXCLUDES(mutex_);
  // `closed`: the entry goes; else it is open as before, with one handle.
  void end_closing(const DatabaseCore& core, bool closed) SPRINGG_EXCLUDES(mutex_);
  using Key = std::pair<std::string, bool>;  // path, read-only
  using Entries = std::map<Key, Entry>;
  // By address: without memory for a key a database must still be closed.
  Entries::iterator find(const DatabaseCore& core) noexcept SPRINGG_REQUIRES(mutex_);

  base::Mutex mutex_;
  base::CondVar closing_ended_;
  Entries entries_ SPRINGG_GUARDED_BY(mutex_);
};

std::atomic<Register*> current_register{nullptr};

// The parent's may be locked by a thread that the child does not have; the child starts afresh.
void forget_in_child() noexcept { current_register.store(nullptr, std::memory_order_relaxed); }

Register& Register::instance() {
  static const int kWatching = ::pthread_atfork(nullptr, nullptr, &forget_in_child);
  (void)kWatching;
  Register* found = current_register.load(std::memory_order_acquire);
  if (found != nullptr) return *found;
  auto* fresh = new Register;  // lives as long as the process
  if (current_register.compare_exchange_strong(found, fresh, std::memory_order_acq_rel)) {
    return *fresh;
  }
  delete fresh;
  return *found;
}

Result<std::shared_ptr<DatabaseCore>> Register::open(const std::string& path,
                                                     const DatabaseOptions& options) {
  base::MutexLock lock(mutex_);
  const Key key{path, options.read_only};
  auto found = entries_.find(key);
  while (found != entries_.end() && found->second.handles == 0) {
    // The closing waits for the call whose callback asks for this.
    SPRINGG_RETURN_IF_ERROR(CallScope::check_not_nested(found->second.core->runtime()));
    closing_ended_.wait(mutex_);
    found = entries_.find(key);
  }
  if (found != entries_.end()) {
    Entry& entry = found->second;
    if (entry.core->options() != options) {
      return failed_precondition("'" + path +
                                 "' is open in this process already with other options: " +
                                 differences(entry.core->options(), options));
    }
    ++entry.handles;
    return entry.core;
  }
  SPRINGG_ASSIGN_OR_RETURN(auto core, DatabaseCore::open(path, options, &io::posix_file_system(),
                                                         &base::system_unix_ms));
  entries_.insert_or_assign(key, Entry{core, 1});
  return core;
}

Register::Entries::iterator Register::find(const DatabaseCore& core) noexcept {
  return std::find_if(entries_.begin(), entries_.end(),
                      [&](const auto& entry) { return entry.second.core.get() == &core; });
}

bool Register::begin_closing(const DatabaseCore& core) {
  base::MutexLock lock(mutex_);
  const auto entry = find(core);
  return entry != entries_.end() && --entry->second.handles == 0;
}

void Register::end_closing(const DatabaseCore& core, bool closed) {
  base::MutexLock lock(mutex_);
  const auto entry = find(core);
  if (closed) {
    entries_.erase(entry);
  } else {
    entry->second.handles = 1;
  }
  closing_ended_.notify_all();
}

// The work is not done under the lock: it waits for calls that are running.
Status Register::close(const std::shared_ptr<DatabaseCore>& core) {
  if (!begin_closing(*core)) return {};
  Status status = core->close();
  end_closing(*core, core->gone());
  return status;
}

void Register::abandon(const std::shared_ptr<DatabaseCore>& core) {
  if (!begin_closing(*core)) return;
  core->abandon();
  end_closing(*core, true);
}

// Without doubled and trailing slashes and "." steps, so that usual spellings of one path meet.
std::string plain_path(const std::string& path) {
  std::string plain = path.starts_with('/') ? "/" : "";
  std::size_t begin = 0;
  while (begin < path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string step = path.substr(begin, end - begin);
    begin = end + 1;
    if (step.empty() || step == ".") continue;
    if (!plain.empty() && plain.back() != '/') plain += '/';
    plain += step;
  }
  return plain.empty() ? "." : plain;
}

Status check_threads(const DatabaseOptions& options) {
  constexpr unsigned kThreadsMax = 1024;
  if (options.threads <= kThreadsMax) return {};
  return invalid_argument("threads out of range: expected 0.." + std::to_string(kThreadsMax) +
                          ", got " + std::to_string(options.threads));
}

class DatabaseHandle final : public Database {
 public:
  // Made before the database is opened: one that is open must have a handle, or nobody closes it.
  explicit DatabaseHandle(bool registered) : registered_(registered) {}
  void attach(std::shared_ptr<DatabaseCore> core) noexcept { core_ = std::move(core); }

  ~DatabaseHandle() override {
    if (core_ == nullptr) return;
    if (core_->runtime().process.foreign()) {
      // A forked child: threads and locks in there are the parent's. Left as it is.
      static_cast<void>(new (std::nothrow) std::shared_ptr<DatabaseCore>(std::move(core_)));
      return;
    }
    // Nobody is left to tell: what the flush could not write is lost, the directory is let go.
    if (!close().ok() && registered_) Register::instance().abandon(core_);
  }

  std::string path() const override { return core_->path(); }

  Result<std::shared_ptr<Index>> create_index(const std::string& name, const IndexOptions& options,
                                              bool exist_ok) override {
    return run_locking([&] { return core_->create_index(name, options, exist_ok); });
  }
  Result<std::shared_ptr<Index>> index(const std::string& name) const override {
    return run([&] { return core_->index(name); });
  }
  Result<std::vector<std::string>> index_names() const override {
    return run([&]() -> Result<std::vector<std::string>> { return core_->index_names(); });
  }
  Status drop_index(const std::string& name) override {
    return run_locking([&] { return core_->drop_index(name); });
  }
  Status rename_index(const std::string& from, const std::string& to) override {
    return run_locking([&] { return core_->rename_index(from, to); });
  }
  Status refresh() override {
    return run_locking([&] { return core_->refresh(); });
  }
  Result<SnapshotInfo> snapshot(const std::string& path) override {
    return run_locking([&] { return core_->snapshot(path.empty() ? path : plain_path(path)); });
  }
  Result<CheckReport> check(bool repair) const override {
    return run([&] { return core_->check(repair); });
  }
  Status flush() override {
    return run_locking([&] { return core_->flush(); });
  }
  Status sync() override {
    return run_locking([&] { return core_->sync(); });
  }
  Result<std::map<std::string, std::uint64_t>> memory_usage() const override {
    return run(
        [&]() -> Result<std::map<std::string, std::uint64_t>> { return core_->memory_usage(); });
  }
  Result<std::map<std::string, std::uint64_t>> stats() const override {
    return run([&]() -> Result<std::map<std::string, std::uint64_t>> { return core_->stats(); });
  }

  Result<std::string> background_error() const override {
    return run([&]() -> Result<std::string> { return core_->background_error(); });
  }

  Status close() override {
    SPRINGG_RETURN_IF_ERROR(guarded([&] { return check_may_close(); }));
    if (closed_.exchange(true)) return {};
    Status status = registered_ ? Register::instance().close(core_) : core_->close();
    if (!status.ok() && !core_->gone()) closed_.store(false);
    return status;
  }
  bool closed() const override { return closed_.load(); }

 private:
  Status check_may_close() const {
    SPRINGG_RETURN_IF_ERROR(core_->runtime().process.check());
    return CallScope::check_not_nested(core_->runtime());
  }
  Status check_open() const {
    SPRINGG_RETURN_IF_ERROR(core_->runtime().process.check());
    return closed_.load() ? failed_precondition("database is closed") : Status{};
  }
  template <class Body>
  auto run(Body&& body) const -> decltype(body()) {
    SPRINGG_RETURN_IF_ERROR(guarded([&] { return check_open(); }));
    return call(core_->runtime(), std::forward<Body>(body));
  }
  template <class Body>
  auto run_locking(Body&& body) const -> decltype(body()) {
    SPRINGG_RETURN_IF_ERROR(guarded([&] { return check_open(); }));
    return locking_call(core_->runtime(), std::forward<Body>(body));
  }

  std::shared_ptr<DatabaseCore> core_;
  const bool registered_;
  std::atomic<bool> closed_{false};
};

// Of nobody else: not in the register.
Result<std::shared_ptr<Database>> open_alone(const std::string& path,
                                             const DatabaseOptions& options, io::FileSystem* files,
                                             base::WallClock clock, const Tuning& tuning) {
  return guarded([&]() -> Result<std::shared_ptr<Database>> {
    auto handle = std::make_shared<DatabaseHandle>(false);
    SPRINGG_ASSIGN_OR_RETURN(auto core, DatabaseCore::open(path, options, files, clock, tuning));
    handle->attach(std::move(core));
    return std::shared_ptr<Database>(std::move(handle));
  });
}

}  // namespace

Result<std::shared_ptr<Database>> open_in(io::FileSystem& files, const std::string& path,
                                          const DatabaseOptions& options, base::WallClock clock,
                                          const Tuning& tuning) {
  return guarded([&] { return open_alone(plain_path(path), options, &files, clock, tuning); });
}

Result<std::shared_ptr<Database>> open_in_memory(const DatabaseOptions& options,
                                                 const Tuning& tuning) {
  return open_alone(":memory:", options, nullptr, &base::system_unix_ms, tuning);
}

}  // namespace springg::engine

namespace springg {

Result<std::shared_ptr<Database>> Database::open(const std::string& path,
                                                 const DatabaseOptions& options) {
  using engine::DatabaseCore;
  using engine::DatabaseHandle;
  return engine::guarded([&]() -> Result<std::shared_ptr<Database>> {
    if (path.empty()) return invalid_argument("path is empty: expected a directory or ':memory:'");
    SPRINGG_RETURN_IF_ERROR(engine::check_threads(options));
    if (path == ":memory:" && options.read_only) {
      return invalid_argument("a database in memory cannot be opened read-only: nobody writes it");
    }
    const bool in_memory = path == ":memory:";
    auto handle = std::make_shared<DatabaseHandle>(!in_memory);
    SPRINGG_ASSIGN_OR_RETURN(
        auto core, in_memory
                       ? DatabaseCore::open(path, options, nullptr, &base::system_unix_ms)
                       : engine::Register::instance().open(engine::plain_path(path), options));
    handle->attach(std::move(core));
    return std::shared_ptr<Database>(std::move(handle));
  });
}

}  // namespace springg
