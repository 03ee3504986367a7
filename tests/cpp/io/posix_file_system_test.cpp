// SPDX-License-Identifier: MIT
// What only the operating system's files have: links, pipes, permissions, full disks.
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>

#include <filesystem>
#include <vector>

#include "catch.h"
#include "io/file_system.h"
#include "io/posix_error.h"
#include "status_of.h"
#include "temporary_directory.h"
#include "write_file.h"

namespace springg::io {

namespace {

using springg::testing::says;

// The process may not write files above `bytes` while it lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(::signal(SIGXFSZ, SIG_IGN)) {
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before_) == 0);
    const rlimit limited{bytes, before_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &limited) == 0);
  }
  ~FileSizeLimit() {
    (void)::setrlimit(RLIMIT_FSIZE, &before_);
    (void)::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  sighandler_t handler_;
};

}  // namespace

TEST_CASE("symbolic links and pipes are not mapped") {
  const testing::TemporaryDirectory directory;
  FileSystem& files = posix_file_system();
  REQUIRE(testing::write_file(files, directory.path(), "a", {}).ok());
  std::filesystem::create_symlink(directory / "a", directory / "link");
  const auto link = files.map(directory / "link");
  REQUIRE_FALSE(link.ok());
  CHECK(link.status().code() == ErrorCode::kIoError);
  CHECK(says(link.status(), "symbolic link"));
  REQUIRE(::mkfifo((directory / "pipe").c_str(), 0600) == 0);
  const auto pipe = files.map(directory / "pipe");
  REQUIRE_FALSE(pipe.ok());
  CHECK(says(pipe.status(), "no regular file"));
  auto names = files.list(directory.path());
  REQUIRE(names.ok());
  CHECK(*names == std::vector<std::string>{"a"});
}

TEST_CASE("errors name the path and the system's reason") {
  const auto file = posix_file_system().create("/no/such/place/x", 0);
  REQUIRE_FALSE(file.ok());
  CHECK(file.status().message() == "cannot create /no/such/place/x: no such file or directory");
  CHECK(testing::text_detail(file.status(), "file") == "/no/such/place/x");
}

TEST_CASE("a file limit stops a write, and the temporary file goes") {
  const testing::TemporaryDirectory directory;
  const std::vector<std::byte> bytes(300'000);
  Status status;
  {
    const FileSizeLimit limit(65'536);
    status = testing::write_file(posix_file_system(), directory.path(), "a", bytes);
  }
  CHECK(status.code() == ErrorCode::kResourceExhausted);
  CHECK(std::filesystem::is_empty(directory.path()));
}

TEST_CASE("after an error a file takes no more") {
  const testing::TemporaryDirectory directory;
  auto file = posix_file_system().create(directory / "a", 0);
  REQUIRE(file.ok());
  const std::vector<std::byte> bytes(100'000);
  {
    const FileSizeLimit limit(65'536);
    CHECK((*file)->append(bytes).code() == ErrorCode::kResourceExhausted);
  }
  CHECK((*file)->append(bytes).code() == ErrorCode::kResourceExhausted);
  CHECK((*file)->sync().code() == ErrorCode::kResourceExhausted);
}

TEST_CASE("a full disk is known before anything is written") {
  const testing::TemporaryDirectory directory;
  if (::mount("tmpfs", directory.path().c_str(), "tmpfs", 0, "size=256k") != 0) {
    WARN("mounting a small file system needs root: not tested here");
    return;
  }
  FileSystem& files = posix_file_system();
  {
    const std::vector<std::byte> small(100'000), large(400'000);
    CHECK(testing::write_file(files, directory.path(), "a", small).ok());
    const Status full = testing::write_file(files, directory.path(), "a", large);
    CHECK(full.code() == ErrorCode::kResourceExhausted);
    CHECK(says(full, "no space left on device"));
    auto kept = files.map(directory / "a");
    REQUIRE(kept.ok());
    CHECK((*kept)->bytes().size() == small.size());
    auto names = files.list(directory.path());
    REQUIRE(names.ok());
    CHECK(*names == std::vector<std::string>{"a"});
    auto unreserved = files.create(directory / "b", 0);
    REQUIRE(unreserved.ok());
    CHECK((*unreserved)->append(large).code() == ErrorCode::kResourceExhausted);
  }
  REQUIRE(::umount(directory.path().c_str()) == 0);
}

TEST_CASE("where a file can have no second name, the caller is told to copy") {
  const testing::TemporaryDirectory directory;
  const testing::TemporaryDirectory other;
  if (::mount("tmpfs", other.path().c_str(), "tmpfs", 0, "size=256k") != 0) {
    WARN("mounting another file system needs root: not tested here");
    return;
  }
  FileSystem& files = posix_file_system();
  REQUIRE(testing::write_file(files, directory.path(), "a", {}).ok());
  const Status status = files.link(directory / "a", other / "a");
  REQUIRE(::umount(other.path().c_str()) == 0);
  CHECK(status.code() == ErrorCode::kUnsupported);
  CHECK(says(status, "cannot link " + (other / "a") + " to " + (directory / "a")));
}

TEST_CASE("the size of a symbolic link is not told") {
  const testing::TemporaryDirectory directory;
  REQUIRE(testing::write_file(posix_file_system(), directory.path(), "a", {}).ok());
  std::filesystem::create_symlink(directory / "a", directory / "link");
  CHECK(posix_file_system().file_bytes(directory / "link").status().code() == ErrorCode::kIoError);
}

TEST_CASE("what was reserved and not used is given back") {
  const testing::TemporaryDirectory directory;
  auto file = posix_file_system().create(directory / "a", 1 << 20);
  REQUIRE(file.ok());
  REQUIRE((*file)->append(std::vector<std::byte>(10)).ok());
  REQUIRE((*file)->close().ok());
  struct stat info {};
  REQUIRE(::stat((directory / "a").c_str(), &info) == 0);
  CHECK(info.st_size == 10);
  CHECK(info.st_blocks * 512 < (1 << 19));
}

TEST_CASE("a read-only directory is refused in plain words") {
  if (::geteuid() == 0) {
    SUCCEED("root may write everywhere");
    return;
  }
  const testing::TemporaryDirectory directory;
  std::filesystem::permissions(
      directory.path(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  const auto lock = posix_file_system().lock_directory(directory.path());
  std::filesystem::permissions(directory.path(), std::filesystem::perms::owner_all);
  REQUIRE_FALSE(lock.ok());
  CHECK(lock.status().code() == ErrorCode::kIoError);
  CHECK(says(lock.status(), "permission denied"));
}

TEST_CASE("a full table of descriptors is want of something that comes back") {
  for (const int error : {EMFILE, ENFILE, ENOSPC, ENOMEM}) {
    CHECK(posix_status(error, "open", "/d/f").code() == ErrorCode::kResourceExhausted);
  }
  CHECK(posix_status(EIO, "open", "/d/f").code() == ErrorCode::kIoError);
}

}  // namespace springg::io
