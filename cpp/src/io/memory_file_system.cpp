// SPDX-License-Identifier: MIT
#include <unistd.h>

#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "base/buffer.h"
#include "io/file_system.h"
#include "io/memory_path.h"

namespace springg::io {

namespace {

// Its own lock: a file may be written while another thread lists or maps.
struct Node {
  std::mutex mutex;
  std::vector<std::byte> bytes;
};

// Shared with locks, so that one may outlive the file system.
struct State {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<Node>> files;
  std::set<std::string> directories{"/", "."};
  std::set<std::string> locked;
};

Status missing(const char* action, const std::string& path) {
  return not_found(std::string("cannot ") + action + " " + path + ": no such file or directory")
      .with("file", path);
}

class MemoryWritableFile final : public WritableFile {
 public:
  MemoryWritableFile(std::shared_ptr<Node> node, std::string path)
      : node_(std::move(node)), path_(std::move(path)) {}

  Status append(std::span<const std::byte> bytes) override {
    SPRINGG_RETURN_IF_ERROR(usable());
    const std::lock_guard guard(node_->mutex);
    node_->bytes.insert(node_->bytes.end(), bytes.begin(), bytes.end());
    return {};
  }

  Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    SPRINGG_RETURN_IF_ERROR(usable());
    const std::lock_guard guard(node_->mutex);
    const std::size_t size = node_->bytes.size();
    if (offset > size || bytes.size() > size - offset) {
      return invalid_argument("write outside what was appended to " + path_ + ": " +
                              std::to_string(size) + " bytes, got offset " +
                              std::to_string(offset) + " and " + std::to_string(bytes.size()) +
                              " bytes");
    }
    if (!bytes.empty()) std::memcpy(node_->bytes.data() + offset, bytes.data(), bytes.size());
    return {};
  }

  Status sync() override { return usable(); }

  Status close() override {
    node_.reset();
    return {};
  }

 private:
  Status usable() const {
    return node_ != nullptr ? Status() : failed_precondition("file is closed: " + path_);
  }

  std::shared_ptr<Node> node_;  // null once closed
  std::string path_;
};

// A copy of its own: page-aligned as a mapping is, and not moved by later writes.
class MemoryMappedFile final : public MappedFile {
 public:
  explicit MemoryMappedFile(base::Buffer buffer) : buffer_(std::move(buffer)) {}
  std::span<const std::byte> bytes() const noexcept override { return buffer_.span(); }

 private:
  base::Buffer buffer_;
};

class MemoryDirectoryLock final : public DirectoryLock {
 public:
  MemoryDirectoryLock(std::shared_ptr<State> state, std::string directory)
      : state_(std::move(state)), directory_(std::move(directory)) {}
  ~MemoryDirectoryLock() override {
    const std::lock_guard guard(state_->mutex);
    state_->locked.erase(directory_);
  }

 private:
  std::shared_ptr<State> state_;
  std::string directory_;
};

class MemoryFileSystem final : public FileSystem {
 public:
  Status create_directories(const std::string& path) override {
    const std::lock_guard guard(state_->mutex);
    std::string part = normal_path(path);
    std::vector<std::string> made;
    for (; !state_->directories.contains(part); part = parent_path(part)) {
      if (state_->files.contains(part)) {
        std::string message = "cannot create directory " + path;
        message.append(": a file has the name ").append(part);
        return io_error(std::move(message)).with("file", path);
      }
      made.push_back(part);
    }
    state_->directories.insert(made.begin(), made.end());
    return {};
  }

  Result<std::unique_ptr<WritableFile>> create(const std::string& path, std::uint64_t) override {
    const std::lock_guard guard(state_->mutex);
    const std::string name = normal_path(path);
    if (!state_->directories.contains(parent_path(name))) return missing("create", path);
    if (state_->files.contains(name) || state_->directories.contains(name)) {
      return already_exists("cannot create " + path + ": file exists").with("file", path);
    }
    auto node = std::make_shared<Node>();
    state_->files[name] = node;
    return std::unique_ptr<WritableFile>(
        std::make_unique<MemoryWritableFile>(std::move(node), path));
  }

