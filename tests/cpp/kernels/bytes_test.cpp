// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdlib>

#include "catch.h"
#include "kernels/kernel_cases.h"

namespace springg::kernels::testing {
namespace {

constexpr std::size_t kRows = 6;  // a group and two single ones
constexpr std::size_t kQueries = 3;

std::vector<std::size_t> every_length() {
  std::vector<std::size_t> lengths{384, 768, 1024, 1536, 3072, 16'384, 65'536};
  for (std::size_t dims = 1; dims <= 130; ++dims) lengths.push_back(dims);
  return lengths;
}

int value_of(std::byte byte, bool is_signed) {
  return is_signed ? int{static_cast<std::int8_t>(byte)} : std::to_integer<int>(byte);
}

// Exact, then rounded once.
float exact(Measure measure, bool is_signed, const std::byte* query, const std::byte* row,
            std::size_t dims) {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < dims; ++i) {
    const int q = value_of(query[i], is_signed);
    const int x = value_of(row[i], is_signed);
    sum += measure == Measure::kDot         ? q * x
           : measure == Measure::kSquaredL2 ? (q - x) * (q - x)
                                            : std::abs(q - x);
  }
  return static_cast<float>(sum);
}

// Queries and rows at odd addresses, one byte between rows.
struct Case {
  std::size_t dims;
  std::vector<std::byte> queries;
  std::vector<std::byte> rows;

  explicit Case(std::size_t dimensions)
      : dims(dimensions), queries(kQueries * stride() + 1), rows(kRows * stride() + 1) {}
  std::size_t stride() const { return dims + 1 + dims % 2; }
  const std::byte* query(std::size_t q) const { return queries.data() + 1 + q * stride(); }
  const std::byte* row(std::size_t r) const { return rows.data() + 1 + r * stride(); }
};

Case random_case(std::mt19937& generator, std::size_t dims) {
  Case made(dims);
  std::uniform_int_distribution<int> value(0, 255);
  for (std::byte& byte : made.queries) byte = static_cast<std::byte>(value(generator));
  for (std::byte& byte : made.rows) byte = static_cast<std::byte>(value(generator));
  return made;
}

// How many results of the three shapes are not the exact ones.
std::size_t wrong_results(const DistanceFunctions& functions, Measure measure, bool is_signed,
                          const Case& tried) {
  std::vector<const std::byte*> pointers;
  for (std::size_t r = 0; r < kRows; ++r) pointers.push_back(tried.row(r));
  std::vector<float> tiled(kQueries * kRows);
  functions.tile(tried.query(0), tried.stride(), kQueries, tried.row(0), tried.stride(), kRows,
                 tried.dims, tiled.data(), kRows);
  std::size_t wrong = 0;
  for (std::size_t q = 0; q < kQueries; ++q) {
    std::vector<float> gathered(kRows);
    functions.gather(tried.query(q), pointers.data(), kRows, tried.dims, gathered.data());
    std::vector<float> scanned(kRows);
    functions.scan(tried.query(q), tried.row(0), tried.stride(), kRows, tried.dims, scanned.data());
    for (std::size_t r = 0; r < kRows; ++r) {
      const float expected = exact(measure, is_signed, tried.query(q), tried.row(r), tried.dims);
      wrong += gathered[r] == expected ? 0U : 1U;
      wrong += scanned[r] == expected ? 0U : 1U;
      wrong += tiled[q * kRows + r] == expected ? 0U : 1U;
    }
  }
  return wrong;
}

void check_all(const Case& tried) {
  for (const DistanceTable* table : available_tables()) {
    for (const Measure measure : kFloatMeasures) {
      const auto index = static_cast<std::size_t>(measure);
      INFO(table->isa << " " << name_of(measure) << " dims " << tried.dims);
      CHECK(wrong_results(table->int8.of_bytes[index], measure, true, tried) == 0);
      CHECK(wrong_results(table->uint8.of_bytes[index], measure, false, tried) == 0);
    }
  }
}

}  // namespace

