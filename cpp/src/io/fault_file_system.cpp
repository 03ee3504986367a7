// SPDX-License-Identifier: MIT
#include "io/fault_file_system.h"

#include <cerrno>
#include <thread>

#include "io/fault_state.h"
#include "io/memory_path.h"
#include "io/posix_error.h"

namespace springg::io {

namespace {

Operation operation_of(Call call, const std::string& path, const std::string& to = "") {
  Operation operation;
  operation.call = call;
  operation.path = normal_path(path);
  if (!to.empty()) operation.to = normal_path(to);
  return operation;
}

}  // namespace

// --- crashes and faults ---

FaultFileSystem::FaultFileSystem(const FaultSettings& settings)
    : state_(std::make_shared<State>(settings)) {}

FaultFileSystem::~FaultFileSystem() = default;

std::uint64_t FaultFileSystem::operations() const {
  const base::MutexLock lock(state_->mutex);
  return state_->next_operation;
}

History FaultFileSystem::history() const {
  auto run = std::make_shared<RecordedRun>();
  {
    const base::MutexLock lock(state_->mutex);
    *run = state_->run();
  }
  run->make_checkpoints();
  return History(std::move(run));
}

CrashPoint FaultFileSystem::crash_point() const {
  const base::MutexLock lock(state_->mutex);
  return {std::make_shared<RecordedRun>(state_->run()), state_->model, state_->next_operation};
}

void FaultFileSystem::make_durable() {
  const base::MutexLock lock(state_->mutex);
  state_->model.make_durable();
  state_->start = state_->model;
  state_->operations.clear();
}

std::vector<Call> FaultFileSystem::calls() const {
  const base::MutexLock lock(state_->mutex);
  std::vector<Call> calls;
  for (const auto& operation : state_->operations) calls.push_back(operation->call);
  return calls;
}

void FaultFileSystem::inject(Fault fault) {
  const base::MutexLock lock(state_->mutex);
  state_->plan.add(std::move(fault));
}

void FaultFileSystem::clear_faults() {
  const base::MutexLock lock(state_->mutex);
  state_->plan.clear();
}

void FaultFileSystem::set_byte_budget(std::optional<std::uint64_t> bytes) {
  const base::MutexLock lock(state_->mutex);
  state_->budget = bytes;
}

std::uint64_t FaultFileSystem::bytes_used() const {
  const base::MutexLock lock(state_->mutex);
  return state_->used();
}

void FaultFileSystem::set_sync_delay(std::chrono::microseconds delay) {
  const base::MutexLock lock(state_->mutex);
  state_->sync_delay = delay;
}

void FaultFileSystem::set_hook(CallHook hook) {
  auto shared = hook ? std::make_shared<const CallHook>(std::move(hook)) : nullptr;
  const base::MutexLock lock(state_->mutex);
  state_->hook = std::move(shared);
}

// --- FileSystem ---

Status FaultFileSystem::create_directories(const std::string& path) {
  return state_->run_call(operation_of(Call::kCreateDirectories, path), &State::create_directories);
}

Result<std::unique_ptr<WritableFile>> FaultFileSystem::create(const std::string& path,
                                                              std::uint64_t size_hint) {
  Operation operation = operation_of(Call::kCreate, path);
  operation.reserve = size_hint;
  const State::Begun begun = state_->begin(Call::kCreate, operation.path, "");
  const base::MutexLock lock(state_->mutex);
  Status status = fault_status(begun.fault, Call::kCreate, path);
  if (status.ok()) status = state_->create(operation);
  const Inode inode = operation.inode;
  SPRINGG_RETURN_IF_ERROR(state_->finish(std::move(operation), std::move(status)));
  return std::unique_ptr<WritableFile>(std::make_unique<File>(state_, inode, path));
}

Result<std::shared_ptr<const MappedFile>> FaultFileSystem::map(const std::string& path) {
  SPRINGG_RETURN_IF_ERROR(state_->read_fault(Call::kMap, path));
  FileRef file;
  {
    const base::MutexLock lock(state_->mutex);
    SPRINGG_ASSIGN_OR_RETURN(const Inode inode, state_->find("map", normal_path(path)));
    file = state_->model.seen().files.at(inode);
  }
  return file->map(state_->memory);
}

Result<std::uint64_t> FaultFileSystem::file_bytes(const std::string& path) {
  SPRINGG_RETURN_IF_ERROR(state_->read_fault(Call::kFileBytes, path));
  const base::MutexLock lock(state_->mutex);
  SPRINGG_ASSIGN_OR_RETURN(const Inode inode, state_->find("tell the size of", normal_path(path)));
  return state_->model.seen().files.at(inode)->bytes().size();
}

Status FaultFileSystem::rename(const std::string& from, const std::string& to) {
  SPRINGG_RETURN_IF_ERROR(state_->run_call(operation_of(Call::kRename, from, to), &State::rename));
  state_->forget_unreachable();
  return {};
}

Status FaultFileSystem::link(const std::string& from, const std::string& to) {
  return state_->run_call(operation_of(Call::kLink, from, to), &State::link);
}

Status FaultFileSystem::remove(const std::string& path) {
  SPRINGG_RETURN_IF_ERROR(state_->run_call(operation_of(Call::kRemove, path), &State::remove));
  state_->forget_unreachable();
  return {};
}

Result<bool> FaultFileSystem::exists(const std::string& path) {
  SPRINGG_RETURN_IF_ERROR(state_->read_fault(Call::kExists, path));
  const base::MutexLock lock(state_->mutex);
  const std::string name = normal_path(path);
  return state_->has_directory(name) || state_->model.seen().names.contains(name);
}

Result<std::vector<std::string>> FaultFileSystem::list(const std::string& directory) {
  SPRINGG_RETURN_IF_ERROR(state_->read_fault(Call::kList, directory));
  const base::MutexLock lock(state_->mutex);
  const std::string name = normal_path(directory);
  if (!state_->has_directory(name)) return posix_status(ENOENT, "list", directory);
  std::vector<std::string> names;
  for (const auto& [path, inode] : state_->model.seen().names) {
    if (parent_path(path) == name) names.push_back(last_name(path));
  }
  return names;
}

Status FaultFileSystem::sync_directory(const std::string& path) {
  Operation operation = operation_of(Call::kSyncDirectory, path);
  const State::Begun begun = state_->begin(Call::kSyncDirectory, operation.path, "");
  if (begun.delay.count() > 0) std::this_thread::sleep_for(begun.delay);
  operation.covers = begun.operation;
  const base::MutexLock lock(state_->mutex);
  Status status = fault_status(begun.fault, Call::kSyncDirectory, path);
  if (!status.ok()) {
    operation.lost = begun.fault->lost;
  } else if (!state_->has_directory(operation.path)) {
    status = posix_status(ENOENT, "open", path);
  }
  return state_->finish(std::move(operation), std::move(status));
}

class FaultFileSystem::Lock final : public DirectoryLock {
 public:
  Lock(std::shared_ptr<State> state, std::string directory)
      : state_(std::move(state)), directory_(std::move(directory)) {}
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  ~Lock() override {
    const base::MutexLock lock(state_->mutex);
    state_->locked.erase(directory_);
  }

 private:
  std::shared_ptr<State> state_;
  std::string directory_;
};

Result<std::unique_ptr<DirectoryLock>> FaultFileSystem::lock_directory(
    const std::string& directory) {
  SPRINGG_RETURN_IF_ERROR(
      state_->run_call(operation_of(Call::kLockDirectory, directory), &State::lock_directory));
  return std::unique_ptr<DirectoryLock>(std::make_unique<Lock>(state_, normal_path(directory)));
}

}  // namespace springg::io
