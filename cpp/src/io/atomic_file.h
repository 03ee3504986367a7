// SPDX-License-Identifier: MIT
// A file that appears under its name as a whole or not at all: `path`.tmp until commit().
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "io/file_system.h"
#include "springg/status.h"

namespace springg::io {

inline constexpr char kTemporarySuffix[] = ".tmp";

class AtomicFile {
 public:
  // Takes the place of a temporary file that a crash left behind. `size`: bytes to reserve.
  static Result<AtomicFile> create(FileSystem& files, const std::string& path, std::uint64_t size);
  AtomicFile(AtomicFile&& other) noexcept = default;
  AtomicFile& operator=(AtomicFile&& other) noexcept = delete;
  ~AtomicFile();  // removes the temporary file unless commit() succeeded

  Status append(std::span<const std::byte> bytes) { return file_->append(bytes); }
  Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
    return file_->write_at(offset, bytes);
  }
  Status sync() { return file_->sync(); }
  // Syncs, closes and renames, over an older file of that name. The caller syncs the directory.
  Status commit();
  // The same, but the file stays open: what is written from now on is the caller's to sync.
  Result<std::unique_ptr<WritableFile>> commit_open();

 private:
  AtomicFile(FileSystem& files, const std::string& path)
      : files_(&files), path_(path), temporary_(path + kTemporarySuffix) {}

  FileSystem* files_;
  std::string path_;  // both kept: neither commit() nor the destructor needs memory
  std::string temporary_;
  std::unique_ptr<WritableFile> file_;  // null once committed or moved from
};

}  // namespace springg::io