TEST_CASE("distances of bytes are exact for every length, at odd addresses, in every shape") {
  std::mt19937 generator(21);
  for (const std::size_t dims : every_length()) check_all(random_case(generator, dims));
}

TEST_CASE("sums of the extreme bytes do not overflow") {
  constexpr std::byte kExtremes[] = {std::byte{0}, std::byte{0x7F}, std::byte{0x80},
                                     std::byte{0xFF}};
  for (const std::size_t dims : {1U, 63U, 64U, 65U, 1536U, 65'536U}) {
    for (const std::byte query : kExtremes) {
      for (const std::byte row : kExtremes) {
        Case tried(dims);
        std::fill(tried.queries.begin(), tried.queries.end(), query);
        std::fill(tried.rows.begin(), tried.rows.end(), row);
        check_all(tried);
      }
    }
  }
}

TEST_CASE("bytes around what is compared do not count") {
  for (std::size_t dims = 1; dims <= 130; ++dims) {
    Case tried(dims);
    std::fill(tried.queries.begin(), tried.queries.end(), std::byte{0x55});
    std::fill(tried.rows.begin(), tried.rows.end(), std::byte{0xAA});
    for (std::size_t i = 0; i < dims; ++i) {
      for (std::size_t q = 0; q < kQueries; ++q) tried.queries[1 + q * tried.stride() + i] = {};
      for (std::size_t r = 0; r < kRows; ++r) tried.rows[1 + r * tried.stride() + i] = {};
    }
    check_all(tried);
  }
}

TEST_CASE("a tile takes more queries than its block") {
  std::mt19937 generator(22);
  constexpr std::size_t kMany = 131;
  constexpr std::size_t kDims = 70;
  std::uniform_int_distribution<int> value(0, 255);
  std::vector<std::byte> bytes((kMany + kRows) * kDims);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(value(generator));
  const std::byte* const rows = bytes.data() + kMany * kDims;
  for (const DistanceTable* table : available_tables()) {
    INFO(table->isa);
    std::vector<float> tiled(kMany * kRows);
    table->int8.of_bytes[0].tile(bytes.data(), kDims, kMany, rows, kDims, kRows, kDims,
                                 tiled.data(), kRows);
    std::size_t wrong = 0;
    for (std::size_t q = 0; q < kMany; ++q) {
      for (std::size_t r = 0; r < kRows; ++r) {
        const float expected =
            exact(Measure::kDot, true, bytes.data() + q * kDims, rows + r * kDims, kDims);
        wrong += tiled[q * kRows + r] == expected ? 0U : 1U;
      }
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("queries of float32 are compared with bytes as with their values") {
  std::mt19937 generator(23);
  for (const std::size_t dims : every_length()) {
    const Case tried = random_case(generator, dims);
    const std::vector<float> query = random_floats(generator, dims, -3.0F, 3.0F);
    std::vector<const std::byte*> pointers;
    for (std::size_t r = 0; r < kRows; ++r) pointers.push_back(tried.row(r));
    for (const DistanceTable* table : available_tables()) {
      for (const Measure measure : kFloatMeasures) {
        for (const bool is_signed : {true, false}) {
          INFO(table->isa << " " << name_of(measure) << " dims " << dims << " " << is_signed);
          const ByteFunctions& functions = is_signed ? table->int8 : table->uint8;
          std::vector<float> found(kRows);
          functions.of_floats[static_cast<std::size_t>(measure)](query.data(), pointers.data(),
                                                                 kRows, dims, found.data());
          std::size_t wrong = 0;
          for (std::size_t r = 0; r < kRows; ++r) {
            std::vector<double> row(dims);
            for (std::size_t i = 0; i < dims; ++i) row[i] = value_of(tried.row(r)[i], is_signed);
            const Reference sum = reference(measure, query.data(), row);
            const double error = std::fabs(static_cast<double>(found[r]) - sum.value);
            wrong += error <= 2e-6 * sum.absolute_terms ? 0U : 1U;
          }
          CHECK(wrong == 0);
        }
      }
    }
  }
}

}  // namespace springg::kernels::testing
