// SPDX-License-Identifier: MIT
// One suite over both file systems: what holds for one must hold for the other.
#include "io/file_system.h"

#include <unistd.h>

#include <cstring>
#include <string>

#include "catch.h"
#include "status_of.h"
#include "temporary_directory.h"
#include "write_file.h"

namespace springg::io {

namespace {

using springg::testing::says;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

std::string text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

// The file system of one run of a test, and a directory in it.
struct Place {
  testing::TemporaryDirectory directory;
  std::unique_ptr<FileSystem> memory;
  FileSystem* files;

  explicit Place(bool in_memory)
      : memory(in_memory ? make_memory_file_system() : nullptr),
        files(in_memory ? memory.get() : &posix_file_system()) {
    if (in_memory) REQUIRE(files->create_directories(directory.path()).ok());
  }

  std::string path(const std::string& name) const { return directory / name; }

  void put(const std::string& name, std::string_view text) {
    auto file = files->create(path(name), 0);
    REQUIRE(file.ok());
    REQUIRE((*file)->append(bytes_of(text)).ok());
    REQUIRE((*file)->sync().ok());
    REQUIRE((*file)->close().ok());
  }

  std::string read(const std::string& name) {
    auto mapped = files->map(path(name));
    REQUIRE(mapped.ok());
    return text_of(**mapped);
  }
};

}  // namespace

TEST_CASE("what was appended is what is mapped") {
  Place place(GENERATE(false, true));
  auto file = place.files->create(place.path("a"), 100'000);
  REQUIRE(file.ok());
  CHECK((*file)->append(bytes_of("hello ")).ok());
  CHECK((*file)->append({}).ok());
  CHECK((*file)->append(bytes_of("world")).ok());
  CHECK((*file)->write_at(0, bytes_of("J")).ok());
  CHECK((*file)->write_at(10, bytes_of("D")).ok());
  CHECK((*file)->sync().ok());
  CHECK((*file)->close().ok());
  CHECK((*file)->close().ok());
  CHECK(place.read("a") == "Jello worlD");
}

TEST_CASE("writing beyond what was appended, or after close, is refused") {
  Place place(GENERATE(false, true));
  auto file = place.files->create(place.path("a"), 0);
  REQUIRE(file.ok());
  CHECK((*file)->append(bytes_of("abc")).ok());
  CHECK((*file)->write_at(2, bytes_of("xy")).code() == ErrorCode::kInvalidArgument);
  CHECK((*file)->write_at(~std::uint64_t{0}, bytes_of("x")).code() == ErrorCode::kInvalidArgument);
  CHECK((*file)->close().ok());
  CHECK((*file)->append(bytes_of("d")).code() == ErrorCode::kFailedPrecondition);
  CHECK((*file)->sync().code() == ErrorCode::kFailedPrecondition);
  CHECK(place.read("a") == "abc");
}

TEST_CASE("a name is created once") {
  Place place(GENERATE(false, true));
  place.put("a", "1");
  const auto again = place.files->create(place.path("a"), 0);
  REQUIRE_FALSE(again.ok());
  CHECK(again.status().code() == ErrorCode::kAlreadyExists);
  CHECK(says(again.status(), place.path("a")));
  CHECK(place.read("a") == "1");
}

TEST_CASE("what is missing is not found") {
  Place place(GENERATE(false, true));
  CHECK(place.files->map(place.path("x")).status().code() == ErrorCode::kNotFound);
  CHECK(place.files->remove(place.path("x")).code() == ErrorCode::kNotFound);
  CHECK(place.files->rename(place.path("x"), place.path("y")).code() == ErrorCode::kNotFound);
  CHECK(place.files->list(place.path("x")).status().code() == ErrorCode::kNotFound);
  CHECK(place.files->sync_directory(place.path("x")).code() == ErrorCode::kNotFound);
  CHECK(place.files->create(place.path("x/y"), 0).status().code() == ErrorCode::kNotFound);
  CHECK(place.files->lock_directory(place.path("x")).status().code() == ErrorCode::kNotFound);
  auto exists = place.files->exists(place.path("x"));
  REQUIRE(exists.ok());
  CHECK_FALSE(*exists);
}

TEST_CASE("an empty file maps to nothing, a directory not at all") {
  Place place(GENERATE(false, true));
  place.put("empty", "");
  auto mapped = place.files->map(place.path("empty"));
  REQUIRE(mapped.ok());
  CHECK((*mapped)->bytes().empty());
  CHECK(place.files->map(place.directory.path()).status().code() == ErrorCode::kIoError);
}

TEST_CASE("a mapping outlives the name and starts on a page") {
  Place place(GENERATE(false, true));
  place.put("a", "old");
  place.put("b", "new");
  auto mapped = place.files->map(place.path("a"));
  REQUIRE(mapped.ok());
  CHECK(reinterpret_cast<std::uintptr_t>((*mapped)->bytes().data()) % 4'096 == 0);
  REQUIRE(place.files->rename(place.path("b"), place.path("a")).ok());
  CHECK(text_of(**mapped) == "old");
  CHECK(place.read("a") == "new");
  auto replaced = place.files->map(place.path("a"));
  REQUIRE(replaced.ok());
  REQUIRE(place.files->remove(place.path("a")).ok());
  place.memory.reset();
  CHECK(text_of(**replaced) == "new");
}

TEST_CASE("files are listed by name, without directories") {
  Place place(GENERATE(false, true));
  REQUIRE(place.files->create_directories(place.path("d/e/f/")).ok());
  REQUIRE(place.files->create_directories(place.path("d")).ok());
  place.put("z", "");
  place.put("B", "");
  place.put("a", "");
  place.put("d/inner", "");
  auto names = place.files->list(place.directory.path());
  REQUIRE(names.ok());
  CHECK(*names == std::vector<std::string>{"B", "a", "z"});
  CHECK(place.files->create_directories(place.path("a")).code() == ErrorCode::kIoError);
  CHECK_FALSE(place.files->create_directories(place.path("a/b")).ok());
  CHECK(place.files->sync_directory(place.directory.path()).ok());
}

TEST_CASE("a directory has one holder in a process") {
  Place place(GENERATE(false, true));
  auto lock = place.files->lock_directory(place.directory.path());
  REQUIRE(lock.ok());
  const auto second = place.files->lock_directory(place.directory.path() + "/.");
  REQUIRE_FALSE(second.ok());
  CHECK(second.status().code() == ErrorCode::kFailedPrecondition);
  CHECK(testing::integer_detail(second.status(), "pid") == ::getpid());
  CHECK(says(second.status(), "database is open in process " + std::to_string(::getpid())));
  (*lock).reset();
  CHECK(place.files->lock_directory(place.directory.path()).ok());
}

TEST_CASE("a file is replaced as a whole, over what a crash left") {
  Place place(GENERATE(false, true));
  place.put("a.tmp", "half of someth");
  const auto write = [&](std::string_view text) {
    return testing::write_file(*place.files, place.directory.path(), "a", bytes_of(text));
  };
  CHECK(write("first").ok());
  CHECK(place.read("a") == "first");
  CHECK(write("second").ok());
  CHECK(place.read("a") == "second");
  auto names = place.files->list(place.directory.path());
  REQUIRE(names.ok());
  CHECK(*names == std::vector<std::string>{"a"});
}

}  // namespace springg::io
