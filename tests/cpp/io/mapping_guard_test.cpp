// SPDX-License-Identifier: MIT
// Files that are cut shorter while they are mapped.
#include "io/mapping_guard.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "catch.h"
#include "io/file_system.h"
#include "temporary_directory.h"
#include "write_file.h"

namespace springg::io {

namespace {

constexpr std::size_t kPage = 4'096;

std::shared_ptr<const MappedFile> map_pages(const testing::TemporaryDirectory& directory,
                                            std::size_t pages, const std::string& name = "a") {
  const std::vector<std::byte> bytes(pages * kPage, std::byte{7});
  REQUIRE(testing::write_file(posix_file_system(), directory.path(), name, bytes).ok());
  auto mapped = posix_file_system().map(directory / name);
  REQUIRE(mapped.ok());
  return *mapped;
}

void cut(const std::string& path, std::size_t bytes) {
  REQUIRE(::truncate(path.c_str(), static_cast<off_t>(bytes)) == 0);
}

std::size_t sevens(const MappedFile& file) {
  const auto bytes = file.bytes();
  return static_cast<std::size_t>(std::count(bytes.begin(), bytes.end(), std::byte{7}));
}

// A page of a file of no bytes, which nobody guards: touching it is a bus error.
const volatile char* unguarded_page(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT, 0600);
  if (fd < 0) std::_Exit(90);
  void* page = ::mmap(nullptr, kPage, PROT_READ, MAP_SHARED, fd, 0);
  if (page == MAP_FAILED) std::_Exit(91);
  return static_cast<const volatile char*>(page);
}

// The status that a child process which runs `body` ends with.
template <class Body>
int end_of_child(Body body) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    body();
    std::_Exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return status;
}

void set_handler(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  if (::sigaction(SIGBUS, &action, nullptr) != 0) std::_Exit(92);
}

std::atomic<const void*> told_address{nullptr};

}  // namespace

TEST_CASE("a mapped file that was cut shorter reads as zeros, and tells") {
  const testing::TemporaryDirectory directory;
  const auto other = map_pages(directory, 3, "other");
  const auto file = map_pages(directory, 8);
  CHECK_FALSE(file->unreadable());
  cut(directory / "a", 2 * kPage);
  errno = 77;
  CHECK(sevens(*file) == 2 * kPage);
  CHECK(errno == 77);
  CHECK(file->unreadable());
  CHECK_FALSE(other->unreadable());
  CHECK(sevens(*other) == 3 * kPage);
  // The mark belongs to the mapping: a new one of what is left is whole.
  CHECK_FALSE(posix_file_system().map(directory / "a").value()->unreadable());
}

TEST_CASE("a cut within a page is told without a bus error of the reader's") {
  const testing::TemporaryDirectory directory;
  const auto file = map_pages(directory, 2);
  cut(directory / "a", kPage - 1);
  CHECK(std::to_integer<int>(file->bytes()[kPage - 1]) == 0);
  CHECK(file->unreadable());
}

TEST_CASE("a large file that is cut to nothing costs no mapping a page") {
  const testing::TemporaryDirectory directory;
  constexpr std::size_t kPages = 200'000;
  {
    auto made = posix_file_system().create(directory / "a", 0);
    REQUIRE(made.ok());
  }
  cut(directory / "a", kPages * kPage);
  const auto file = posix_file_system().map(directory / "a").value();
  cut(directory / "a", 0);
  // Every second page, so that what replaces them cannot become one mapping.
  std::size_t zeros = 0;
  for (std::size_t page = 0; page < kPages; page += 2) {
    zeros += file->bytes()[page * kPage] == std::byte{0} ? 1 : 0;
  }
  CHECK(zeros == kPages / 2);
  CHECK(file->unreadable());
}

TEST_CASE("threads that read, cut, map and unmap at the same time") {
  const testing::TemporaryDirectory directory;
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const std::string name = "t" + std::to_string(t);
      for (int round = 0; round < 20; ++round) {
        const std::vector<std::byte> bytes(16 * kPage, std::byte{7});
        if (!testing::write_file(posix_file_system(), directory.path(), name, bytes).ok()) ++wrong;
        const auto file = posix_file_system().map(directory / name).value();
        std::thread reader([&] { static_cast<void>(sevens(*file)); });
        if (::truncate((directory / name).c_str(), 4 * kPage) != 0) ++wrong;
        if (sevens(*file) != 4 * kPage || !file->unreadable()) ++wrong;
        reader.join();
        if (::unlink((directory / name).c_str()) != 0) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("a bus error elsewhere goes to the handler that was there before") {
  const testing::TemporaryDirectory directory;
  const auto file = map_pages(directory, 2);
  cut(directory / "a", kPage);
  SECTION("one with information") {
    const int status = end_of_child([&] {
      struct sigaction action {};
      action.sa_sigaction = [](int, siginfo_t* info, void*) {
        sigset_t blocked;
        (void)::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
        const bool masked =
            sigismember(&blocked, SIGBUS) == 1 && sigismember(&blocked, SIGUSR1) == 1;
        std::_Exit(info->si_addr == told_address.load() && masked ? 41 : 42);
      };
      action.sa_flags = SA_SIGINFO;
      (void)sigaddset(&action.sa_mask, SIGUSR1);
      (void)::sigaction(SIGBUS, &action, nullptr);
      install_bus_handler();
      if (file->bytes()[kPage] != std::byte{0} || !file->unreadable()) std::_Exit(43);
      const volatile char* page = unguarded_page(directory / "b");
      told_address = const_cast<const char*>(page);
      (void)*page;
    });
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 41);
  }
  SECTION("a plain one, also for a signal that was sent") {
    const int status = end_of_child([&] {
      set_handler([](int signal) { std::_Exit(signal == SIGBUS ? 41 : 42); });
      install_bus_handler();
      (void)::raise(SIGBUS);
    });
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 41);
  }
}

TEST_CASE("a bus error elsewhere that nobody handles ends the process as before") {
  const testing::TemporaryDirectory directory;
  const auto file = map_pages(directory, 2);
  cut(directory / "a", kPage);
  const bool sent = GENERATE(false, true);
  const auto handler = GENERATE(SIG_DFL, SIG_IGN);
  const int status = end_of_child([&] {
    set_handler(handler);
    install_bus_handler();
    if (file->bytes()[kPage] != std::byte{0} || !file->unreadable()) std::_Exit(43);
    if (sent) {
      (void)::raise(SIGBUS);
    } else {
      (void)*unguarded_page(directory / "b");
    }
  });
  CAPTURE(sent, handler == SIG_IGN, status);
  if (sent && handler == SIG_IGN) {
    CHECK(status == 0);
  } else {
    REQUIRE(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGBUS);
  }
}

}  // namespace springg::io
