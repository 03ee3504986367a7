// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/seeded_bug.h"
#include "io/descriptor.h"
#include "io/file_system.h"
#include "io/mapping_guard.h"
#include "io/posix_directory_lock.h"
#include "io/posix_error.h"
#include "io/posix_pages.h"
#include "io/retry_interrupted.h"

namespace springg::io {

namespace {

// One call of write() takes no more than this on some systems.
constexpr std::size_t kWriteBytesMax = std::size_t{1} << 30;

int open_file(const std::string& path, int flags, mode_t mode = 0) {
  return retry_interrupted(
      [&] { return ::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, mode); });
}

// Durable data and size; on macOS fsync leaves the bytes in the drive's cache.
int sync_descriptor(int fd) {
#if defined(__APPLE__)
  return ::fcntl(fd, F_FULLFSYNC);
#else
  return ::fdatasync(fd);
#endif
}

// 0 or errno. A file system that cannot reserve says so at the write.
int reserve_space(int fd, std::uint64_t bytes) {
#if defined(__linux__)
  const int result = retry_interrupted(
      [&] { return ::fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(bytes)); });
  if (result != 0 && errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL) return errno;
#else
  (void)fd;
  (void)bytes;
#endif
  return 0;
}

class PosixWritableFile final : public WritableFile {
 public:
  PosixWritableFile(std::string path, std::uint64_t reserved)
      : path_(std::move(path)), reserved_(reserved) {}
  ~PosixWritableFile() override {
    if (fd_ >= 0) (void)::close(fd_);
  }
  // Takes it over.
  void attach(int fd) noexcept { fd_ = fd; }

  Status append(std::span<const std::byte> bytes) override {
    SPRINGG_RETURN_IF_ERROR(write_all(size_, bytes));
    size_ += bytes.size();
    return {};
  }

  Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    if (offset > size_ || bytes.size() > size_ - offset) {
      return invalid_argument("write outside what was appended to " + path_ + ": " +
                              std::to_string(size_) + " bytes, got offset " +
                              std::to_string(offset) + " and " + std::to_string(bytes.size()) +
                              " bytes");
    }
    return write_all(offset, bytes);
  }

  Status sync() override {
    SPRINGG_RETURN_IF_ERROR(usable());
    int result = sync_descriptor(fd_);
    if constexpr (base::kSeededBug == base::kBugRetrySync) {
      if (result != 0) result = sync_descriptor(fd_);
    }
    if (result != 0) return fail(posix_status(errno, "sync", path_));
    return {};
  }

  Status close() override {
    if (fd_ < 0) return {};
    // Gives back what was reserved and not used.
    if (reserved_ > size_) (void)::ftruncate(fd_, static_cast<off_t>(size_));
    // Never again after EINTR: the descriptor is gone and its number may be another's.
    const int result = ::close(std::exchange(fd_, -1));
    if (result != 0 && errno != EINTR) return fail(posix_status(errno, "close", path_));
    return {};
  }

 private:
  Status usable() const {
    if (!failed_.ok()) return failed_;
    return fd_ >= 0 ? Status() : failed_precondition("file is closed: " + path_);
  }

  Status fail(Status status) {
    failed_ = status;
    return status;
  }

  Status write_all(std::uint64_t offset, std::span<const std::byte> bytes) {
    SPRINGG_RETURN_IF_ERROR(usable());
    while (!bytes.empty()) {
      const std::size_t count = std::min(bytes.size(), kWriteBytesMax);
      const ssize_t written = retry_interrupted(
          [&] { return ::pwrite(fd_, bytes.data(), count, static_cast<off_t>(offset)); });
      if (written < 0) return fail(posix_status(errno, "write", path_));
      if (written == 0) return fail(io_error("cannot write " + path_ + ": no byte was taken"));
      bytes = bytes.subspan(static_cast<std::size_t>(written));
      offset += static_cast<std::uint64_t>(written);
    }
    return {};
  }

  int fd_ = -1;
  std::string path_;
  std::uint64_t reserved_;
  std::uint64_t size_ = 0;
  Status failed_;  // the first error; every later call returns it
};

