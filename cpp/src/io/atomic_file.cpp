// SPDX-License-Identifier: MIT
#include "io/atomic_file.h"

#include <utility>

#include "base/seeded_bug.h"

namespace springg::io {

Result<AtomicFile> AtomicFile::create(FileSystem& files, const std::string& path,
                                      std::uint64_t size) {
  const std::string temporary = path + kTemporarySuffix;
  auto file = files.create(temporary, size);
  if (!file.ok() && file.status().code() == ErrorCode::kAlreadyExists) {
    SPRINGG_RETURN_IF_ERROR(files.remove(temporary));
    file = files.create(temporary, size);
  }
  if (!file.ok()) return file.take_status();
  return AtomicFile(files, path, std::move(file).value());
}

AtomicFile::~AtomicFile() {
  if (file_ == nullptr) return;
  file_.reset();
  // The error that led here is the one to report.
  (void)files_->remove(path_ + kTemporarySuffix);
}

Status AtomicFile::commit() {
  if constexpr (base::kSeededBug == base::kBugRenameBeforeSync) {
    SPRINGG_RETURN_IF_ERROR(files_->rename(path_ + kTemporarySuffix, path_));
  }
  SPRINGG_RETURN_IF_ERROR(file_->sync());
  SPRINGG_RETURN_IF_ERROR(file_->close());
  if constexpr (base::kSeededBug != base::kBugRenameBeforeSync) {
    SPRINGG_RETURN_IF_ERROR(files_->rename(path_ + kTemporarySuffix, path_));
  }
  file_.reset();
  return {};
}

Result<std::unique_ptr<WritableFile>> AtomicFile::commit_open() {
  SPRINGG_RETURN_IF_ERROR(file_->sync());
  SPRINGG_RETURN_IF_ERROR(files_->rename(path_ + kTemporarySuffix, path_));
  return std::move(file_);
}

}  // namespace springg::io
