// SPDX-License-Identifier: MIT
// A file system in memory that keeps the names of the calls that change something, and whose n-th
// such call fails, as on a full disk.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "io/file_system.h"

namespace springg::testing {

class FailingFileSystem final : public io::FileSystem {
 public:
  // The call after `calls` more successful ones fails, and all that follow it but remove();
  // below 0: none.
  void fail_after(int calls) {
    const std::lock_guard lock(mutex_);
    left_ = calls;
  }
  const std::vector<std::string>& calls() const { return calls_; }

  Status create_directories(const std::string& path) override {
    SPRINGG_RETURN_IF_ERROR(next("create_directories"));
    return files_->create_directories(path);
  }
  Result<std::unique_ptr<io::WritableFile>> create(const std::string& path,
                                                   std::uint64_t size_hint) override {
    SPRINGG_RETURN_IF_ERROR(next("create"));
    SPRINGG_ASSIGN_OR_RETURN(auto file, files_->create(path, size_hint));
    return std::unique_ptr<io::WritableFile>(std::make_unique<File>(*this, std::move(file)));
  }
  Result<std::shared_ptr<const io::MappedFile>> map(const std::string& path) override {
    return files_->map(path);
  }
  Status rename(const std::string& from, const std::string& to) override {
    SPRINGG_RETURN_IF_ERROR(next("rename"));
    return files_->rename(from, to);
  }
  Result<std::uint64_t> file_bytes(const std::string& path) override {
    return files_->file_bytes(path);
  }
  Status link(const std::string& from, const std::string& to) override {
    SPRINGG_RETURN_IF_ERROR(next("link"));
    return files_->link(from, to);
  }
  Status remove(const std::string& path) override { return files_->remove(path); }
  Result<bool> exists(const std::string& path) override { return files_->exists(path); }
  Result<std::vector<std::string>> list(const std::string& directory) override {
    return files_->list(directory);
  }
  Status sync_directory(const std::string& path) override {
    SPRINGG_RETURN_IF_ERROR(next("sync_directory"));
    return files_->sync_directory(path);
  }
  Result<std::unique_ptr<io::DirectoryLock>> lock_directory(const std::string& path) override {
    return files_->lock_directory(path);
  }

 private:
  class File final : public io::WritableFile {
   public:
    File(FailingFileSystem& owner, std::unique_ptr<io::WritableFile> file)
        : owner_(owner), file_(std::move(file)) {}
    Status append(std::span<const std::byte> bytes) override {
      SPRINGG_RETURN_IF_ERROR(owner_.next("append"));
      return file_->append(bytes);
    }
    Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
      SPRINGG_RETURN_IF_ERROR(owner_.next("write_at"));
      return file_->write_at(offset, bytes);
    }
    Status sync() override {
      SPRINGG_RETURN_IF_ERROR(owner_.next("sync"));
      return file_->sync();
    }
    Status close() override {
      SPRINGG_RETURN_IF_ERROR(owner_.next("close"));
      return file_->close();
    }

   private:
    FailingFileSystem& owner_;
    std::unique_ptr<io::WritableFile> file_;
  };

  Status next(const char* call) {
    const std::lock_guard lock(mutex_);  // the log has a thread of its own
    calls_.emplace_back(call);
    if (left_ < 0) return {};
    if (left_ == 0) return resource_exhausted("the disk is full");
    --left_;
    return {};
  }

  std::unique_ptr<io::FileSystem> files_ = io::make_memory_file_system();
  std::mutex mutex_;
  int left_ = -1;
  std::vector<std::string> calls_;
};

}  // namespace springg::testing
