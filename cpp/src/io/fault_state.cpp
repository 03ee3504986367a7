// SPDX-License-Identifier: MIT
#include "io/fault_state.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "io/memory_path.h"
#include "io/posix_error.h"

namespace springg::io {

FaultFileSystem::State::Begun FaultFileSystem::State::begin(Call call, const std::string& path,
                                                            const std::string& to) {
  Begun begun;
  std::shared_ptr<const CallHook> told;
  {
    const base::MutexLock lock(mutex);
    begun = {next_operation, plan.meet(call, path, to), sync_delay};
    told = hook;
  }
  if (told != nullptr) (*told)(begun.operation, call, path);
  return begun;
}

Status FaultFileSystem::State::run_call(Operation operation, Status (State::*change)(Operation&)) {
  const Begun begun = begin(operation.call, operation.path, operation.to);
  const base::MutexLock lock(mutex);
  Status status = fault_status(begun.fault, operation.call, operation.path);
  if (status.ok()) status = (this->*change)(operation);
  return finish(std::move(operation), std::move(status));
}

Status FaultFileSystem::State::finish(Operation operation, Status status) {
  operation.outcome = status.code();
  model.apply(operation, next_operation++);
  if (settings.record_history) {
    operations.push_back(std::make_shared<const Operation>(std::move(operation)));
  }
  return status;
}

Status FaultFileSystem::State::read_fault(Call call, const std::string& path) {
  const base::MutexLock lock(mutex);
  return fault_status(plan.meet(call, normal_path(path), ""), call, path);
}

Result<Inode> FaultFileSystem::State::find(const std::string& action,
                                           const std::string& path) const {
  if (has_directory(path)) {
    return io_error("cannot " + action + " " + path + ": no regular file").with("file", path);
  }
  const auto found = model.seen().names.find(path);
  if (found == model.seen().names.end()) return posix_status(ENOENT, action, path);
  return found->second;
}

bool FaultFileSystem::State::has_directory(const std::string& path) const {
  return model.seen().directories.contains(path);
}

Status FaultFileSystem::State::create_directories(Operation& operation) {
  for (std::string part = operation.path; !has_directory(part); part = parent_path(part)) {
    if (model.seen().names.contains(part)) {
      return io_error("cannot create directory " + operation.path + ": a file has the name " + part)
          .with("file", operation.path);
    }
    operation.made.push_back(part);
  }
  return {};
}

Status FaultFileSystem::State::create(Operation& operation) {
  const std::string& path = operation.path;
  if (!has_directory(parent_path(path))) return posix_status(ENOENT, "create", path);
  if (has_directory(path) || model.seen().names.contains(path)) {
    return posix_status(EEXIST, "create", path);
  }
  if (budget.has_value() && operation.reserve > 0) {
    const std::uint64_t bytes = used();
    if (bytes > *budget || operation.reserve > *budget - bytes) {
      const std::string reserve = std::to_string(operation.reserve);
      return posix_status(ENOSPC, "reserve " + reserve + " bytes for", path);
    }
  }
  operation.inode = next_inode++;
  operation.after = std::make_shared<const FileVersion>();
  open[operation.inode] = operation.reserve;
  return {};
}

Status FaultFileSystem::State::rename(Operation& operation) {
  SPRINGG_ASSIGN_OR_RETURN(const Inode inode, find("rename", operation.path));
  const std::string action = "rename to " + operation.to + " from";
  if (!has_directory(parent_path(operation.to))) {
    return posix_status(ENOENT, action, operation.path);
  }
  if (has_directory(operation.to)) return posix_status(EISDIR, action, operation.path);
  const auto replaced = model.seen().names.find(operation.to);
  const bool same = replaced != model.seen().names.end() && replaced->second == inode;
  operation.inode = same ? 0 : inode;
  return {};
}

Status FaultFileSystem::State::link(Operation& operation) {
  const std::string action = "link " + operation.to + " to";
  if (has_directory(operation.path)) {
    return unsupported(posix_status(EPERM, action, operation.path).message())
        .with("file", operation.path);
  }
  SPRINGG_ASSIGN_OR_RETURN(operation.inode, find(action, operation.path));
  if (!has_directory(parent_path(operation.to))) {
    return posix_status(ENOENT, action, operation.path);
  }
  if (has_directory(operation.to) || model.seen().names.contains(operation.to)) {
    return posix_status(EEXIST, action, operation.path);
  }
  return {};
}

Status FaultFileSystem::State::remove(Operation& operation) {
  return find("remove", operation.path).status();
}

Status FaultFileSystem::State::lock_directory(Operation& operation) {
  const std::string& directory = operation.path;
  if (!has_directory(directory)) return posix_status(ENOENT, "open", directory);
  if (locked.contains(directory)) {
    const std::int64_t pid = ::getpid();
    return failed_precondition("database is open in process " + std::to_string(pid) +
                               " (this one): " + directory)
        .with("pid", pid)
        .with("file", directory);
  }
  locked.insert(directory);
  std::string file = normal_path(directory + "/LOCK");
  if (model.seen().names.contains(file)) return {};
  operation.made.push_back(std::move(file));
  operation.inode = next_inode++;
  operation.after = std::make_shared<const FileVersion>();
  return {};
}

void FaultFileSystem::State::forget_unreachable() {
  const base::MutexLock lock(mutex);
  model.forget_unreachable(open);
}

void FaultFileSystem::State::release(Inode inode) {
  const base::MutexLock lock(mutex);
  open.erase(inode);
  model.forget_unreachable(open);
}

std::uint64_t FaultFileSystem::State::used() const {
  std::uint64_t bytes = 0;
  for (const auto& [inode, file] : model.seen().files) {
    const auto reserved = open.find(inode);
    bytes += std::max(file->bytes().size(), reserved == open.end() ? 0 : reserved->second);
  }
  return bytes;
}

std::uint64_t FaultFileSystem::State::size_max(Inode inode, std::uint64_t size) const {
  if (!budget.has_value()) return std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t bytes = used();
  const std::uint64_t own = std::max(size, open.at(inode));
  return own + (bytes < *budget ? *budget - bytes : 0);
}

RecordedRun FaultFileSystem::State::run() const {
  RecordedRun run;
  run.first = next_operation - operations.size();
  run.start = settings.record_history ? start : model;
  run.operations = operations;
  run.next_inode = next_inode;
  run.memory = memory;
  return run;
}

Status fault_status(const Fault& fault, Call call, const std::string& path) {
  const std::string action(to_string(call));
  switch (fault.error) {
    case FaultError::kNoSpace: return posix_status(ENOSPC, action, path);
    case FaultError::kInterrupted:
      return fault.surfaces ? posix_status(EINTR, action, path) : Status();
    case FaultError::kUnsupported:
      return unsupported(posix_status(EOPNOTSUPP, action, path).message()).with("file", path);
    case FaultError::kIoError: break;
  }
  return posix_status(EIO, action, path);
}

Status fault_status(const std::optional<Fault>& fault, Call call, const std::string& path) {
  return fault.has_value() ? fault_status(*fault, call, path) : Status();
}

}  // namespace springg::io