class PosixMappedFile final : public MappedFile {
 public:
  PosixMappedFile() = default;  // of an empty file
  // Takes the mapping over.
  void attach(void* data, std::size_t size, GuardedRange* range) noexcept {
    data_ = data;
    size_ = size;
    range_ = range;
  }
  ~PosixMappedFile() override {
    if (size_ == 0) return;
    release_range(range_);
    (void)::munmap(data_, size_);
  }
  std::span<const std::byte> bytes() const noexcept override {
    return {static_cast<const std::byte*>(data_), size_};
  }
  bool unreadable() const noexcept override {
    if (size_ == 0) return false;
    // A file cut within a page shows zeros up to the page's end, and no signal tells: only the
    // pages behind give one. So the last byte is asked for.
    (void)*(static_cast<const volatile char*>(data_) + size_ - 1);
    return has_zeroed_pages(*range_);
  }
  void drop(std::span<const std::byte> part) const noexcept override {
    if (size_ != 0) drop_pages(bytes(), part);
  }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
  GuardedRange* range_ = nullptr;
};

// To map it, or to read from it.
Result<Descriptor> open_to_read(const std::string& path) {
  // O_NONBLOCK: opening a pipe must not wait for its other end.
  Descriptor fd(open_file(path, O_RDONLY | O_NONBLOCK));
  if (fd.get() < 0 && errno == ELOOP) {
    return io_error("cannot open " + path + ": a symbolic link").with("file", path);
  }
  if (fd.get() < 0) return posix_status(errno, "open", path);
  return fd;
}

Result<std::shared_ptr<const MappedFile>> map_descriptor(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return posix_status(errno, "inspect", path);
  if (!S_ISREG(info.st_mode)) {
    return io_error("cannot map " + path + ": no regular file").with("file", path);
  }
  const auto size = static_cast<std::size_t>(info.st_size);
  auto file = std::make_shared<PosixMappedFile>();
  if (size == 0) return std::shared_ptr<const MappedFile>(std::move(file));
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) return posix_status(errno, "map", path);
  GuardedRange* range = guard_range(data, size, GuardedUse::kRead);
  if (range == nullptr) {
    (void)::munmap(data, size);
    return posix_status(ENOMEM, "map", path);
  }
  file->attach(data, size, range);
  return std::shared_ptr<const MappedFile>(std::move(file));
}

bool is_regular(int directory_fd, const dirent& entry) {
#ifdef _DIRENT_HAVE_D_TYPE
  if (entry.d_type != DT_UNKNOWN) return entry.d_type == DT_REG;
#endif
  struct stat info {};
  return ::fstatat(directory_fd, entry.d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISREG(info.st_mode);
}

// Makes the names in a directory durable.
Status sync_entries(const std::string& path) {
  const int fd =
      retry_interrupted([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (fd < 0) return posix_status(errno, "open", path);
  const int error = ::fsync(fd) == 0 ? 0 : errno;
  (void)::close(fd);
  // EINVAL: a file system that has no such call keeps its directories by other means.
  if (error != 0 && error != EINVAL) return posix_status(error, "sync directory", path);
  return {};
}

Status make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0777) == 0) {
    // Its name in the parent must be durable, or all in it could be lost with it. A parent that may
    // be written and not read cannot be synced.
    const std::string parent = path + "/..";
    return ::access(parent.c_str(), R_OK) == 0 ? sync_entries(parent) : Status{};
  }
  const int error = errno;
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) return {};
    return io_error("cannot create directory " + path + ": a file has that name")
        .with("file", path);
  }
  return posix_status(error, "create directory", path);
}

// Errors of link() that say that a copy must do: not on this file system, not on files of others,
// not between two file systems, no more names for this file.
bool no_link_possible(int error) {
  return error == EPERM || error == EXDEV || error == EMLINK || error == EOPNOTSUPP ||
         error == ENOSYS;
}

