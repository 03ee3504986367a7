// SPDX-License-Identifier: MIT
// What folder io makes of answers that the system gives rarely: the calls below stand in the place
// of the C library's in this program.
#if defined(__linux__)

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "catch.h"
#include "io/file_system.h"
#include "temporary_directory.h"
#include "write_file.h"

namespace {

// Calls that a signal breaks off before one is let through.
std::atomic<int> interrupted_opens{0};
std::atomic<int> interrupted_reservations{0};
// What a read that may not wait for the disk fails with; 0: the system's answer.
std::atomic<int> no_wait_error{0};
std::atomic<int> asked_for{0};
// Called after a file was opened, once.
std::function<void()> after_open;

bool take_one(std::atomic<int>& left) {
  if (left.load() == 0) return false;
  --left;
  errno = EINTR;
  return true;
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  if (take_one(interrupted_opens)) return -1;
  std::va_list list;
  va_start(list, flags);
  const auto mode = va_arg(list, mode_t);
  va_end(list);
  const auto fd = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
  if (const auto then = std::exchange(after_open, nullptr)) then();
  return fd;
}

int fallocate(int fd, int mode, off_t offset, off_t bytes) {
  if (take_one(interrupted_reservations)) return -1;
  return static_cast<int>(::syscall(SYS_fallocate, fd, mode, offset, bytes));
}

int posix_fadvise(int fd, off_t offset, off_t bytes, int advice) noexcept {
  if (advice == POSIX_FADV_WILLNEED) ++asked_for;
  return ::syscall(SYS_fadvise64, fd, offset, bytes, advice) == 0 ? 0 : errno;
}

ssize_t preadv2(int fd, const iovec* to, int count, off_t offset, int flags) {
  if (no_wait_error != 0 && (flags & RWF_NOWAIT) != 0) {
    errno = no_wait_error;
    return -1;
  }
  return ::syscall(SYS_preadv2, fd, to, count, offset, 0L, flags);
}

}  // extern "C"

namespace springg::io {

namespace {

std::vector<std::byte> filled(std::byte with) { return std::vector<std::byte>(40'000, with); }

void write_filled(const testing::TemporaryDirectory& place, const std::string& name, int with) {
  const auto bytes = filled(static_cast<std::byte>(with));
  REQUIRE(testing::write_file(posix_file_system(), place.path(), name, bytes).ok());
}

// How many ranges the disk is asked for, of two that are wanted and three that may follow.
int asked_by_one_read(const RandomReader& reader) {
  asked_for = 0;
  std::vector<std::byte> out(2'000);
  const std::span<std::byte> all(out);
  const FileRange wanted[] = {{0, all.first(1'000)}, {9'000, all.subspan(1'000)}};
  const FileRange soon[] = {{1'000, all}, {20'000, all}, {30'000, all}};
  CHECK(reader.read(wanted, soon));
  CHECK(out == std::vector<std::byte>(2'000, std::byte{7}));
  return asked_for;
}

}  // namespace

TEST_CASE("what may follow is asked for where the system tells what is in its cache") {
  const testing::TemporaryDirectory place;
  write_filled(place, "rows", 7);
  const auto file = posix_file_system().map_with_reader(place / "rows");
  REQUIRE(file.ok());
  no_wait_error = EAGAIN;  // nothing is in the cache
  CHECK(asked_by_one_read(*file->reader) == 5);
  CHECK(asked_by_one_read(*file->reader) == 5);
  no_wait_error = EOPNOTSUPP;  // nobody knows
  CHECK(asked_by_one_read(*file->reader) == 2);
  CHECK(asked_by_one_read(*file->reader) == 2);
  no_wait_error = 0;
}

TEST_CASE("scratch memory is made although signals break its calls off") {
  const testing::TemporaryDirectory place;
  interrupted_opens = 2;
  interrupted_reservations = 3;
  auto made = posix_file_system().make_scratch(place.path(), 100'000);
  if (made.status().code() == ErrorCode::kUnsupported) return;  // a file system without
  CHECK(made.ok());
  CHECK(interrupted_opens == 0);
  CHECK(interrupted_reservations == 0);
  interrupted_opens = 0;
  interrupted_reservations = 0;
}

TEST_CASE("a reader reads the file that is mapped, though another takes its name") {
  const testing::TemporaryDirectory place;
  write_filled(place, "rows", 7);
  write_filled(place, "other", 8);
  after_open = [&] {
    if (std::rename((place / "other").c_str(), (place / "rows").c_str()) != 0) FAIL("rename");
  };
  const auto file = posix_file_system().map_with_reader(place / "rows");
  REQUIRE(file.ok());
  CHECK(posix_file_system().map(place / "rows").value()->bytes()[0] == std::byte{8});
  CHECK(file->mapped->bytes()[0] == std::byte{7});
  std::byte first{};
  const FileRange wanted[] = {{0, {&first, 1}}};
  CHECK(file->reader->read(wanted, {}));
  CHECK(first == std::byte{7});
}

}  // namespace springg::io

#endif
