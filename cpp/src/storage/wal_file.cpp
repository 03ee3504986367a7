// SPDX-License-Identifier: MIT
#include "storage/wal_file.h"

#include <algorithm>
#include <utility>

#include "base/buffer.h"
#include "base/seeded_bug.h"

namespace springg::storage {

namespace {
constexpr std::uint64_t kZerosBytes = std::uint64_t{1} << 20;
}

Result<std::unique_ptr<WalFile>> WalFile::prepare(io::FileSystem& files,
                                                  const std::string& directory,
                                                  std::uint64_t sequence, std::uint64_t bytes) {
  // Before the file: its space is the larger, but memory is the quicker to ask for.
  SPRINGG_ASSIGN_OR_RETURN(const auto zeros, base::Buffer::allocate(std::min(bytes, kZerosBytes)));
  const std::string path = directory + "/" + wal_file_name(sequence);
  SPRINGG_ASSIGN_OR_RETURN(auto temporary, io::AtomicFile::create(files, path, bytes));
  for (std::uint64_t done = 0; done < bytes;) {
    const std::uint64_t piece = std::min(bytes - done, kZerosBytes);
    SPRINGG_RETURN_IF_ERROR(temporary.append(zeros.span().first(piece)));
    done += piece;
  }
  SPRINGG_RETURN_IF_ERROR(temporary.sync());
  return std::unique_ptr<WalFile>(
      new WalFile(files, directory, sequence, bytes, std::move(temporary)));
}

Status WalFile::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  unsynced_ = true;
  return temporary_ ? temporary_->write_at(offset, bytes) : file_->write_at(offset, bytes);
}

Status WalFile::activate() {
  SPRINGG_RETURN_IF_ERROR(temporary_->write_at(0, header_));
  SPRINGG_ASSIGN_OR_RETURN(file_, temporary_->commit_open());
  temporary_.reset();
  unsynced_ = false;
  if constexpr (base::kSeededBug == base::kBugNoDirectorySync) return {};
  return files_.sync_directory(directory_);
}

Status WalFile::sync() {
  if (!unsynced_) return {};
  if constexpr (base::kSeededBug != base::kBugNoDataSync) {
    Status status = file_->sync();
    if constexpr (base::kSeededBug == base::kBugRetrySync) {
      if (!status.ok()) status = file_->sync();
    }
    SPRINGG_RETURN_IF_ERROR(std::move(status));
  }
  unsynced_ = false;
  return {};
}

}  // namespace springg::storage
