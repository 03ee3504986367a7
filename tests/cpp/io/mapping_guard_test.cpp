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

// A file of so many pages, mapped to be written to, as scratch memory is.
class WritableMapping {
 public:
  WritableMapping(const std::string& path, std::size_t pages) : bytes_(pages * kPage) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT, 0600);
    REQUIRE(fd >= 0);
    REQUIRE(::ftruncate(fd, static_cast<off_t>(bytes_)) == 0);
    data_ = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    REQUIRE(data_ != MAP_FAILED);
    REQUIRE(::close(fd) == 0);
    range_ = guard_range(data_, bytes_, GuardedUse::kReadWrite);
    REQUIRE(range_ != nullptr);
  }
  ~WritableMapping() {
    release_range(range_);
    (void)::munmap(data_, bytes_);
  }
  WritableMapping(const WritableMapping&) = delete;
  WritableMapping& operator=(const WritableMapping&) = delete;

  volatile char& at(std::size_t byte) const { return static_cast<volatile char*>(data_)[byte]; }
  bool unreadable() const { return has_zeroed_pages(*range_); }

 private:
  std::size_t bytes_;
  void* data_ = nullptr;
  GuardedRange* range_ = nullptr;
};

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

TEST_CASE("a failed page that is written to takes what is written, and tells") {
  const testing::TemporaryDirectory directory;
  const WritableMapping mapping(directory / "a", 4);
  mapping.at(0) = 5;
  CHECK_FALSE(mapping.unreadable());
  cut(directory / "a", kPage);
  mapping.at(2 * kPage) = 6;
  CHECK(mapping.unreadable());
  CHECK(mapping.at(2 * kPage) == 6);
  CHECK(mapping.at(0) == 5);
  // Read first: the zeros may be written to afterwards.
  CHECK(mapping.at(3 * kPage) == 0);
  mapping.at(3 * kPage) = 7;
  CHECK(mapping.at(3 * kPage) == 7);
}

TEST_CASE("many failed pages that are written to take what is written") {
  const testing::TemporaryDirectory directory;
  constexpr std::size_t kPages = 200'000;
  const WritableMapping mapping(directory / "a", kPages);
  cut(directory / "a", 0);
  for (std::size_t page = 0; page < kPages; page += 20) mapping.at(page * kPage) = 6;
  CHECK(mapping.unreadable());
  CHECK(mapping.at((kPages - 20) * kPage) == 6);
  CHECK(mapping.at(kPage) == 0);
}

TEST_CASE("scratch memory whose pages fail is written to all the same, and tells") {
  const testing::TemporaryDirectory directory;
  auto made = posix_file_system().make_scratch(directory.path(), 4 * kPage);
  if (made.status().code() == ErrorCode::kUnsupported) return;  // a file system without
  REQUIRE(made.ok());
  const std::span<std::byte> bytes = (*made)->bytes();
  // Its file has no name to be cut by: an empty one takes the place of a page.
  const int fd = ::open((directory / "empty").c_str(), O_RDWR | O_CREAT, 0600);
  REQUIRE(fd >= 0);
  REQUIRE(::mmap(bytes.data() + kPage, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
                 0) != MAP_FAILED);
  REQUIRE(::close(fd) == 0);
  CHECK_FALSE((*made)->unreadable());
  std::fill(bytes.begin(), bytes.end(), std::byte{7});
  CHECK((*made)->unreadable());
  CHECK(std::count(bytes.begin(), bytes.end(), std::byte{7}) == 4 * kPage);
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
