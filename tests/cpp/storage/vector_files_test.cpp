// SPDX-License-Identifier: MIT
#include "springg/vector_files.h"

#include <string>
#include <vector>

#include "catch.h"
#include "status_of.h"

namespace springg {

namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string npy(const std::string& header, std::size_t data_bytes, int version = 1) {
  std::string file = "\x93NUMPY";
  file += static_cast<char>(version);
  file += '\0';
  const std::size_t length_bytes = version == 1 ? 2 : 4;
  for (std::size_t i = 0; i < length_bytes; ++i) {
    file += static_cast<char>(header.size() >> (8 * i));
  }
  return file + header + std::string(data_bytes, 'x');
}

std::string dictionary(const std::string& descr, const std::string& shape) {
  return "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }   \n";
}

Status refused(const std::string& file) { return parse_npy(bytes_of(file)).status(); }

template <class T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

std::string fvecs(std::initializer_list<std::int32_t> widths) {
  std::string file;
  for (const std::int32_t width : widths) {
    append(file, width);
    for (std::int32_t i = 0; i < width; ++i) append(file, 1.5F);
  }
  return file;
}

}  // namespace

TEST_CASE("npy arrays of each format give their layout") {
  for (const int version : {1, 2, 3}) {
    const std::string header = dictionary("<f4", "(3, 5)");
    auto layout = parse_npy(bytes_of(npy(header, 60, version)));
    REQUIRE(layout.ok());
    CHECK(layout->descr == "<f4");
    CHECK_FALSE(layout->fortran_order);
    CHECK(layout->shape == std::vector<std::uint64_t>{3, 5});
    CHECK(layout->data_offset == (version == 1 ? 10 : 12) + header.size());
    CHECK(layout->data_bytes == 60);
  }
}

TEST_CASE("npy dtypes, shapes and spellings") {
  const auto shape_of = [](const std::string& header, std::size_t bytes) {
    auto layout = parse_npy(bytes_of(npy(header, bytes)));
    INFO(header << layout.status().message());
    REQUIRE(layout.ok());
    return layout->shape;
  };
  using Shape = std::vector<std::uint64_t>;
  CHECK(shape_of(dictionary("<f8", "()"), 8) == Shape{});
  CHECK(shape_of(dictionary("<f2", "(4,)"), 8) == Shape{4});
  CHECK(shape_of(dictionary("|u1", "(0, 384)"), 0) == Shape{0, 384});
  CHECK(shape_of(dictionary("<i8", "(2L, 1L)"), 16) == Shape{2, 1});
  CHECK(shape_of(dictionary("|b1", "(3)"), 3) == Shape{3});
  CHECK(shape_of(dictionary("<U5", "(2,)"), 40) == Shape{2});
  CHECK(shape_of(dictionary("|S7", "(2,)"), 14) == Shape{2});
  CHECK(shape_of("{\"shape\":(1,),\"descr\":\"<f4\",\"fortran_order\":True}", 4) == Shape{1});
  const auto fortran =
      parse_npy(bytes_of(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 1)}", 8)));
  CHECK(fortran.value().fortran_order);
}

TEST_CASE("npy dtypes that springg does not take") {
  for (const char* descr : {">f4", "|O", "<c8", "<f16", "<f", "f4", "", "<i3", "<M8[us]", "|V4",
                            "<f4 ", "<U99999999999"}) {
    INFO(descr);
    CHECK(refused(npy(dictionary(descr, "(1,)"), 4)).code() == ErrorCode::kUnsupported);
  }
  const std::string records = "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}";
  CHECK(refused(npy(records, 4)).code() == ErrorCode::kUnsupported);
  CHECK(refused(npy(dictionary("<f4", "(1,)"), 4, 4)).code() == ErrorCode::kUnsupported);
}

TEST_CASE("npy headers that are not numpy's are damage") {
  for (const char* header :
       {"", "{}", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': [1]}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1 1)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616,)}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}",
        "{'descr': '<f4, 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '\\x3cf4', 'fortran_order': False, 'shape': (1,)}",
        "{'descr' '<f4', 'fortran_order': False, 'shape': (1,)}",
        "__import__('os').system('true')"}) {
    INFO(header);
    const Status status = refused(npy(header, 4));
    CHECK(status.code() == ErrorCode::kCorruption);
    CHECK(testing::integer_detail(status, "offset").has_value());
  }
  std::string axes = "(";
  for (int i = 0; i < 65; ++i) axes += "1,";
  CHECK(testing::says(refused(npy(dictionary("<f4", axes + ")"), 4)), "too many axes"));
}

TEST_CASE("npy lengths must be the file's") {
  const std::string good = npy(dictionary("<f4", "(3, 5)"), 60);
  for (std::size_t length = 0; length < good.size(); ++length) {
    if (refused(good.substr(0, length)).code() != ErrorCode::kCorruption) FAIL(length);
  }
  CHECK(testing::says(refused(good + "x"), "npy data bytes: expected 60, got 61"));
  for (const char* shape :
       {"(4611686018427387904, 2)", "(18446744073709551615,)", "(4294967296, 4294967296)"}) {
    CHECK(refused(npy(dictionary("<f4", shape), 8)).code() == ErrorCode::kCorruption);
  }
  std::string long_header = good;
  long_header[8] = '\xff';
  long_header[9] = '\xff';
  CHECK(testing::says(refused(long_header), "npy header is longer than the file"));
  std::string huge_header = npy(dictionary("<f4", "(1,)"), 4, 2);
  for (std::size_t i = 8; i < 12; ++i) huge_header[i] = '\xff';
  CHECK(refused(huge_header).code() == ErrorCode::kCorruption);
}

TEST_CASE("vecs files give rows of one width") {
  auto layout = parse_vecs(bytes_of(fvecs({3, 3})), 4);
  REQUIRE(layout.ok());
  CHECK(layout->rows == 2);
  CHECK(layout->dimensions == 3);
  CHECK(layout->row_bytes == 16);
  std::string bvecs;
  append(bvecs, std::int32_t{2});
  bvecs += "ab";
  auto bytes = parse_vecs(bytes_of(bvecs), 1);
  REQUIRE(bytes.ok());
  CHECK(bytes->row_bytes == 6);
}

TEST_CASE("vecs files that are cut, ragged or hostile are damage") {
  const auto offset_of = [](const std::string& file) {
    const auto layout = parse_vecs(bytes_of(file), 4);
    CHECK(layout.status().code() == ErrorCode::kCorruption);
    return testing::integer_detail(layout.status(), "offset").value_or(-1);
  };
  const std::string good = fvecs({3, 3, 3});
  for (std::size_t length = 0; length < good.size(); ++length) {
    if (length % 16 == 0 && length != 0) continue;
    if (offset_of(good.substr(0, length)) < 0) FAIL(length);
  }
  CHECK(offset_of(fvecs({3, 3, 7})) == 32);
  std::string other = fvecs({3, 3, 3});
  other[32] = 4;
  CHECK(offset_of(other) == 32);
  for (const std::int32_t width : {0, -1, 65'537, 0x7fff'ffff, -0x7fff'ffff - 1}) {
    std::string file;
    append(file, width);
    CHECK(offset_of(file + std::string(60, 'x')) == 0);
  }
  CHECK(parse_vecs(bytes_of(good), 2).status().code() == ErrorCode::kInvalidArgument);
}

}  // namespace springg
