// SPDX-License-Identifier: MIT
// Every measure, row type and shape of every instruction set against float64.
#include "catch.h"
#include "kernels/kernel_cases.h"

namespace springg::kernels::testing {
namespace {

constexpr ScalarType kRowTypes[] = {ScalarType::kFloat32, ScalarType::kFloat16};

double tolerance(std::size_t dims, const Reference& expected) {
  const double relative = dims > 4096 ? 1e-5 : 1e-6;
  // A term below the least denormal is lost.
  const double underflow = static_cast<double>(dims) * 1.5e-45;
  return relative * expected.absolute_terms + underflow;
}

// 5 rows and 4 queries: groups and remainders of every register tile's row side.
void check_accuracy(std::size_t dims, const std::vector<std::vector<float>>& queries,
                    const std::vector<std::vector<float>>& rows) {
  std::vector<float> packed;
  for (const auto& query : queries) packed.insert(packed.end(), query.begin(), query.end());
  for (const ScalarType type : kRowTypes) {
    OddRows stored(type, rows.size(), dims);
    for (std::size_t r = 0; r < rows.size(); ++r) stored.set(r, rows[r]);
    for (const Measure measure : kFloatMeasures) {
      std::vector<Reference> expected;
      for (const auto& query : queries) {
        for (std::size_t r = 0; r < rows.size(); ++r) {
          expected.push_back(reference(measure, query.data(), stored.values(r)));
        }
      }
      for (const DistanceTable* table : available_tables()) {
        INFO(describe_case(*table, type, measure, dims));
        const DistanceFunctions& functions = functions_of(*table, type, measure);
        std::vector<float> found(expected.size());
        functions.tile(packed.data(), dims, queries.size(), stored.base(), stored.stride(),
                       rows.size(), dims, found.data(), rows.size());
        double worst = 0.0;
        for (std::size_t i = 0; i < found.size(); ++i) {
          const double error = std::fabs(static_cast<double>(found[i]) - expected[i].value);
          worst = std::fmax(worst, error / tolerance(dims, expected[i]));
          if (!(error <= tolerance(dims, expected[i]))) worst = 1e30;  // NaN too
        }
        CHECK(worst <= 1.0);
      }
    }
  }
}

std::vector<std::size_t> dimensions_to_try() {
  std::vector<std::size_t> dims;
  for (std::size_t d = 1; d <= 130; ++d) dims.push_back(d);
  for (const std::size_t d : {384U, 768U, 1024U, 1536U, 3072U, 16384U, 65536U}) dims.push_back(d);
  return dims;
}

std::vector<std::vector<float>> random_rows(std::mt19937& generator, std::size_t count,
                                            std::size_t dims, float low, float high) {
  std::vector<std::vector<float>> rows;
  for (std::size_t i = 0; i < count; ++i) rows.push_back(random_floats(generator, dims, low, high));
  return rows;
}

}  // namespace

TEST_CASE("distances of random vectors are those of float64") {
  std::mt19937 generator(1);
  for (const std::size_t dims : dimensions_to_try()) {
    check_accuracy(dims, random_rows(generator, 4, dims, -1.0F, 1.0F),
                   random_rows(generator, 5, dims, -1.0F, 1.0F));
  }
}

TEST_CASE("distances of positive vectors are those of float64") {
  std::mt19937 generator(2);
  for (const std::size_t dims : dimensions_to_try()) {
    check_accuracy(dims, random_rows(generator, 4, dims, 0.5F, 1.0F),
                   random_rows(generator, 5, dims, 0.0F, 0.5F));
  }
}

TEST_CASE("distances of constant vectors are those of float64") {
  for (const std::size_t dims : dimensions_to_try()) {
    check_accuracy(dims, {std::vector<float>(dims, 0.1F)}, {std::vector<float>(dims, 0.7F)});
    check_accuracy(dims, {std::vector<float>(dims, 3.3F)}, {std::vector<float>(dims, -1.1F)});
  }
}

TEST_CASE("distances of tiny and of large vectors are those of float64") {
  std::mt19937 generator(3);
  for (const std::size_t dims : {1U, 7U, 33U, 300U, 1536U}) {
    check_accuracy(dims, random_rows(generator, 4, dims, -1e-38F, 1e-38F),
                   random_rows(generator, 5, dims, -1e-41F, 1e-41F));
    check_accuracy(dims, random_rows(generator, 4, dims, -1e15F, 1e15F),
                   random_rows(generator, 5, dims, -6e4F, 6e4F));
  }
}

TEST_CASE("a vector's distance to itself is exactly zero") {
  std::mt19937 generator(4);
  for (const std::size_t dims : {1U, 5U, 17U, 384U, 1000U}) {
    const std::vector<float> row = random_floats(generator, dims);
    OddRows stored(ScalarType::kFloat32, 1, dims);
    stored.set(0, row);
    for (const DistanceTable* table : available_tables()) {
      for (const Measure measure : {Measure::kSquaredL2, Measure::kManhattan}) {
        INFO(describe_case(*table, ScalarType::kFloat32, measure, dims));
        float found = -1.0F;
        functions_of(*table, ScalarType::kFloat32, measure)
            .scan(row.data(), stored.base(), stored.stride(), 1, dims, &found);
        CHECK(bits_of(found) == 0);
      }
    }
  }
}

TEST_CASE("overflow is infinity, never NaN") {
  for (const std::size_t dims : {2U, 8U, 40U, 600U}) {
    const std::vector<float> query(dims, 3e38F);
    for (const ScalarType type : kRowTypes) {
      OddRows stored(type, 5, dims);
      for (std::size_t r = 0; r < 5; ++r) {
        stored.set(r, std::vector<float>(dims, type == ScalarType::kFloat32 ? -3e38F : -6e4F));
      }
      for (const DistanceTable* table : available_tables()) {
        for (const Measure measure : kFloatMeasures) {
          INFO(describe_case(*table, type, measure, dims));
          std::vector<float> found(5);
          functions_of(*table, type, measure)
              .scan(query.data(), stored.base(), stored.stride(), 5, dims, found.data());
          const float expected = std::numeric_limits<float>::infinity();
          for (const float value : found)
            CHECK(value == (measure == Measure::kDot ? -expected : expected));
        }
      }
    }
  }
}

TEST_CASE("a dot product that overflows both ways is that of float64") {
  for (const std::size_t dims : {2U, 3U, 16U, 64U, 384U, 1001U}) {
    const std::vector<float> query(dims, 3e38F);
    for (const ScalarType type : kRowTypes) {
      const float large = type == ScalarType::kFloat32 ? 3e38F : 6e4F;
      std::vector<float> balanced(dims, 0.0F);
      balanced.front() = large;
      balanced.back() = -large;
      std::vector<float> positive(balanced);
      positive[0] = large;
      positive[1] = dims > 2 ? large : 0.0F;  // two against one
      OddRows stored(type, 6, dims);
      for (std::size_t r = 0; r < 5; ++r) stored.set(r, balanced);
      stored.set(5, positive);
      for (const DistanceTable* table : available_tables()) {
        INFO(describe_case(*table, type, Measure::kDot, dims));
        const DistanceFunctions& functions = functions_of(*table, type, Measure::kDot);
        std::vector<float> scanned(6, 1.0F);
        functions.scan(query.data(), stored.base(), stored.stride(), 6, dims, scanned.data());
        std::vector<float> gathered(6, 1.0F);
        functions.gather(query.data(), stored.pointers().data(), 6, dims, gathered.data());
        std::vector<float> tiled(6, 1.0F);
        functions.tile(query.data(), dims, 1, stored.base(), stored.stride(), 6, dims, tiled.data(),
                       6);
        for (std::size_t r = 0; r < 5; ++r) CHECK(scanned[r] == 0.0F);
        if (dims > 2) CHECK(scanned[5] == std::numeric_limits<float>::infinity());
        CHECK(std::memcmp(scanned.data(), gathered.data(), 6 * sizeof(float)) == 0);
        CHECK(std::memcmp(scanned.data(), tiled.data(), 6 * sizeof(float)) == 0);
      }
    }
  }
}

}  // namespace springg::kernels::testing
