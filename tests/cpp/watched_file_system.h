// SPDX-License-Identifier: MIT
// Any file system, with a record of the calls that change something, and a say in each of them
// before it is made: to fail it, to delay it. Any thread.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "io/file_system.h"

namespace springg::testing {

struct FileCall {
  std::string call;
  std::string name;  // of the file, without directory

  bool operator==(const FileCall&) const = default;
};

class WatchedFileSystem final : public io::FileSystem {
 public:
  using Say = std::function<Status(const FileCall&)>;

  explicit WatchedFileSystem(io::FileSystem& files) : files_(files) {}

  // Called before each call, by the thread that makes it; an error is the call's.
  void before_each(Say say) {
    const std::lock_guard guard(mutex_);
    say_ = std::move(say);
  }
  // What map() gives in the place of a file that is there.
  using Mapping = std::shared_ptr<const io::MappedFile>;
  void map_as(std::function<Mapping(const std::string& path, Mapping)> change) {
    const std::lock_guard guard(mutex_);
    change_mapping_ = std::move(change);
  }
  // The readers of map_with_reader(); none: those of the file system below.
  using Reader = Result<std::unique_ptr<const io::RandomReader>>;
  void read_as(std::function<Reader(const std::string& path)> make) {
    const std::lock_guard guard(mutex_);
    make_reader_ = std::move(make);
  }
  std::vector<FileCall> calls() const {
    const std::lock_guard guard(mutex_);
    return calls_;
  }
  std::size_t count(const std::string& call) const {
    const std::lock_guard guard(mutex_);
    return static_cast<std::size_t>(std::count_if(
        calls_.begin(), calls_.end(), [&](const FileCall& made) { return made.call == call; }));
  }
  void forget_calls() {
    const std::lock_guard guard(mutex_);
    calls_.clear();
  }

  Status create_directories(const std::string& path) override {
    SPRINGG_RETURN_IF_ERROR(next("create_directories", path));
    return files_.create_directories(path);
  }
  Result<std::unique_ptr<io::WritableFile>> create(const std::string& path,
                                                   std::uint64_t size_hint) override {
    SPRINGG_RETURN_IF_ERROR(next("create", path));
    SPRINGG_ASSIGN_OR_RETURN(auto file, files_.create(path, size_hint));
    return std::unique_ptr<io::WritableFile>(std::make_unique<File>(*this, std::move(file), path));
  }
  Result<std::shared_ptr<const io::MappedFile>> map(const std::string& path) override {
    auto mapped = files_.map(path);
    const std::lock_guard guard(mutex_);
    if (!mapped.ok() || !change_mapping_) return mapped;
    return change_mapping_(path, std::move(mapped).value());
  }
  Result<io::FileToRead> map_with_reader(const std::string& path) override {
    SPRINGG_ASSIGN_OR_RETURN(auto file, files_.map_with_reader(path));
    const std::lock_guard guard(mutex_);
    if (change_mapping_) file.mapped = change_mapping_(path, std::move(file.mapped));
    if (make_reader_) {
      SPRINGG_ASSIGN_OR_RETURN(file.reader, make_reader_(path));
    }
    return file;
  }
  Result<std::unique_ptr<io::ScratchMemory>> make_scratch(const std::string& directory,
                                                          std::uint64_t bytes) override {
    SPRINGG_RETURN_IF_ERROR(next("make_scratch", directory));
    return files_.make_scratch(directory, bytes);
  }
  Status rename(const std::string& from, const std::string& to) override {
    SPRINGG_RETURN_IF_ERROR(next("rename", to));
    return files_.rename(from, to);
  }
  Status link(const std::string& from, const std::string& to) override {
    SPRINGG_RETURN_IF_ERROR(next("link", to));
    return files_.link(from, to);
  }
  Result<std::uint64_t> file_bytes(const std::string& path) override {
    return files_.file_bytes(path);
  }
  Status remove(const std::string& path) override {
    SPRINGG_RETURN_IF_ERROR(next("remove", path));
    return files_.remove(path);
  }
  Result<bool> exists(const std::string& path) override { return files_.exists(path); }
  Result<std::vector<std::string>> list(const std::string& directory) override {
    return files_.list(directory);
  }
  Status sync_directory(const std::string& path) override {
    SPRINGG_RETURN_IF_ERROR(next("sync_directory", path));
    return files_.sync_directory(path);
  }
  Result<std::unique_ptr<io::DirectoryLock>> lock_directory(const std::string& path) override {
    return files_.lock_directory(path);
  }

 private:
  class File final : public io::WritableFile {
   public:
    File(WatchedFileSystem& owner, std::unique_ptr<io::WritableFile> file, std::string path)
        : owner_(owner), file_(std::move(file)), path_(std::move(path)) {}
    Status append(std::span<const std::byte> bytes) override {
      SPRINGG_RETURN_IF_ERROR(owner_.next("append", path_));
      return file_->append(bytes);
    }
    Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
      SPRINGG_RETURN_IF_ERROR(owner_.next("write_at", path_));
      return file_->write_at(offset, bytes);
    }
    Status sync() override {
      SPRINGG_RETURN_IF_ERROR(owner_.next("sync", path_));
      return file_->sync();
    }
    Status close() override {
      SPRINGG_RETURN_IF_ERROR(owner_.next("close", path_));
      return file_->close();
    }

   private:
    WatchedFileSystem& owner_;
    std::unique_ptr<io::WritableFile> file_;
    std::string path_;
  };

  Status next(const char* call, const std::string& path) {
    FileCall made{call, path.substr(path.rfind('/') + 1)};
    Say say;
    {
      const std::lock_guard guard(mutex_);
      calls_.push_back(made);
      say = say_;
    }
    return say ? say(made) : Status();
  }

  io::FileSystem& files_;
  mutable std::mutex mutex_;
  Say say_;
  std::function<Mapping(const std::string&, Mapping)> change_mapping_;
  std::function<Reader(const std::string&)> make_reader_;
  std::vector<FileCall> calls_;
};

}  // namespace springg::testing
