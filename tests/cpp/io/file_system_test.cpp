// SPDX-License-Identifier: MIT
// One suite over all file systems: what holds for one must hold for the others.
#include "io/file_system.h"

#include <unistd.h>

#include <cstring>
#include <string>

#include "catch.h"
#include "io/fault_file_system.h"
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

enum class Kind { kPosix, kMemory, kFault };

std::unique_ptr<FileSystem> make_in_memory(Kind kind) {
  if (kind == Kind::kMemory) return make_memory_file_system();
  return kind == Kind::kFault ? std::make_unique<FaultFileSystem>() : nullptr;
}

Kind each_kind() { return GENERATE(Kind::kPosix, Kind::kMemory, Kind::kFault); }

// The file system of one run of a test, and a directory in it.
struct Place {
  testing::TemporaryDirectory directory;
  std::unique_ptr<FileSystem> memory;
  FileSystem* files;

  explicit Place(Kind kind)
      : memory(make_in_memory(kind)),
        files(memory != nullptr ? memory.get() : &posix_file_system()) {
    INFO("file system " << static_cast<int>(kind));
    if (memory != nullptr) REQUIRE(files->create_directories(directory.path()).ok());
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
  Place place(each_kind());
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
  Place place(each_kind());
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
  Place place(each_kind());
  place.put("a", "1");
  const auto again = place.files->create(place.path("a"), 0);
  REQUIRE_FALSE(again.ok());
  CHECK(again.status().code() == ErrorCode::kAlreadyExists);
  CHECK(says(again.status(), place.path("a")));
  CHECK(place.read("a") == "1");
}

TEST_CASE("what is missing is not found") {
  Place place(each_kind());
  CHECK(place.files->map(place.path("x")).status().code() == ErrorCode::kNotFound);
  CHECK(place.files->remove(place.path("x")).code() == ErrorCode::kNotFound);
  CHECK(place.files->rename(place.path("x"), place.path("y")).code() == ErrorCode::kNotFound);
  CHECK(place.files->link(place.path("x"), place.path("y")).code() == ErrorCode::kNotFound);
  CHECK(place.files->file_bytes(place.path("x")).status().code() == ErrorCode::kNotFound);
  CHECK(place.files->list(place.path("x")).status().code() == ErrorCode::kNotFound);
  CHECK(place.files->sync_directory(place.path("x")).code() == ErrorCode::kNotFound);
  CHECK(place.files->create(place.path("x/y"), 0).status().code() == ErrorCode::kNotFound);
  CHECK(place.files->lock_directory(place.path("x")).status().code() == ErrorCode::kNotFound);
  auto exists = place.files->exists(place.path("x"));
  REQUIRE(exists.ok());
  CHECK_FALSE(*exists);
}

TEST_CASE("an empty file maps to nothing, a directory not at all") {
  Place place(each_kind());
  place.put("empty", "");
  auto mapped = place.files->map(place.path("empty"));
  REQUIRE(mapped.ok());
  CHECK((*mapped)->bytes().empty());
  CHECK(place.files->map(place.directory.path()).status().code() == ErrorCode::kIoError);
}

TEST_CASE("a mapping outlives the name and starts on a page") {
  Place place(each_kind());
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
  Place place(each_kind());
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

TEST_CASE("a file may have two names") {
  Place place(each_kind());
  auto file = place.files->create(place.path("a"), 0);
  REQUIRE(file.ok());
  REQUIRE((*file)->append(bytes_of("one")).ok());
  REQUIRE(place.files->link(place.path("a"), place.path("b")).ok());
  REQUIRE((*file)->append(bytes_of(" file")).ok());
  CHECK(place.read("b") == "one file");
  // One onto the other: both stay, as POSIX has it.
  CHECK(place.files->rename(place.path("a"), place.path("b")).ok());
  CHECK(place.read("a") == "one file");
  REQUIRE(place.files->remove(place.path("a")).ok());
  CHECK(place.read("b") == "one file");
  CHECK(place.files->map(place.path("a")).status().code() == ErrorCode::kNotFound);
}

TEST_CASE("a second name does not take the place of another file") {
  Place place(each_kind());
  place.put("a", "1");
  place.put("b", "2");
  REQUIRE(place.files->create_directories(place.path("d")).ok());
  CHECK(place.files->link(place.path("a"), place.path("b")).code() == ErrorCode::kAlreadyExists);
  CHECK(place.files->link(place.path("a"), place.path("d")).code() == ErrorCode::kAlreadyExists);
  CHECK(place.files->link(place.path("a"), place.path("x/y")).code() == ErrorCode::kNotFound);
  CHECK(place.files->link(place.path("d"), place.path("e")).code() == ErrorCode::kUnsupported);
  CHECK(place.read("b") == "2");
  CHECK(place.files->link(place.path("a"), place.path("d/a")).ok());
  CHECK(place.read("d/a") == "1");
}

TEST_CASE("the size of a file is what was appended") {
  Place place(each_kind());
  auto file = place.files->create(place.path("a"), 100'000);
  REQUIRE(file.ok());
  auto bytes = place.files->file_bytes(place.path("a"));
  REQUIRE(bytes.ok());
  CHECK(*bytes == 0);
  REQUIRE((*file)->append(std::vector<std::byte>(5'000)).ok());
  bytes = place.files->file_bytes(place.path("a"));
  REQUIRE(bytes.ok());
  CHECK(*bytes == 5'000);
  CHECK(place.files->file_bytes(place.directory.path()).status().code() == ErrorCode::kIoError);
}

TEST_CASE("a directory has one holder in a process") {
  Place place(each_kind());
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
  Place place(each_kind());
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
