// SPDX-License-Identifier: MIT
// Indexes of int8, uint8 and binary through the C++ interface.
#include <cmath>

#include "engine/support.h"

using namespace springg;
using namespace springg::test;

namespace {

std::shared_ptr<Index> byte_index(Database& database, std::size_t dimensions, ScalarType dtype,
                                  Metric metric) {
  IndexOptions options;
  options.dimensions = dimensions;
  options.dtype = dtype;
  options.metric = metric;
  return require_value(database.create_index("bytes", options, false));
}

struct ByteRows {
  std::size_t dimensions;
  ScalarType type;
  std::vector<std::byte> values;

  std::size_t stride() const { return vector_bytes(type, dimensions); }
  MatrixView view(std::size_t begin, std::size_t count) const {
    MatrixView view;
    view.rows = count;
    view.dimensions = dimensions;
    view.row_stride = stride();
    view.type = type;
    view.bytes = values.data() + begin * stride();
    return view;
  }
};

ByteRows random_bytes(std::size_t rows, std::size_t dimensions, ScalarType type) {
  std::mt19937 random(4);
  std::uniform_int_distribution<int> value(0, 255);
  ByteRows made{dimensions, type, std::vector<std::byte>(rows * vector_bytes(type, dimensions))};
  for (std::byte& byte : made.values) byte = static_cast<std::byte>(value(random));
  return made;
}

}  // namespace

TEST_CASE("rows of bytes are stored, given back and found") {
  const auto type = GENERATE(ScalarType::kInt8, ScalarType::kUint8, ScalarType::kBinary);
  const Metric metric = type == ScalarType::kBinary ? Metric::kHamming : Metric::kL2;
  const auto database = open_memory();
  const auto index = byte_index(*database, 16, type, metric);
  const ByteRows rows = random_bytes(300, 16, type);
  require_value(index->add(numbers(0, 300), rows.view(0, 300), nullptr, nullptr));
  for (int round = 0; round < 2; ++round) {
    const Include vectors{.metadata = false, .vectors = true};
    const RecordBatch batch = require_value(index->get(numbers(7, 9), vectors));
    CHECK(batch.vectors.empty());
    CHECK(batch.byte_vectors.size() == 2 * rows.stride());
    CHECK(std::equal(batch.byte_vectors.begin(), batch.byte_vectors.end(), rows.view(7, 2).bytes));
    SearchOptions options;
    options.include = vectors;
    options.k = 1;
    options.exact = true;
    const auto found = require_value(index->search(rows.view(9, 3), options, nullptr));
    CHECK(found.distances == std::vector<float>{0, 0, 0});
    CHECK(found.scores == std::vector<float>{1, 1, 1});
    CHECK(found.byte_vectors.size() == 3 * rows.stride());
    std::vector<std::byte> copy(300 * rows.stride());
    require_value(index->view())->copy_vectors(copy.data());
    CHECK(copy == rows.values);
    require_ok(index->optimize(nullptr));
  }
  const auto stats = require_value(index->stats());
  CHECK(stats.vector_bytes == 300 * rows.stride());
  CHECK(stats.code_bytes == 0);
}

TEST_CASE("whole numbers of float32 are kept as bytes, others are refused") {
  const auto database = open_memory();
  const auto index = byte_index(*database, 3, ScalarType::kInt8, Metric::kDot);
  const float good[] = {-128, 0, 127, -0.0F, 1, 2};
  require_value(index->add(numbers(0, 2), {good, 2, 3, 3}, nullptr, nullptr));
  const auto batch = require_value(index->get(numbers(0, 2), {.metadata = false, .vectors = true}));
  CHECK(batch.byte_vectors == std::vector<std::byte>{std::byte{0x80}, std::byte{0}, std::byte{0x7F},
                                                     std::byte{0}, std::byte{1}, std::byte{2}});
  const auto refused = [&](float value, const std::string& message) {
    const float bad[] = {1, 2, 3, 1, value, 3};
    require_error(index->add(numbers(5, 7), {bad, 2, 3, 3}, nullptr, nullptr).status(),
                  ErrorCode::kInvalidArgument, message);
    CHECK(row_count(*index) == 2);
  };
  refused(128,
          "vector at row 1 does not fit int8: element 1 is 128, expected a whole number of "
          "-128..127");
  refused(0.5F,
          "vector at row 1 does not fit int8: element 1 is 0.5, expected a whole number of "
          "-128..127");
  refused(1e30F,
          "vector at row 1 does not fit int8: element 1 is 1e+30, expected a whole number "
          "of -128..127");
  refused(std::nanf(""), "vector at row 1 is not finite: element 1 is nan");
}

TEST_CASE("rows of a type that the index does not take are refused") {
  const auto database = open_memory();
  const ByteRows bytes = random_bytes(2, 8, ScalarType::kUint8);
  const Rows floats = random_rows(2, 8);
  const auto words = make_index(*database, 8);
  require_error(words->add(numbers(0, 2), bytes.view(0, 2), nullptr, nullptr).status(),
                ErrorCode::kInvalidArgument, "vectors of uint8 for an index of dtype float32");
  const auto bits = byte_index(*database, 8, ScalarType::kBinary, Metric::kHamming);
  require_error(bits->add(numbers(0, 2), floats.all(), nullptr, nullptr).status(),
                ErrorCode::kInvalidArgument, "vectors of float32 for an index of dtype binary");
  require_error(bits->search(floats.all(), {}, nullptr).status(), ErrorCode::kInvalidArgument,
                "vectors of float32 for an index of dtype binary");
  const ByteRows wide = random_bytes(2, 16, ScalarType::kBinary);
  require_error(bits->add(numbers(0, 2), wide.view(0, 2), nullptr, nullptr).status(),
                ErrorCode::kDimensionMismatch, "vector dimension mismatch: expected 8, got 16");
}

TEST_CASE("bits beyond the dimensions are refused") {
  const auto database = open_memory();
  const auto index = byte_index(*database, 11, ScalarType::kBinary, Metric::kHamming);
  ByteRows rows{11, ScalarType::kBinary, std::vector<std::byte>(4, std::byte{0xE0})};
  require_value(index->add(numbers(0, 2), rows.view(0, 2), nullptr, nullptr));
  rows.values[3] = std::byte{0xF0};
  const std::string rest =
      " at row 1 has bits beyond its 11 dimensions: byte 1 is 240, expected zeros in its lowest 5 "
      "bits";
  require_error(index->upsert(numbers(0, 2), rows.view(0, 2), nullptr, nullptr).status(),
                ErrorCode::kInvalidArgument, "vector" + rest);
  require_error(index->search(rows.view(0, 2), {}, nullptr).status(), ErrorCode::kInvalidArgument,
                "query" + rest);
}
