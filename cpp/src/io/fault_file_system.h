// SPDX-License-Identifier: MIT
// The file system that loses power: a FileSystem in memory that records what is done to it, knows
// what is durable and what is not, makes the disks that a crash may leave, fails calls on demand,
// fills up, and is as slow as it is told. What springg says about durability stands on it, so it is
// harsher than real disks where they differ. The rules: disk_model.h. Crashes: crash_point.h.
//
//   FaultFileSystem files;
//   ... run the code under test on `files` ...
//   const History history = files.history();
//   for (auto n = history.first(); n <= history.end(); ++n) {
//     const CrashPoint point = history.at(n);
//     const auto disk = point.power_cut(point.random(seed));
//     ... open it with the code under test: what was acknowledged before n must be there ...
//   }
//
// Operations: each call that may change something (kMutatingCalls) is one, also one that fails, and
// has a number, rising by one, given when it takes effect. When an acknowledgement was received,
// operations() tells the first crash point that has to keep it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/crash_point.h"
#include "io/file_call.h"
#include "io/file_system.h"

namespace springg::io {

struct FaultSettings {
  // Off: operations are counted and not kept, so that a long run needs no memory; history() then
  // holds the present moment alone.
  bool record_history = true;
  // As with the system's files: after an error a WritableFile does nothing more and returns that
  // error. Off, so that a test can show what a sync() tried again after a failed one would lose.
  bool errors_stick = true;
};

// Called before each mutating call, without a lock, by the thread that makes the call: it may look
// at the file system, wait, or take notes. The crash point `operation` lies before the call's
// effect; with one thread it is the call's number. `path`: the first of rename and link.
using CallHook = std::function<void(std::uint64_t operation, Call call, const std::string& path)>;

// Any thread, one lock. Files and locks may outlive it. What was mapped stays as it was, also when
// the file is written to. A mapping does not keep the space of a removed file.
class FaultFileSystem final : public FileSystem {
 public:
  explicit FaultFileSystem(const FaultSettings& settings = {});
  ~FaultFileSystem() override;

  // --- crashes ---
  std::uint64_t operations() const;  // done so far
  History history() const;
  // The present moment. Copies the list of operations: for many moments, take one history().
  CrashPoint crash_point() const;
  // All that is there counts as durable, and the history begins anew behind it (the numbers go on):
  // to prepare a disk.
  void make_durable();
  // What history() has, by name alone and with those that failed.
  std::vector<Call> calls() const;

  // --- faults ---
  void inject(Fault fault);
  void clear_faults();
  // Bytes that files may occupy: each its size, or what create() reserved while it is open, if that
  // is more. A write that does not fit is done as far as it does, and returns kResourceExhausted,
  // as does a create() whose size_hint does not fit. Removed files free theirs when closed.
  void set_byte_budget(std::optional<std::uint64_t> bytes);
  std::uint64_t bytes_used() const;
  // Each sync() and sync_directory() takes so much longer, without keeping other calls waiting.
  // What is written meanwhile is not made durable by it.
  void set_sync_delay(std::chrono::microseconds delay);
  void set_hook(CallHook hook);

  // --- FileSystem ---
  Status create_directories(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> create(const std::string& path,
                                               std::uint64_t size_hint) override;
  Result<std::shared_ptr<const MappedFile>> map(const std::string& path) override;
  Result<std::uint64_t> file_bytes(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status link(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Result<bool> exists(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Status sync_directory(const std::string& path) override;
  Result<std::unique_ptr<DirectoryLock>> lock_directory(const std::string& directory) override;

 private:
  friend class CrashPoint;
  class State;
  class File;
  class Lock;
  explicit FaultFileSystem(std::shared_ptr<State> state) : state_(std::move(state)) {}

  std::shared_ptr<State> state_;  // shared with files and locks
};

}  // namespace springg::io
