// SPDX-License-Identifier: MIT
#include "storage/delta.h"

#include "catch.h"
#include "fault_calls.h"
#include "file_bytes.h"
#include "status_of.h"

namespace springg::storage {

namespace {

const base::Uuid kUuid = *base::Uuid::parse("00112233-4455-6677-8899-aabbccddeeff");

Delta sample() { return {10, {0, 3, 9}, {{1, "{\"a\":1}"}, {2, std::nullopt}, {3, "{}"}}}; }

Bytes file_of_delta(const Delta& delta) {
  const auto files = io::make_memory_file_system();
  REQUIRE(write_delta(*files, "/", kUuid, delta).ok());
  const auto mapped = std::move(files->map("/" + delta_file_name(kUuid))).value();
  return {mapped->bytes().begin(), mapped->bytes().end()};
}

Status read_status(OneFile& file, std::uint32_t rows = 10) {
  return read_delta(file, "/d", kUuid, rows).status();
}

bool equal(const Delta& a, const Delta& b) {
  return a.rows == b.rows && a.deleted == b.deleted && a.metadata == b.metadata;
}

}  // namespace

TEST_CASE("a delta comes back as it was written") {
  CHECK(delta_file_name(kUuid) == "00112233-4455-6677-8899-aabbccddeeff.delta");
  Delta large{200'000, {}, {}};
  for (std::uint32_t row = 0; row < large.rows; row += 2) {
    large.deleted.push_back(row);
    if (row % 10 == 0) large.metadata.emplace_back(row, "{\"n\":" + std::to_string(row) + "}");
  }
  for (const Delta& delta : {Delta{10, {}, {}}, sample(), large}) {
    OneFile file(file_of_delta(delta));
    auto read = read_delta(file, "/d", kUuid, delta.rows);
    REQUIRE(read.ok());
    CHECK(equal(*read, delta));
  }
}

TEST_CASE("every flipped byte and every cut of a delta is detected") {
  OneFile file(file_of_delta(sample()));
  const std::size_t size = file.size();
  for (std::size_t i = 0; i < size; ++i) {
    file[i] ^= static_cast<std::byte>(1U << (i % 8));
    const Status status = read_status(file);
    if (status.code() != ErrorCode::kCorruption || !testing::integer_detail(status, "offset")) {
      FAIL("byte " << i << ": " << status.message());
    }
    file[i] ^= static_cast<std::byte>(1U << (i % 8));
  }
  CHECK(read_status(file).ok());
  for (std::size_t length = 0; length < size; ++length) {
    file.cut(length);
    if (read_status(file).code() != ErrorCode::kCorruption) FAIL("cut at " << length);
  }
}

TEST_CASE("a delta of another segment or missing is damage") {
  OneFile file(file_of_delta(sample()));
  CHECK(testing::says(read_status(file, 11), "rows of the segment: expected 11, got 10"));
  CHECK(read_delta(file, "/d", base::Uuid::random(), 10).status().code() == ErrorCode::kCorruption);
  const auto empty = io::make_memory_file_system();
  CHECK(read_delta(*empty, "/", kUuid, 10).status().code() == ErrorCode::kCorruption);
}

TEST_CASE("hostile rows and documents of a delta are damage") {
  const Bytes good = file_of_delta(sample());
  const auto with = [&](std::uint32_t kind, std::size_t offset, auto value) {
    auto sections = sections_of(good);
    store(std::span(section_of(sections, kind).bytes), offset, value);
    OneFile file(file_of(FileKind::kDelta, kUuid, sections));
    return read_status(file).code();
  };
  CHECK(with(1, 4, std::uint32_t{4}) == ErrorCode::kCorruption);
  CHECK(with(1, 4, std::uint32_t{0xffff'ffff}) == ErrorCode::kCorruption);
  CHECK(with(1, 8, std::uint32_t{2}) == ErrorCode::kCorruption);
  CHECK(with(2, 4, std::uint32_t{0}) == ErrorCode::kCorruption);   // row 0 twice
  CHECK(with(2, 8, std::uint32_t{10}) == ErrorCode::kCorruption);  // beyond the segment
  CHECK(with(3, 0, std::uint32_t{2}) == ErrorCode::kCorruption);   // row 2 twice
  CHECK(with(4, 0, std::uint64_t{1}) == ErrorCode::kCorruption);
  CHECK(with(4, 8, ~std::uint64_t{0}) == ErrorCode::kCorruption);
  CHECK(with(4, 16, std::uint64_t{6}) == ErrorCode::kCorruption);
  CHECK(with(4, 24, std::uint64_t{8}) == ErrorCode::kCorruption);
  CHECK(with(1, 12, std::uint32_t{77}) == ErrorCode::kOk);  // reserved: not looked at
}

TEST_CASE("whatever call fails, no delta appears") {
  io::FaultFileSystem files;
  for (std::uint64_t call = 0;; ++call) {
    files.clear_faults();
    files.inject(testing::full_disk_after(call));
    const Status status = write_delta(files, "/", kUuid, sample());
    if (status.ok()) break;
    CHECK(status.code() == ErrorCode::kResourceExhausted);
    CHECK(files.list("/").value().empty());
  }
  CHECK(files.list("/").value() == std::vector<std::string>{delta_file_name(kUuid)});
}

}  // namespace springg::storage
