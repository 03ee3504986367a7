// SPDX-License-Identifier: MIT
#include "quant/codes.h"

#include <cmath>
#include <cstring>
#include <random>

#include "base/buffer.h"
#include "catch.h"
#include "quant/code_query.h"
#include "quant/encoder.h"
#include "quant/rotation.h"

namespace springg::quant {
namespace {

constexpr std::uint32_t kRows = 300;

struct Coded {
  std::vector<float> vectors;
  std::vector<float> inverse_norms;
  std::vector<const std::byte*> chunks;
  base::Buffer bytes;
  bool whole = false;
  bool rotated = false;
  std::optional<Codes> codes;
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

void encode(Coded& coded, CodeKind kind, Metric metric, std::uint32_t dimensions) {
  const auto rows = static_cast<std::uint32_t>(coded.vectors.size() / dimensions);
  for (std::uint32_t row = 0; row < rows; ++row) {
    const double length = length_of(coded.vectors.data() + row * dimensions, dimensions);
    coded.inverse_norms.push_back(length > 0 ? static_cast<float>(1024 / length) : 0);
  }
  coded.chunks.resize(2);
  CodeSource source{metric, ScalarType::kFloat32, dimensions, rows, {}, {}};
  source.vectors = table_of(coded.vectors, dimensions, coded.chunks[0]);
  source.inverse_norms = table_of(coded.inverse_norms, 1, coded.chunks[1]);
  coded.bytes =
      std::move(base::Buffer::allocate(codes_bytes(kind, metric, dimensions, rows))).value();
  const Encoder encoder(source, kind, coded.bytes.span());
  coded.rotated = encoder.rotated();
  coded.whole = encoder.encode(0, rows / 2) && encoder.encode(rows / 2, rows);
  coded.codes = open_codes(coded.bytes.span(), metric, dimensions, rows);
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

// What a search sees of it: estimates beside what is true, over all rows.
struct Estimates {
  double worst = 0;    // difference
  double squares = 0;  // mean of the squared differences
  double spread = 0;   // of the true ranks
  double told = 0;     // the deviation that the query expects
};

Estimates estimate(const Coded& coded, Metric metric, const std::vector<float>& query) {
  const std::size_t dimensions = query.size();
  const double length = metric == Metric::kCosine ? length_of(query.data(), dimensions) : 1;
  std::vector<float> asked = query;
  for (float& value : asked) value = static_cast<float>(double{value} / length);
  CodeQuery prepared;
  prepared.prepare(*coded.codes, asked.data());
  REQUIRE(prepared.usable());
  Estimates result;
  result.told = double{prepared.deviation()};
  double first = 0;
  for (std::uint32_t row = 0; row < kRows; ++row) {
    const std::byte* const code = coded.codes->row(row);
    float rank = 0;
    prepared.rank(*coded.codes, &code, &row, 1, &rank);
    const float* const vector = coded.vectors.data() + row * dimensions;
    const double exact = exact_rank(metric, query.data(), vector, dimensions);
    if (row == 0) first = exact;
    const double difference = exact - double{rank};
    result.spread = std::max(result.spread, std::abs(exact - first));
    result.worst = std::max(result.worst, std::abs(difference));
    result.squares += difference * difference / kRows;
  }
  return result;
}

constexpr CodeKind kKinds[] = {CodeKind::kByte, CodeKind::kHalfByte, CodeKind::kBit};

// Of the spread of the true ranks, the greatest error that estimates may have. Of normally
// distributed rows a bit an element tells little more than the half they lie in.
double error_share(CodeKind kind) {
  switch (kind) {
    case CodeKind::kByte: return 0.04;
    case CodeKind::kHalfByte: return 0.6;
    case CodeKind::kBit: break;
  }
  return 1.2;
}

}  // namespace

TEST_CASE("ranks from codes are close to those of the vectors, by the deviation they tell") {
  std::mt19937 generator(3);
  std::normal_distribution<float> normal;
  for (const CodeKind kind : kKinds) {
    for (const Metric metric : {Metric::kCosine, Metric::kDot, Metric::kL2}) {
      for (const std::uint32_t dimensions : {1U, 2U, 7U, 56U, 57U, 64U, 130U, 384U, 1000U}) {
        INFO(static_cast<int>(kind) << " bits, " << to_string(metric) << " " << dimensions);
        Coded coded;
        // Far from the origin: codes are of differences from the mean.
        for (std::uint32_t i = 0; i < kRows * dimensions; ++i) {
          coded.vectors.push_back(normal(generator) + 5);
        }
        encode(coded, kind, metric, dimensions);
        REQUIRE(coded.whole);
        REQUIRE(coded.codes.has_value());
        std::vector<float> query(dimensions);
        for (float& value : query) value = normal(generator) + 5;
        // The same direction, short and turned round: of no less use with dot and cosine.
        for (const float scale : {1.0F, 0.01F, -1.0F}) {
          if (scale != 1 && metric == Metric::kL2) continue;
          std::vector<float> asked = query;
          for (float& value : asked) value *= scale;
          INFO("query times " << scale);
          const Estimates found = estimate(coded, metric, asked);
          CHECK(found.worst <= error_share(kind) * found.spread + 1e-5 * std::abs(scale));
          // Of few elements the error is no normal one.
          if (dimensions < 56) continue;
          CHECK(std::sqrt(found.squares) <= 1.5 * found.told);
          CHECK(std::sqrt(found.squares) >= 0.4 * found.told);
        }
      }
    }
  }
}

TEST_CASE("rows that a few elements dominate are rotated, and are estimated better for it") {
  constexpr std::uint32_t kDimensions = 256;  // fewer would gain from the padding
  std::mt19937 generator(5);
  std::normal_distribution<float> normal;
  Coded even;
  Coded steep;
  for (std::uint32_t i = 0; i < kRows * kDimensions; ++i) {
    const float value = normal(generator);
    even.vectors.push_back(value);
    steep.vectors.push_back(value * (i % kDimensions < 4 ? 60.0F : 1.0F));
  }
  encode(even, CodeKind::kHalfByte, Metric::kL2, kDimensions);
  encode(steep, CodeKind::kHalfByte, Metric::kL2, kDimensions);
  CHECK_FALSE(even.rotated);
  CHECK(steep.rotated);
  const std::vector<float> query(steep.vectors.begin(), steep.vectors.begin() + kDimensions);
  const Estimates found = estimate(steep, Metric::kL2, query);
  CHECK(found.worst <= 0.2 * found.spread);
}

TEST_CASE("a rotation keeps lengths and products, and spreads one element over all") {
  std::mt19937 generator(7);
  std::normal_distribution<float> normal;
  for (const std::uint32_t elements : {64U, 128U, 384U, 1024U, 4096U}) {
    INFO(elements);
    std::vector<float> a(elements), b(elements), one(elements), room(elements);
    for (std::uint32_t i = 0; i < elements; ++i) {
      a[i] = normal(generator);
      b[i] = normal(generator);
    }
    one[elements / 2] = 1;
    const auto dot = [&] {
      double sum = 0;
      for (std::uint32_t i = 0; i < elements; ++i) sum += double{a[i]} * double{b[i]};
      return sum;
    };
    const double length = length_of(a.data(), elements);
    const double product = dot();
    const std::vector<float> before = a;
    const Rotation& rotation = Rotation::of(elements);
    rotation.apply(a.data(), room.data());
    rotation.apply(b.data(), room.data());
    rotation.apply(one.data(), room.data());
    CHECK(a != before);
    CHECK(length_of(a.data(), elements) == Approx(length).epsilon(1e-5));
    CHECK(dot() == Approx(product).margin(1e-4 * elements));
    CHECK(length_of(one.data(), elements) == Approx(1).epsilon(1e-6));
    float greatest = 0;
    for (const float value : one) greatest = std::max(greatest, std::abs(value));
    CHECK(greatest <= 0.5F);
  }
}

TEST_CASE("rows that codes cannot bear are refused, equal and zero rows are not") {
  for (const CodeKind kind : kKinds) {
    Coded equal;
    equal.vectors.assign(std::size_t{kRows} * 8, 3.5F);
    encode(equal, kind, Metric::kL2, 8);
    CHECK(equal.whole);
    Coded zero;
    zero.vectors.assign(std::size_t{kRows} * 8, 0.0F);
    encode(zero, kind, Metric::kCosine, 8);
    CHECK(zero.whole);
    for (const float value : {1e20F, 1e-20F}) {
      Coded odd;
      odd.vectors.assign(std::size_t{kRows} * 8, 0.0F);
      odd.vectors[100] = value;
      encode(odd, kind, Metric::kDot, 8);
      CHECK_FALSE(odd.whole);
    }
    CodeQuery query;
    const std::vector<float> huge(8, 1e30F);
    query.prepare(*equal.codes, huge.data());
    CHECK_FALSE(query.usable());
    const std::vector<float> fair(8, 3.5F);
    query.prepare(*equal.codes, fair.data());
    CHECK(query.usable());
  }
}

TEST_CASE("bytes of another size or shape are no codes") {
  CHECK_FALSE(has_codes(Metric::kManhattan));
  Coded coded;
  coded.vectors.assign(std::size_t{10} * 8, 1.5F);
  encode(coded, CodeKind::kByte, Metric::kDot, 8);
  std::span<std::byte> bytes = coded.bytes.span();
  CHECK(open_codes(bytes, Metric::kDot, 8, 10).has_value());
  CHECK_FALSE(open_codes(bytes, Metric::kDot, 8, 11).has_value());
  CHECK_FALSE(open_codes(bytes, Metric::kDot, 9, 10).has_value());
  CHECK_FALSE(open_codes(bytes, Metric::kCosine, 8, 10).has_value());
  CHECK_FALSE(open_codes(bytes.first(bytes.size() - 64), Metric::kDot, 8, 10).has_value());
  CHECK_FALSE(open_codes(bytes.first(32), Metric::kDot, 8, 10).has_value());
  for (const std::size_t at : {0U, 4U, 5U, 6U, 8U, 12U}) {  // magic, version, kind, metric, ...
    const std::byte before = bytes[at];
    bytes[at] = std::byte{77};
    CHECK_FALSE(open_codes(bytes, Metric::kDot, 8, 10).has_value());
    bytes[at] = before;
  }
}

}  // namespace springg::quant
