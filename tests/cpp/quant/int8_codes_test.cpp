// SPDX-License-Identifier: MIT
#include "quant/int8_codes.h"

#include <cmath>
#include <random>

#include "base/buffer.h"
#include "catch.h"

namespace springg::quant {
namespace {

constexpr std::uint32_t kRows = 300;

struct Coded {
  std::vector<float> vectors;
  std::vector<float> inverse_norms;
  std::vector<const std::byte*> chunks;
  base::Buffer bytes;
  bool whole = false;
  std::optional<Int8Codes> codes;
};

double length_of(const float* vector, std::size_t dimensions) {
  double sum = 0;
  for (std::size_t j = 0; j < dimensions; ++j) sum += double{vector[j]} * double{vector[j]};
  return std::sqrt(sum);
}

// One chunk holds all: 2^31 rows.
base::RowTable table_of(const std::vector<float>& values, std::size_t width,
                        const std::byte*& chunk) {
  chunk = reinterpret_cast<const std::byte*>(values.data());
  base::RowTable table;
  table.chunks = &chunk;
  table.chunk_shift = 31;
  table.stride = width * sizeof(float);
  return table;
}

void encode(Coded& coded, Metric metric, std::uint32_t dimensions) {
  const auto rows = static_cast<std::uint32_t>(coded.vectors.size() / dimensions);
  for (std::uint32_t row = 0; row < rows; ++row) {
    const double length = length_of(coded.vectors.data() + row * dimensions, dimensions);
    coded.inverse_norms.push_back(length > 0 ? static_cast<float>(1024 / length) : 0);
  }
  coded.chunks.resize(2);
  Int8Source source{metric, ScalarType::kFloat32, dimensions, rows, {}, {}};
  source.vectors = table_of(coded.vectors, dimensions, coded.chunks[0]);
  source.inverse_norms = table_of(coded.inverse_norms, 1, coded.chunks[1]);
  coded.bytes = std::move(base::Buffer::allocate(int8_bytes(dimensions, rows))).value();
  const Int8Encoder encoder(source, coded.bytes.span());
  coded.whole = encoder.encode(0, rows / 2) && encoder.encode(rows / 2, rows);
  coded.codes = open_int8(coded.bytes.span(), rows, dimensions, metric);
}

double exact_rank(Metric metric, const float* query, const float* row, std::size_t dimensions) {
  double dot = 0;
  double squares = 0;
  for (std::size_t j = 0; j < dimensions; ++j) {
    dot += double{query[j]} * double{row[j]};
    squares += (double{query[j]} - double{row[j]}) * (double{query[j]} - double{row[j]});
  }
  if (metric == Metric::kL2) return squares;
  if (metric == Metric::kDot) return -dot;
  const double lengths = length_of(query, dimensions) * length_of(row, dimensions);
  return lengths > 0 ? 1 - dot / lengths : 1;
}

}  // namespace

TEST_CASE("ranks from codes are close to those of the vectors") {
  std::mt19937 generator(3);
  std::normal_distribution<float> normal;
  for (const Metric metric : {Metric::kCosine, Metric::kDot, Metric::kL2}) {
    for (const std::uint32_t dimensions : {1U, 2U, 7U, 56U, 57U, 64U, 130U, 384U, 1000U}) {
      INFO(to_string(metric) << " " << dimensions);
      Coded coded;
      // Far from the origin: codes are of differences from the mean.
      for (std::uint32_t i = 0; i < kRows * dimensions; ++i) {
        coded.vectors.push_back(normal(generator) + 5);
      }
      encode(coded, metric, dimensions);
      REQUIRE(coded.whole);
      REQUIRE(coded.codes.has_value());
      std::vector<float> query(dimensions);
      for (float& value : query) value = normal(generator) + 5;
      const double length = metric == Metric::kCosine ? length_of(query.data(), dimensions) : 1;
      std::vector<float> asked = query;
      for (float& value : asked) value = static_cast<float>(double{value} / length);
      Int8Query prepared;
      prepared.prepare(*coded.codes, asked.data());
      REQUIRE(prepared.usable());
      double worst = 0;
      double spread = 0;  // of the exact ranks
      double first = 0;
      for (std::uint32_t row = 0; row < kRows; ++row) {
        const std::byte* const code = coded.codes->row(row);
        float rank = 0;
        prepared.rank(*coded.codes, &code, 1, &rank);
        const float* const vector = coded.vectors.data() + row * dimensions;
        const double exact = exact_rank(metric, query.data(), vector, dimensions);
        if (row == 0) first = exact;
        spread = std::max(spread, std::abs(exact - first));
        worst = std::max(worst, std::abs(exact - double{rank}));
      }
      CHECK(worst <= 0.03 * spread + 1e-5);
    }
  }
}

TEST_CASE("rows that codes cannot bear are refused, equal and zero rows are not") {
  Coded equal;
  equal.vectors.assign(std::size_t{kRows} * 8, 3.5F);
  encode(equal, Metric::kL2, 8);
  CHECK(equal.whole);
  Coded zero;
  zero.vectors.assign(std::size_t{kRows} * 8, 0.0F);
  encode(zero, Metric::kCosine, 8);
  CHECK(zero.whole);
  for (const float value : {1e20F, 1e-20F}) {
    Coded odd;
    odd.vectors.assign(std::size_t{kRows} * 8, 0.0F);
    odd.vectors[100] = value;
    encode(odd, Metric::kDot, 8);
    CHECK_FALSE(odd.whole);
  }
  Int8Query query;
  const std::vector<float> huge(8, 1e30F);
  query.prepare(*equal.codes, huge.data());
  CHECK_FALSE(query.usable());
}

TEST_CASE("bytes of another size are no codes") {
  CHECK_FALSE(has_int8_codes(Metric::kManhattan));
  const auto bytes = std::move(base::Buffer::allocate(int8_bytes(8, 10))).value();
  CHECK(open_int8(bytes.span(), 10, 8, Metric::kDot).has_value());
  CHECK_FALSE(open_int8(bytes.span(), 11, 8, Metric::kDot).has_value());
  CHECK_FALSE(open_int8(bytes.span().first(bytes.size() - 64), 10, 8, Metric::kDot).has_value());
}

}  // namespace springg::quant
