// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cerrno>
#include <string>
#include <thread>

#include "io/fault_state.h"
#include "io/memory_path.h"
#include "io/posix_error.h"

namespace springg::io {

FaultFileSystem::File::File(std::shared_ptr<State> state, Inode inode, std::string path)
    : state_(std::move(state)), inode_(inode), path_(std::move(path)) {}

FaultFileSystem::File::~File() {
  if (!closed_) state_->release(inode_);
}

FaultFileSystem::State::Begun FaultFileSystem::File::begin(Call call) {
  return state_->begin(call, normal_path(path_), "");
}

Operation FaultFileSystem::File::operation(Call call) const {
  Operation operation;
  operation.call = call;
  operation.path = normal_path(path_);
  operation.inode = inode_;
  return operation;
}

Status FaultFileSystem::File::usable() const {
  if (!failed_.ok()) return failed_;
  return closed_ ? failed_precondition("file is closed: " + path_) : Status();
}

Status FaultFileSystem::File::fail(Status status) {
  if (state_->settings.errors_stick) failed_ = status;
  return status;
}

std::uint64_t FaultFileSystem::File::size() const {
  return state_->model.seen().files.at(inode_)->bytes().size();
}

// At operation.offset, as far as fault and space allow.
Status FaultFileSystem::File::write(Operation& operation, std::span<const std::byte> bytes,
                                    const std::optional<Fault>& fault) {
  SPRINGG_RETURN_IF_ERROR(usable());
  Status status = fault_status(fault, operation.call, path_);
  std::uint64_t count = bytes.size();
  if (!status.ok()) count = std::min(count, fault->bytes_done);
  const std::uint64_t before = size();
  if (operation.offset + count > before) {
    const std::uint64_t room = state_->size_max(inode_, before) - operation.offset;
    if (count > room) {
      count = room;
      status = posix_status(ENOSPC, "write", path_);
    }
  }
  if (count > 0) {
    SparseBytesEditor editor(state_->model.seen().files.at(inode_)->bytes());
    editor.write(operation.offset, bytes.first(count));
    operation.bytes = count;
    operation.after = std::make_shared<const FileVersion>(std::move(editor).finish());
  }
  return status.ok() ? status : fail(std::move(status));
}

Status FaultFileSystem::File::append(std::span<const std::byte> bytes) {
  const State::Begun begun = begin(Call::kAppend);
  const base::MutexLock lock(state_->mutex);
  Operation done = operation(Call::kAppend);
  done.offset = size();
  Status status = write(done, bytes, begun.fault);
  return state_->finish(std::move(done), std::move(status));
}

Status FaultFileSystem::File::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  const State::Begun begun = begin(Call::kWriteAt);
  const base::MutexLock lock(state_->mutex);
  Operation done = operation(Call::kWriteAt);
  done.offset = offset;
  const std::uint64_t end = size();
  if (offset > end || bytes.size() > end - offset) {
    return state_->finish(
        std::move(done),
        invalid_argument("write outside what was appended to " + path_ + ": " +
                         std::to_string(end) + " bytes, got offset " + std::to_string(offset) +
                         " and " + std::to_string(bytes.size()) + " bytes"));
  }
  Status status = write(done, bytes, begun.fault);
  return state_->finish(std::move(done), std::move(status));
}

Status FaultFileSystem::File::sync() {
  const State::Begun begun = begin(Call::kSync);
  if (usable().ok() && begun.delay.count() > 0) std::this_thread::sleep_for(begun.delay);
  const base::MutexLock lock(state_->mutex);
  Operation done = operation(Call::kSync);
  done.covers = begun.operation;
  Status status = sync_or_lose(done, begun.fault);
  return state_->finish(std::move(done), std::move(status));
}

Status FaultFileSystem::File::sync_or_lose(Operation& operation,
                                           const std::optional<Fault>& fault) {
  SPRINGG_RETURN_IF_ERROR(usable());
  Status status = fault_status(fault, Call::kSync, path_);
  if (status.ok()) return status;
  operation.lost = fault->lost;
  if (operation.lost == LostPages::kDroppedInProcessToo) {
    operation.after =
        std::make_shared<const FileVersion>(state_->model.without_lost(inode_, operation.covers));
  }
  return fail(std::move(status));
}

Status FaultFileSystem::File::close() {
  if (closed_) return {};
  Status status;
  {
    const State::Begun begun = begin(Call::kClose);
    const base::MutexLock lock(state_->mutex);
    status =
        state_->finish(operation(Call::kClose), fault_status(begun.fault, Call::kClose, path_));
  }
  closed_ = true;
  state_->release(inode_);
  return status.ok() ? status : fail(std::move(status));
}

}  // namespace springg::io