class PosixFileSystem final : public FileSystem {
 public:
  Status create_directories(const std::string& path) override {
    for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
      const std::string part = path.substr(0, end);
      SPRINGG_RETURN_IF_ERROR(make_directory(part.empty() ? "." : part));
      if (end == std::string::npos || end + 1 == path.size()) return {};
    }
  }

  Result<std::unique_ptr<WritableFile>> create(const std::string& path,
                                               std::uint64_t size_hint) override {
    auto file = std::make_unique<PosixWritableFile>(path, size_hint);
    const int fd = open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (fd < 0) return posix_status(errno, "create", path);
    file->attach(fd);
    const int error = size_hint == 0 ? 0 : reserve_space(fd, size_hint);
    if (error != 0) {
      (void)::unlink(path.c_str());
      const std::string action = "reserve " + std::to_string(size_hint) + " bytes for";
      return posix_status(error, action, path);
    }
    return std::unique_ptr<WritableFile>(std::move(file));
  }

  Result<std::shared_ptr<const MappedFile>> map(const std::string& path) override {
    SPRINGG_ASSIGN_OR_RETURN(const Descriptor fd, open_to_read(path));
    return map_descriptor(fd.get(), path);
  }

  Result<FileToRead> map_with_reader(const std::string& path) override {
    SPRINGG_ASSIGN_OR_RETURN(Descriptor fd, open_to_read(path));
    SPRINGG_ASSIGN_OR_RETURN(auto mapped, map_descriptor(fd.get(), path));
    return FileToRead{std::move(mapped), make_random_reader(std::move(fd))};
  }

  Result<std::unique_ptr<ScratchMemory>> make_scratch(const std::string& directory,
                                                      std::uint64_t bytes) override {
    return make_scratch_memory(directory, bytes);
  }

  Result<std::uint64_t> file_bytes(const std::string& path) override {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) return posix_status(errno, "inspect", path);
    if (S_ISREG(info.st_mode)) return static_cast<std::uint64_t>(info.st_size);
    return io_error("cannot tell the size of " + path + ": no regular file").with("file", path);
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) == 0) return {};
    return posix_status(errno, "rename to " + to + " from", from);
  }

  Status link(const std::string& from, const std::string& to) override {
    if (::link(from.c_str(), to.c_str()) == 0) return {};
    const int error = errno;
    const std::string action = "link " + to + " to";
    if (!no_link_possible(error)) return posix_status(error, action, from);
    return unsupported(posix_status(error, action, from).message())
        .with("file", from)
        .with("errno", error);
  }

  Status remove(const std::string& path) override {
    return ::unlink(path.c_str()) == 0 ? Status() : posix_status(errno, "remove", path);
  }

  Result<bool> exists(const std::string& path) override {
    struct stat info {};
    if (::lstat(path.c_str(), &info) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return posix_status(errno, "inspect", path);
  }

  Result<std::vector<std::string>> list(const std::string& directory) override {
    DIR* opened = ::opendir(directory.c_str());
    while (opened == nullptr && errno == EINTR) opened = ::opendir(directory.c_str());
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(opened, &::closedir);
    if (stream == nullptr) return posix_status(errno, "list", directory);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(stream.get())) {
      if (is_regular(::dirfd(stream.get()), *entry)) names.emplace_back(entry->d_name);
      errno = 0;
    }
    if (errno != 0) return posix_status(errno, "list", directory);
    std::sort(names.begin(), names.end());
    return names;
  }

  Status sync_directory(const std::string& path) override { return sync_entries(path); }

  Result<std::unique_ptr<DirectoryLock>> lock_directory(const std::string& directory) override {
    return lock_posix_directory(directory);
  }
};

}  // namespace

FileSystem& posix_file_system() {
  static FileSystem& instance = *new PosixFileSystem;
  return instance;
}

}  // namespace springg::io
