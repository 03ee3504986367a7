// SPDX-License-Identifier: MIT
// POSIX record locks: a forked child does not inherit them, the system frees them with the process
// and names their holder. Their trap: closing any descriptor of the file frees the lock, so within
// a process a registry answers before the file is opened a second time.
#include "io/posix_directory_lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <map>
#include <mutex>
#include <utility>

#include "io/posix_error.h"

namespace springg::io {

namespace {

using DirectoryKey = std::pair<dev_t, ino_t>;

struct Registry {
  std::mutex mutex;
  std::map<DirectoryKey, pid_t> holders;  // an entry of another pid came over a fork: void
};

Registry& registry() {
  static Registry& instance = *new Registry;  // outlives whatever is destroyed at exit
  return instance;
}

class PosixDirectoryLock final : public DirectoryLock {
 public:
  PosixDirectoryLock(DirectoryKey key, int fd, pid_t pid) : key_(key), fd_(fd), pid_(pid) {}
  ~PosixDirectoryLock() override {
    // A forked child never had the lock. It keeps the descriptor: closing it would free a lock
    // that the child took since.
    if (::getpid() != pid_) return;
    const std::lock_guard guard(registry().mutex);
    (void)::close(fd_);
    registry().holders.erase(key_);
  }

 private:
  DirectoryKey key_;
  int fd_;
  pid_t pid_;
};

Status held_by(std::int64_t pid, const char* note, const std::string& directory) {
  return failed_precondition("database is open in process " + std::to_string(pid) + note + ": " +
                             directory)
      .with("pid", pid)
      .with("file", directory);
}

struct flock whole_file(short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

// The holder as it wrote itself down; 0 when there is nothing to read.
std::int64_t pid_in_file(int fd) {
  char text[24] = {};
  const ssize_t length = ::pread(fd, text, sizeof text - 1, 0);
  return length > 0 ? std::strtoll(text, nullptr, 10) : 0;
}

Status try_lock(int fd, const std::string& directory) {
  // The holder may let go between the two calls; then it is our turn again.
  for (int attempt = 0; attempt < 100; ++attempt) {
    struct flock lock = whole_file(F_WRLCK);
    if (::fcntl(fd, F_SETLK, &lock) == 0) return {};
    if (errno == EINTR) continue;
    if (errno != EACCES && errno != EAGAIN) return posix_status(errno, "lock", directory + "/LOCK");
    lock = whole_file(F_WRLCK);
    if (::fcntl(fd, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) continue;
    // Not above 0 for a holder on another machine or in another pid namespace.
    return held_by(lock.l_pid > 0 ? lock.l_pid : pid_in_file(fd), "", directory);
  }
  return held_by(pid_in_file(fd), "", directory);
}

void write_pid(int fd, pid_t pid) {
  // For people to read: a full disk must not keep a database from being opened.
  const std::string text = std::to_string(pid) + "\n";
  if (::ftruncate(fd, 0) != 0) return;
  [[maybe_unused]] const ssize_t written = ::pwrite(fd, text.data(), text.size(), 0);
}

}  // namespace

Result<std::unique_ptr<DirectoryLock>> lock_posix_directory(const std::string& directory) {
  struct stat info {};
  if (::stat(directory.c_str(), &info) != 0) return posix_status(errno, "open", directory);
  const DirectoryKey key{info.st_dev, info.st_ino};
  const pid_t pid = ::getpid();
  const std::lock_guard guard(registry().mutex);
  const auto holder = registry().holders.find(key);
  if (holder != registry().holders.end() && holder->second == pid) {
    return held_by(pid, " (this one)", directory);
  }
  const std::string path = directory + "/LOCK";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (fd < 0) return posix_status(errno, "create", path);
  if (Status status = try_lock(fd, directory); !status.ok()) {
    (void)::close(fd);
    return status;
  }
  write_pid(fd, pid);
  registry().holders[key] = pid;
  return std::unique_ptr<DirectoryLock>(std::make_unique<PosixDirectoryLock>(key, fd, pid));
}

}  // namespace springg::io
