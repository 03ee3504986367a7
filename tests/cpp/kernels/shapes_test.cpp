// SPDX-License-Identifier: MIT
// One pair, one answer: gather, scan and tile give equal bits, and write and read nothing else.
#include <algorithm>

#include "catch.h"
#include "kernels/kernel_cases.h"

namespace springg::kernels::testing {
namespace {

constexpr float kUntouched = -12345.0F;

struct Shape {
  ScalarType type;
  Measure measure;
  std::size_t dims;
  std::size_t queries;
  std::size_t rows;
};

// Distances of all pairs, one pair a call: what the other shapes must repeat.
std::vector<float> one_by_one(const DistanceFunctions& functions, const Shape& shape,
                              const std::vector<float>& queries, std::size_t query_stride,
                              const OddRows& rows) {
  std::vector<float> results;
  for (std::size_t q = 0; q < shape.queries; ++q) {
    for (std::size_t r = 0; r < shape.rows; ++r) {
      float result = kUntouched;
      functions.scan(queries.data() + q * query_stride, rows.row(r), rows.stride(), 1, shape.dims,
                     &result);
      results.push_back(result);
    }
  }
  return results;
}

void check_equal_bits(const DistanceTable& table, const Shape& shape, std::mt19937& generator) {
  INFO(describe_case(table, shape.type, shape.measure, shape.dims)
       << " queries " << shape.queries << " rows " << shape.rows);
  const DistanceFunctions& functions = functions_of(table, shape.type, shape.measure);
  const std::size_t query_stride = shape.dims + 3;
  const std::vector<float> queries = random_floats(generator, shape.queries * query_stride);
  OddRows rows(shape.type, shape.rows, shape.dims);
  for (std::size_t r = 0; r < shape.rows; ++r) {
    rows.set(r, random_floats(generator, shape.dims));
  }
  const std::vector<float> expected = one_by_one(functions, shape, queries, query_stride, rows);

  const std::size_t out_stride = shape.rows + 2;
  std::vector<float> tiled(shape.queries * out_stride, kUntouched);
  functions.tile(queries.data(), query_stride, shape.queries, rows.base(), rows.stride(),
                 shape.rows, shape.dims, tiled.data(), out_stride);
  std::vector<const std::byte*> backwards = rows.pointers();
  std::reverse(backwards.begin(), backwards.end());
  std::size_t unequal = 0;
  for (std::size_t q = 0; q < shape.queries; ++q) {
    std::vector<float> scanned(shape.rows + 1, kUntouched);
    functions.scan(queries.data() + q * query_stride, rows.base(), rows.stride(), shape.rows,
                   shape.dims, scanned.data());
    std::vector<float> gathered(shape.rows + 1, kUntouched);
    functions.gather(queries.data() + q * query_stride, backwards.data(), shape.rows, shape.dims,
                     gathered.data());
    for (std::size_t r = 0; r < shape.rows; ++r) {
      const std::uint32_t bits = bits_of(expected[q * shape.rows + r]);
      unequal += bits_of(scanned[r]) != bits ? 1U : 0U;
      unequal += bits_of(gathered[shape.rows - 1 - r]) != bits ? 1U : 0U;
      unequal += bits_of(tiled[q * out_stride + r]) != bits ? 1U : 0U;
    }
    CHECK(scanned[shape.rows] == kUntouched);
    CHECK(gathered[shape.rows] == kUntouched);
    CHECK(tiled[q * out_stride + shape.rows] == kUntouched);
    CHECK(tiled[q * out_stride + shape.rows + 1] == kUntouched);
  }
  CHECK(unequal == 0);
}

}  // namespace

TEST_CASE("gather, scan and tile give equal bits") {
  std::mt19937 generator(5);
  for (const DistanceTable* table : available_tables()) {
    for (const ScalarType type : {ScalarType::kFloat32, ScalarType::kFloat16}) {
      for (const Measure measure : kFloatMeasures) {
        for (const std::size_t dims :
             {1U, 2U, 3U, 5U, 8U, 13U, 16U, 31U, 100U, 255U, 256U, 257U, 384U, 1001U}) {
          for (const std::size_t rows : {0U, 1U, 2U, 3U, 4U, 5U, 7U, 8U, 9U, 15U, 17U}) {
            check_equal_bits(*table, {type, measure, dims, rows % 4 + 1, rows}, generator);
          }
          for (const std::size_t queries : {0U, 1U, 2U, 3U, 5U, 6U, 7U, 11U, 12U, 13U, 14U, 25U}) {
            check_equal_bits(*table, {type, measure, dims, queries, 6}, generator);
          }
        }
      }
    }
  }
}

TEST_CASE("a tile larger than its cache blocks gives the bits of a scan") {
  std::mt19937 generator(6);
  for (const DistanceTable* table : available_tables()) {
    check_equal_bits(*table, {ScalarType::kFloat32, Measure::kDot, 384, 29, 203}, generator);
    check_equal_bits(*table, {ScalarType::kFloat16, Measure::kSquaredL2, 130, 14, 1037}, generator);
    check_equal_bits(*table, {ScalarType::kFloat32, Measure::kManhattan, 20000, 3, 19}, generator);
  }
}

TEST_CASE("rows may repeat in a gather") {
  std::mt19937 generator(7);
  const std::size_t dims = 77;
  const std::vector<float> query = random_floats(generator, dims);
  OddRows rows(ScalarType::kFloat32, 1, dims);
  rows.set(0, random_floats(generator, dims));
  const std::vector<const std::byte*> repeated(9, rows.row(0));
  for (const DistanceTable* table : available_tables()) {
    std::vector<float> found(9);
    table->float32[0].gather(query.data(), repeated.data(), 9, dims, found.data());
    for (const float value : found) CHECK(bits_of(value) == bits_of(found[0]));
  }
}

TEST_CASE("a stride of zero repeats one row") {
  std::mt19937 generator(12);
  const std::vector<float> query = random_floats(generator, 40);
  const std::vector<float> row = random_floats(generator, 40);
  for (const DistanceTable* table : available_tables()) {
    std::vector<float> scanned(6);
    const auto* const base = reinterpret_cast<const std::byte*>(row.data());
    table->float32[1].scan(query.data(), base, 0, 6, 40, scanned.data());
    std::vector<float> tiled(6);
    table->float32[1].tile(query.data(), 40, 1, base, 0, 6, 40, tiled.data(), 6);
    for (std::size_t r = 0; r < 6; ++r) {
      CHECK(bits_of(scanned[r]) == bits_of(scanned[0]));
      CHECK(bits_of(tiled[r]) == bits_of(scanned[0]));
    }
  }
}

TEST_CASE("instruction sets agree to the rounding") {
  std::mt19937 generator(8);
  const std::size_t dims = 384;
  const std::vector<float> query = random_floats(generator, dims);
  OddRows rows(ScalarType::kFloat16, 33, dims);
  for (std::size_t r = 0; r < 33; ++r) rows.set(r, random_floats(generator, dims));
  const auto tables = available_tables();
  for (const Measure measure : kFloatMeasures) {
    std::vector<float> expected(33);
    functions_of(*tables.front(), ScalarType::kFloat16, measure)
        .scan(query.data(), rows.base(), rows.stride(), 33, dims, expected.data());
    for (const DistanceTable* table : tables) {
      std::vector<float> found(33);
      functions_of(*table, ScalarType::kFloat16, measure)
          .scan(query.data(), rows.base(), rows.stride(), 33, dims, found.data());
      for (std::size_t r = 0; r < 33; ++r) {
        INFO(table->isa << " " << name_of(measure) << " row " << r);
        CHECK(std::fabs(found[r] - expected[r]) <= 1e-4F);
      }
    }
  }
}

}  // namespace springg::kernels::testing
