// SPDX-License-Identifier: MIT
// Locks of the open file description (Linux): the system frees them with the process, and reading
// or copying the file elsewhere in the process does not (it would free a POSIX record lock). A
// forked child shares the description and would keep the lock alive, so it closes its descriptors
// at once.
// Who holds the lock stands in the file.
#include "io/posix_directory_lock.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <map>
#include <mutex>
#include <utility>

#include "io/descriptor.h"
#include "io/posix_error.h"

namespace springg::io {

namespace {

using DirectoryKey = std::pair<dev_t, ino_t>;

// The directories that this process holds, and the descriptors that hold them.
struct Registry {
  std::mutex mutex;
  std::map<DirectoryKey, int> holders;
};

Registry& registry();

void before_fork() { registry().mutex.lock(); }
void after_fork_in_parent() { registry().mutex.unlock(); }
void after_fork_in_child() {
  for (const auto& [key, fd] : registry().holders) (void)::close(fd);
  registry().holders.clear();
  registry().mutex.unlock();
}

Registry& registry() {
  static Registry& instance = []() -> Registry& {
    (void)::pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    return *new Registry;  // outlives whatever is destroyed at exit
  }();
  return instance;
}

class PosixDirectoryLock final : public DirectoryLock {
 public:
  PosixDirectoryLock(DirectoryKey key, pid_t pid) : key_(key), pid_(pid) {}
  // Takes the descriptor over, which `holder` has as well; under the registry's mutex.
  void attach(int fd, decltype(Registry::holders)&& holder) noexcept {
    fd_ = fd;
    registry().holders.merge(holder);
  }
  ~PosixDirectoryLock() override {
    // A forked child never had the lock, and closed the descriptor.
    if (fd_ < 0 || ::getpid() != pid_) return;
    const std::lock_guard guard(registry().mutex);
    (void)::close(fd_);
    registry().holders.erase(key_);
  }

 private:
  DirectoryKey key_;
  int fd_ = -1;
  pid_t pid_;
};

int open_lock_file(const std::string& path) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

Status held_by(std::int64_t pid, const char* note, const std::string& directory) {
  return failed_precondition("database is open in process " + std::to_string(pid) + note + ": " +
                             directory)
      .with("pid", pid)
      .with("file", directory);
}

// The holder as it wrote itself down; 0 when there is nothing to read.
std::int64_t pid_in_file(int fd) {
  char text[24] = {};
  const ssize_t length = ::pread(fd, text, sizeof text - 1, 0);
  return length > 0 ? std::strtoll(text, nullptr, 10) : 0;
}

Status try_lock(int fd, const std::string& directory) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  while (::fcntl(fd, F_OFD_SETLK, &lock) != 0) {
    if (errno == EINTR) continue;
    if (errno != EACCES && errno != EAGAIN) return posix_status(errno, "lock", directory + "/LOCK");
    return held_by(pid_in_file(fd), "", directory);
  }
  return {};
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
  if (registry().holders.count(key) != 0) return held_by(pid, " (this one)", directory);
  const std::string path = directory + "/LOCK";
  Descriptor fd(open_lock_file(path));
  if (fd.get() < 0) return posix_status(errno, "create", path);
  // Nothing that may fail once it is locked, or nobody could unlock it.
  auto lock = std::make_unique<PosixDirectoryLock>(key, pid);
  decltype(Registry::holders) holder{{key, fd.get()}};
  SPRINGG_RETURN_IF_ERROR(try_lock(fd.get(), directory));
  write_pid(fd.get(), pid);
  lock->attach(fd.release(), std::move(holder));
  return std::unique_ptr<DirectoryLock>(std::move(lock));
}

}  // namespace springg::io
