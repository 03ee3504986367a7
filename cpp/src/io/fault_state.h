// SPDX-License-Identifier: MIT
// What a FaultFileSystem shares with its files and locks. For fault_*.cpp
// alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "io/fault_file_system.h"
#include "io/recorded_run.h"

namespace springg::io {

class FaultFileSystem::State {
 public:
  // A call that has been announced to the hook and has not yet had its effect.
  struct Begun {
    std::uint64_t operation = 0;
    std::optional<Fault> fault;  // that it has to meet
    std::chrono::microseconds delay{0};
  };

  explicit State(const FaultSettings& settings_) : settings(settings_) {}

  Begun begin(Call call, const std::string& path, const std::string& to);
  // The fault that a call meets which changes nothing.
  Status read_fault(Call call, const std::string& path);

  // A whole call: begin(), then a fault or `change`, and the record of it.
  Status run_call(Operation operation, Status (State::*change)(Operation&));
  // Records a call that has had its effect, and passes its Status on.
  Status finish(Operation operation, Status status) SPRINGG_REQUIRES(mutex);

  // The calls of FileSystem, as far as they succeed: they fill in what the operation lacks.
  Status create_directories(Operation& operation) SPRINGG_REQUIRES(mutex);
  Status create(Operation& operation) SPRINGG_REQUIRES(mutex);
  Status rename(Operation& operation) SPRINGG_REQUIRES(mutex);
  Status link(Operation& operation) SPRINGG_REQUIRES(mutex);
  Status remove(Operation& operation) SPRINGG_REQUIRES(mutex);
  Status lock_directory(Operation& operation) SPRINGG_REQUIRES(mutex);
  // The file of that name: kNotFound, or kIoError when it is a directory.
  Result<Inode> find(const std::string& action, const std::string& path) const
      SPRINGG_REQUIRES(mutex);
  bool has_directory(const std::string& path) const SPRINGG_REQUIRES(mutex);

  void release(Inode inode);  // the file is closed
  void forget_unreachable();

  std::uint64_t used() const SPRINGG_REQUIRES(mutex);
  // The size that a file may grow to.
  std::uint64_t size_max(Inode inode, std::uint64_t size) const SPRINGG_REQUIRES(mutex);
  RecordedRun run() const SPRINGG_REQUIRES(mutex);

  const FaultSettings settings;
  std::shared_ptr<MappingMemory> memory = std::make_shared<MappingMemory>();
  mutable base::Mutex mutex;
  DiskModel model SPRINGG_GUARDED_BY(mutex);
  DiskModel start SPRINGG_GUARDED_BY(mutex);  // before operations.front()
  std::vector<std::shared_ptr<const Operation>> operations SPRINGG_GUARDED_BY(mutex);
  std::uint64_t next_operation SPRINGG_GUARDED_BY(mutex) = 0;
  Inode next_inode SPRINGG_GUARDED_BY(mutex) = 1;
  std::map<Inode, std::uint64_t> open SPRINGG_GUARDED_BY(mutex);  // with the bytes reserved
  std::set<std::string> locked SPRINGG_GUARDED_BY(mutex);
  FaultPlan plan SPRINGG_GUARDED_BY(mutex);
  std::optional<std::uint64_t> budget SPRINGG_GUARDED_BY(mutex);
  std::chrono::microseconds sync_delay SPRINGG_GUARDED_BY(mutex){0};
  std::shared_ptr<const CallHook> hook SPRINGG_GUARDED_BY(mutex);
};

class FaultFileSystem::File final : public WritableFile {
 public:
  File(std::shared_ptr<State> state, Inode inode, std::string path);
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() override;

  Status append(std::span<const std::byte> bytes) override;
  Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override;
  Status sync() override;
  Status close() override;

 private:
  State::Begun begin(Call call);
  Operation operation(Call call) const;
  Status usable() const;
  Status fail(Status status);
  std::uint64_t size() const SPRINGG_REQUIRES(state_->mutex);
  Status write(Operation& operation, std::span<const std::byte> bytes,
               const std::optional<Fault>& fault) SPRINGG_REQUIRES(state_->mutex);
  Status sync_or_lose(Operation& operation, const std::optional<Fault>& fault)
      SPRINGG_REQUIRES(state_->mutex);

  std::shared_ptr<State> state_;
  Inode inode_;
  std::string path_;
  bool closed_ = false;
  Status failed_;  // the first error, if those stick
};

// The Status of a call that met `fault`; ok when it is one that the call survives.
Status fault_status(const Fault& fault, Call call, const std::string& path);
// ok without a fault.
Status fault_status(const std::optional<Fault>& fault, Call call, const std::string& path);

}  // namespace springg::io