  Result<std::shared_ptr<const MappedFile>> map(const std::string& path) override {
    std::shared_ptr<Node> node;
    {
      const std::lock_guard guard(state_->mutex);
      if (state_->directories.contains(normal_path(path))) {
        return io_error("cannot map " + path + ": no regular file").with("file", path);
      }
      const auto found = state_->files.find(normal_path(path));
      if (found == state_->files.end()) return missing("open", path);
      node = found->second;
    }
    const std::lock_guard guard(node->mutex);
    SPRINGG_ASSIGN_OR_RETURN(auto buffer, base::Buffer::allocate(node->bytes.size()));
    if (buffer.size() != 0) std::memcpy(buffer.data(), node->bytes.data(), buffer.size());
    return std::shared_ptr<const MappedFile>(new MemoryMappedFile(std::move(buffer)));
  }

  Status rename(const std::string& from, const std::string& to) override {
    const std::lock_guard guard(state_->mutex);
    const std::string target = normal_path(to);
    const auto found = state_->files.find(normal_path(from));
    if (found == state_->files.end() || !state_->directories.contains(parent_path(target))) {
      return missing("rename", from);
    }
    if (state_->directories.contains(target)) {
      return io_error("cannot rename to " + to + " from " + from + ": is a directory")
          .with("file", from);
    }
    auto node = found->second;
    const auto replaced = state_->files.find(target);
    // Two names of one file, or one name: the system changes nothing.
    if (replaced != state_->files.end() && replaced->second == node) return {};
    state_->files.erase(found);
    state_->files[target] = std::move(node);
    return {};
  }

  Result<std::uint64_t> file_bytes(const std::string& path) override {
    std::shared_ptr<Node> node;
    {
      const std::lock_guard guard(state_->mutex);
      if (state_->directories.contains(normal_path(path))) {
        return io_error("cannot tell the size of " + path + ": no regular file").with("file", path);
      }
      const auto found = state_->files.find(normal_path(path));
      if (found == state_->files.end()) return missing("inspect", path);
      node = found->second;
    }
    const std::lock_guard guard(node->mutex);
    return node->bytes.size();
  }

  Status link(const std::string& from, const std::string& to) override {
    const std::lock_guard guard(state_->mutex);
    const std::string target = normal_path(to);
    const auto found = state_->files.find(normal_path(from));
    if (state_->directories.contains(normal_path(from))) {
      return unsupported("cannot link " + to + " to " + from + ": is a directory")
          .with("file", from);
    }
    if (found == state_->files.end() || !state_->directories.contains(parent_path(target))) {
      return missing("link", from);
    }
    if (state_->files.contains(target) || state_->directories.contains(target)) {
      return already_exists("cannot link " + to + " to " + from + ": file exists")
          .with("file", from);
    }
    state_->files[target] = found->second;
    return {};
  }

  Status remove(const std::string& path) override {
    const std::lock_guard guard(state_->mutex);
    return state_->files.erase(normal_path(path)) == 1 ? Status() : missing("remove", path);
  }

  Result<bool> exists(const std::string& path) override {
    const std::lock_guard guard(state_->mutex);
    const std::string name = normal_path(path);
    return state_->files.contains(name) || state_->directories.contains(name);
  }

  Result<std::vector<std::string>> list(const std::string& directory) override {
    const std::lock_guard guard(state_->mutex);
    const std::string name = normal_path(directory);
    if (!state_->directories.contains(name)) return missing("list", directory);
    std::vector<std::string> names;
    for (const auto& [path, node] : state_->files) {
      if (parent_path(path) == name) {
        names.push_back(last_name(path));
      }
    }
    return names;
  }

  Status sync_directory(const std::string& path) override {
    const std::lock_guard guard(state_->mutex);
    return state_->directories.contains(normal_path(path)) ? Status() : missing("open", path);
  }

  Result<std::unique_ptr<DirectoryLock>> lock_directory(const std::string& directory) override {
    const std::lock_guard guard(state_->mutex);
    const std::string name = normal_path(directory);
    if (!state_->directories.contains(name)) return missing("open", directory);
    const std::int64_t pid = ::getpid();
    if (!state_->locked.insert(name).second) {
      return failed_precondition("database is open in process " + std::to_string(pid) +
                                 " (this one): " + directory)
          .with("pid", pid)
          .with("file", directory);
    }
    state_->files.try_emplace(normal_path(directory + "/LOCK"), std::make_shared<Node>());
    return std::unique_ptr<DirectoryLock>(std::make_unique<MemoryDirectoryLock>(state_, name));
  }

 private:
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace

std::unique_ptr<FileSystem> make_memory_file_system() {
  return std::make_unique<MemoryFileSystem>();
}

}  // namespace springg::io
