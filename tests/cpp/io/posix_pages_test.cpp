// SPDX-License-Identifier: MIT
// What leaves this process's memory and what does not, on the system's own files.
#include "io/posix_pages.h"

#include <cstring>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#include "catch.h"
#include "io/file_system.h"
#include "limited_descriptors.h"
#include "temporary_directory.h"
#include "write_file.h"

namespace springg::io {

namespace {

constexpr std::size_t kBytes = std::size_t{16} << 20;

std::vector<std::byte> pattern(std::size_t bytes) {
  std::vector<std::byte> made(bytes);
  for (std::size_t i = 0; i < bytes; ++i) made[i] = static_cast<std::byte>(i * 31 + (i >> 12));
  return made;
}

std::string write_pattern(const std::string& directory, const std::vector<std::byte>& bytes) {
  std::string path = directory + "/rows";
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  return path;
}

// Of files alone: sanitizers have memory of their own for each page that is touched.
std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t all = 0;
  std::uint64_t resident = 0;
  std::uint64_t of_files = 0;
  file >> all >> resident >> of_files;
  return of_files * 4096;
}

std::uint64_t touch(std::span<const std::byte> bytes) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 4096) sum += static_cast<std::uint64_t>(bytes[i]);
  return sum;
}

}  // namespace

TEST_CASE("a reader fills what is wanted, in order, from anywhere in the file") {
  const testing::TemporaryDirectory place;
  const std::vector<std::byte> content = pattern(100'000);
  const std::string path = write_pattern(place.path(), content);
  const auto opened = posix_file_system().map_with_reader(path);
  REQUIRE(opened.ok());
  REQUIRE(opened->reader != nullptr);
  const RandomReader& reader = *opened->reader;
  REQUIRE(posix_file_system().remove(path).ok());  // it needs no name

  std::vector<std::byte> out(3'000, std::byte{7});
  const std::span<std::byte> all(out);
  const FileRange wanted[] = {{99'000, all.first(1'000)}, {5, all.subspan(1'000, 1'000)}};
  const FileRange soon[] = {{50'000, all.subspan(2'000)}};
  REQUIRE(reader.read(wanted, soon));
  CHECK(std::memcmp(out.data(), content.data() + 99'000, 1'000) == 0);
  CHECK(std::memcmp(out.data() + 1'000, content.data() + 5, 1'000) == 0);
  CHECK(out[2'000] == std::byte{7});  // is not filled
}

TEST_CASE("a reader says when a range is not in the file") {
  const testing::TemporaryDirectory place;
  const std::string path = write_pattern(place.path(), pattern(10'000));
  const auto opened = posix_file_system().map_with_reader(path);
  REQUIRE(opened.ok());
  REQUIRE(opened->reader != nullptr);
  std::vector<std::byte> out(1'000);
  const FileRange behind[] = {{9'500, out}};
  CHECK_FALSE(opened->reader->read(behind, {}));
  const FileRange inside[] = {{9'000, out}};
  CHECK(opened->reader->read(inside, {}));
  CHECK(posix_file_system().map_with_reader(path + "x").status().code() == ErrorCode::kNotFound);
}

TEST_CASE("readers take a quarter of the descriptors, and further files are mapped alone") {
  const testing::TemporaryDirectory place;
  const std::string path = write_pattern(place.path(), pattern(10'000));
  const testing::LimitedDescriptors limit(64);
  std::vector<FileToRead> files;
  std::size_t readers = 0;
  for (int i = 0; i < 100; ++i) {
    auto opened = posix_file_system().map_with_reader(path);
    REQUIRE(opened.ok());
    CHECK(opened->mapped->bytes().size() == 10'000);
    readers += opened->reader != nullptr ? 1U : 0U;
    files.push_back(std::move(opened).value());
  }
  CHECK(readers == 16);
  files.erase(files.begin());  // its place is free again
  CHECK(posix_file_system().map_with_reader(path)->reader != nullptr);
  files.clear();
  for (int i = 0; i < 16; ++i) {
    files.push_back(std::move(posix_file_system().map_with_reader(path)).value());
    CHECK(files.back().reader != nullptr);
  }
}

TEST_CASE("what is dropped of a mapping leaves memory and reads the same again") {
  const testing::TemporaryDirectory place;
  const std::vector<std::byte> content = pattern(kBytes);
  const std::string path = write_pattern(place.path(), content);
  const auto mapped = posix_file_system().map(path);
  REQUIRE(mapped.ok());
  const std::span<const std::byte> bytes = (*mapped)->bytes();
  const std::uint64_t before = resident_bytes();
  const std::uint64_t sum = touch(bytes);
  CHECK(resident_bytes() >= before + kBytes / 2);
  (*mapped)->drop(bytes.subspan(kBytes / 4, kBytes / 4));
  CHECK(resident_bytes() <= before + kBytes - kBytes / 8);
  (*mapped)->drop(bytes);
  CHECK(resident_bytes() <= before + kBytes / 8);
  (*mapped)->drop({});
  CHECK(touch(bytes) == sum);
  CHECK(std::memcmp(bytes.data(), content.data(), content.size()) == 0);
  CHECK_FALSE((*mapped)->unreadable());
}

TEST_CASE("scratch memory is zeroed, holds what is written, and leaves no file") {
  const testing::TemporaryDirectory place;
  auto made = posix_file_system().make_scratch(place.path(), kBytes);
  if (made.status().code() == ErrorCode::kUnsupported) return;  // a file system without
  REQUIRE(made.ok());
  const std::span<std::byte> bytes = (*made)->bytes();
  REQUIRE(bytes.size() == kBytes);
  CHECK(touch(bytes) == 0);
  std::memset(bytes.data(), 1, bytes.size());
  CHECK(touch(bytes) == kBytes / 4096);
  CHECK_FALSE((*made)->unreadable());
  CHECK(posix_file_system().list(place.path()).value().empty());
}

TEST_CASE("scratch memory that the disk has no room for is an error at once") {
  const testing::TemporaryDirectory place;
  const auto made = posix_file_system().make_scratch(place.path(), std::uint64_t{1} << 50);
  CHECK_FALSE(made.ok());
  CHECK(posix_file_system().make_scratch(place.path(), 0).status().code() ==
        ErrorCode::kInvalidArgument);
}

}  // namespace springg::io
