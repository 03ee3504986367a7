// SPDX-License-Identifier: MIT
#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "catch.h"
#include "springg/vector_files.h"
#include "status_of.h"

namespace springg {

namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

template <class T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

std::string header(std::uint32_t dimensions, std::uint32_t rows, std::uint32_t version = 1) {
  std::string file = "SPRINGG1";
  for (const std::uint32_t field : {version, dimensions, rows}) append(file, field);
  return file + std::string(12, '\0');
}

void append_record(std::string& file, const std::string& id, const std::vector<float>& vector) {
  append(file, static_cast<std::uint32_t>(id.size()));
  file += id;
  for (const float element : vector) append(file, element);
}

std::string two_rows() {
  std::string file = header(3, 2);
  append_record(file, "a", {3, 0, 4});
  append_record(file, "long id", {1, 2, 3});
  return file;
}

Status refused(const std::string& file) { return parse_springg1(bytes_of(file)).status(); }

}  // namespace

TEST_CASE("records of a SPRINGG1 file lie one after the other") {
  const std::string file = two_rows();
  auto layout = parse_springg1(bytes_of(file));
  REQUIRE(layout.ok());
  CHECK(layout->dimensions == 3);
  CHECK(layout->records == std::vector<std::uint64_t>{32, 32 + 4 + 1 + 12});
  CHECK(parse_springg1(bytes_of(header(7, 0))).value().records.empty());
  CHECK(parse_springg1(bytes_of(header(65'536, 0))).value().dimensions == 65'536);
}

TEST_CASE("vectors of a SPRINGG1 file are copied in the order asked for") {
  const std::string file = two_rows();
  auto layout = parse_springg1(bytes_of(file));
  const std::vector<std::uint64_t> backwards(layout->records.rbegin(), layout->records.rend());
  std::vector<float> rows(6);
  REQUIRE(copy_springg1_vectors(bytes_of(file), backwards, 3, rows.data()).ok());
  CHECK(rows == std::vector<float>{1, 2, 3, 3, 0, 4});
}

TEST_CASE("offsets that name no record of a SPRINGG1 file are refused") {
  const std::string file = two_rows();
  std::vector<float> row(3);
  for (const std::uint64_t offset :
       {std::uint64_t{52}, std::uint64_t{file.size() - 3}, std::uint64_t{file.size()},
        std::uint64_t{file.size() + 1}, std::numeric_limits<std::uint64_t>::max() - 3}) {
    INFO(offset);
    const Status status =
        copy_springg1_vectors(bytes_of(file), std::span(&offset, 1), 3, row.data());
    CHECK(status.code() == ErrorCode::kCorruption);
  }
}

TEST_CASE("a SPRINGG1 file that is cut anywhere is damage") {
  const std::string good = two_rows();
  for (std::size_t length = 0; length < good.size(); ++length) {
    const Status status = refused(good.substr(0, length));
    if (status.code() != ErrorCode::kCorruption) FAIL(length);
    if (!testing::integer_detail(status, "offset").has_value()) FAIL(length);
  }
  CHECK(testing::says(refused(good + "x"), "bytes after the last record: expected none, got 1"));
}

TEST_CASE("lengths of a SPRINGG1 file are checked before memory is taken") {
  CHECK(testing::says(refused(header(1, 0xffffffff) + std::string(80, '\0')),
                      "rows: expected at most 10 in 112 bytes, got 4294967295 at byte 16"));
  std::string file = header(1, 1);
  append(file, std::uint32_t{0xffffffff});
  CHECK(testing::says(refused(file + std::string(80, '\0')),
                      "record 1: expected id and vector of at most 80 bytes, got 4294967299"));
  file.resize(32);
  append(file, std::uint32_t{77});  // one byte more than leaves room for the vector
  CHECK(refused(file + std::string(80, '\0')).code() == ErrorCode::kCorruption);
}

TEST_CASE("a header of another kind is refused") {
  CHECK(testing::says(refused("SPRINGG2" + two_rows().substr(8)), "magic bytes differ"));
  CHECK(refused(header(3, 0, 2)).code() == ErrorCode::kUnsupported);
  CHECK(testing::says(refused(header(0, 0)), "dimensions: expected 1 to 65536, got 0"));
  CHECK(testing::says(refused(header(65'537, 0)), "got 65537 at byte 12"));
}

}  // namespace springg
