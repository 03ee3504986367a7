// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>

#include "catch.h"
#include "io/file_system.h"
#include "status_of.h"
#include "temporary_directory.h"

namespace springg::io {

namespace {

// Runs `body` in a forked child; its return value is the child's exit status.
int in_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// 0: refused with that pid. 1: locked. 2: refused otherwise.
int try_to_lock(const std::string& directory, pid_t expected_holder) {
  const auto lock = posix_file_system().lock_directory(directory);
  if (lock.ok()) return 1;
  const bool named = testing::integer_detail(lock.status(), "pid") == expected_holder &&
                     testing::says(lock.status(), std::to_string(expected_holder)) &&
                     testing::says(lock.status(), directory);
  return lock.status().code() == ErrorCode::kFailedPrecondition && named ? 0 : 2;
}

}  // namespace

TEST_CASE("a second process is refused with the first one's pid") {
  const testing::TemporaryDirectory directory;
  auto lock = posix_file_system().lock_directory(directory.path());
  REQUIRE(lock.ok());
  const pid_t pid = ::getpid();
  CHECK(in_child([&] { return try_to_lock(directory.path(), pid); }) == 0);
  auto text = posix_file_system().map(directory / "LOCK");
  REQUIRE(text.ok());
  CHECK(std::string(reinterpret_cast<const char*>((*text)->bytes().data()),
                    (*text)->bytes().size()) == std::to_string(pid) + "\n");
  (*lock).reset();
  CHECK(in_child([&] { return try_to_lock(directory.path(), pid); }) == 1);
}

TEST_CASE("reading the lock's file in the same process does not free the lock") {
  const testing::TemporaryDirectory directory;
  auto lock = posix_file_system().lock_directory(directory.path());
  REQUIRE(lock.ok());
  const pid_t pid = ::getpid();
  const int fd = ::open((directory / "LOCK").c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(fd >= 0);
  REQUIRE(::close(fd) == 0);
  CHECK(in_child([&] { return try_to_lock(directory.path(), pid); }) == 0);
}

TEST_CASE("a forked child that lives on does not keep its parent's lock") {
  const testing::TemporaryDirectory directory;
  std::array<int, 2> go_on{};
  REQUIRE(::pipe(go_on.data()) == 0);
  auto lock = posix_file_system().lock_directory(directory.path());
  REQUIRE(lock.ok());
  const pid_t child = ::fork();
  if (child == 0) {
    char end = 0;
    [[maybe_unused]] const ssize_t over = ::read(go_on[0], &end, 1);
    ::_exit(0);
  }
  // In the child the descriptors go before fork() returns, which may be after it returned here.
  (*lock).reset();
  bool free = false;
  for (int attempt = 0; attempt < 200 && !free; ++attempt) {
    free = in_child([&] { return try_to_lock(directory.path(), 0); }) == 1;
    if (!free) (void)::usleep(10'000);
  }
  CHECK(free);
  REQUIRE(::write(go_on[1], "x", 1) == 1);
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  (void)::close(go_on[0]);
  (void)::close(go_on[1]);
}

TEST_CASE("a forked child neither has its parent's lock nor frees it") {
  const testing::TemporaryDirectory directory;
  auto lock = posix_file_system().lock_directory(directory.path());
  REQUIRE(lock.ok());
  const pid_t pid = ::getpid();
  CHECK(in_child([&] {
          (*lock).reset();
          return try_to_lock(directory.path(), pid);
        }) == 0);
  CHECK(in_child([&] { return try_to_lock(directory.path(), pid); }) == 0);
}

TEST_CASE("what a child inherited does not free the lock that it took when its parent was gone") {
  const testing::TemporaryDirectory directory;
  std::array<int, 2> parent_lives{}, told{}, go_on{};
  REQUIRE(::pipe(parent_lives.data()) == 0);
  REQUIRE(::pipe(told.data()) == 0);
  REQUIRE(::pipe(go_on.data()) == 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    auto inherited = posix_file_system().lock_directory(directory.path());
    if (::fork() != 0) ::_exit(inherited.ok() ? 0 : 1);
    // The write end is the parent's and the test's, which close it.
    (void)::close(parent_lives[1]);
    char end = 0;
    while (::read(parent_lives[0], &end, 1) > 0) {
    }
    const auto own = posix_file_system().lock_directory(directory.path());
    (*inherited).reset();
    const pid_t pid = own.ok() ? ::getpid() : 0;
    [[maybe_unused]] const ssize_t written = ::write(told[1], &pid, sizeof pid);
    [[maybe_unused]] const ssize_t over = ::read(go_on[0], &end, 1);
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(parent, &status, 0) == parent);
  REQUIRE(status == 0);
  (void)::close(parent_lives[1]);
  pid_t child = 0;
  REQUIRE(::read(told[0], &child, sizeof child) == sizeof child);
  CHECK(child != 0);
  CHECK(try_to_lock(directory.path(), child) == 0);
  REQUIRE(::write(go_on[1], "x", 1) == 1);
  for (const int end : {parent_lives[0], told[0], told[1], go_on[0], go_on[1]}) (void)::close(end);
}

TEST_CASE("an attempt that is refused in the process does not free the lock") {
  const testing::TemporaryDirectory directory;
  auto lock = posix_file_system().lock_directory(directory.path());
  REQUIRE(lock.ok());
  const pid_t pid = ::getpid();
  CHECK(try_to_lock(directory.path(), pid) == 0);
  CHECK(in_child([&] { return try_to_lock(directory.path(), pid); }) == 0);
}

TEST_CASE("the lock of a killed process is free") {
  const testing::TemporaryDirectory directory;
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = posix_file_system().lock_directory(directory.path());
    const char told = lock.ok() ? 'y' : 'n';
    [[maybe_unused]] const ssize_t written = ::write(ends[1], &told, 1);
    for (;;) ::pause();
  }
  char told = 0;
  REQUIRE(::read(ends[0], &told, 1) == 1);
  CHECK(told == 'y');
  CHECK(try_to_lock(directory.path(), child) == 0);
  REQUIRE(::kill(child, SIGKILL) == 0);
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  CHECK(posix_file_system().lock_directory(directory.path()).ok());
  (void)::close(ends[0]);
  (void)::close(ends[1]);
}

}  // namespace springg::io
