// SPDX-License-Identifier: MIT
#include "io/atomic_file.h"

#include <new>
#include <utility>

#include "base/seeded_bug.h"

namespace springg::io {

Result<AtomicFile> AtomicFile::create(FileSystem& files, const std::string& path,
                                      std::uint64_t size) {
  AtomicFile made(files, path);
  auto file = files.create(made.temporary_, size);
  if (!file.ok() && file.status().code() == ErrorCode::kAlreadyExists) {
    SPRINGG_RETURN_IF_ERROR(files.remove(made.temporary_));
    file = files.create(made.temporary_, size);
  }
  if (!file.ok()) return file.take_status();
  made.file_ = std::move(file).value();
  return made;
}

AtomicFile::~AtomicFile() {
  if (file_ == nullptr) return;
  file_.reset();
  try {
    // The error that led here is the one to report.
    (void)files_->remove(temporary_);
  } catch (const std::bad_alloc&) {
    // Left over, as after a crash.
  }
}

Status AtomicFile::commit() {
  if constexpr (base::kSeededBug == base::kBugRenameBeforeSync) {
    SPRINGG_RETURN_IF_ERROR(files_->rename(temporary_, path_));
  }
  SPRINGG_RETURN_IF_ERROR(file_->sync());
  SPRINGG_RETURN_IF_ERROR(file_->close());
  if constexpr (base::kSeededBug != base::kBugRenameBeforeSync) {
    SPRINGG_RETURN_IF_ERROR(files_->rename(temporary_, path_));
  }
  file_.reset();
  return {};
}

Result<std::unique_ptr<WritableFile>> AtomicFile::commit_open() {
  SPRINGG_RETURN_IF_ERROR(file_->sync());
  SPRINGG_RETURN_IF_ERROR(files_->rename(temporary_, path_));
  return std::move(file_);
}

}  // namespace springg::io
