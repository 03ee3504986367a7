// SPDX-License-Identifier: MIT
// Microseconds of one Index::search on a 100 x 32 index (k = 10, metadata included): what
// benchmarks/python/call_overhead.py subtracts from the same call in Python. Prints one number.
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <random>
#include <vector>

#include "springg/database.h"

namespace {

constexpr std::size_t kRows = 100;
constexpr std::size_t kDimensions = 32;
constexpr int kCalls = 100'000;

std::vector<float> random_floats(std::size_t count) {
  std::mt19937 generator(0);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(generator);
  return values;
}

int fail(const springg::Status& status) {
  std::fprintf(stderr, "%s\n", status.message().c_str());
  return 1;
}

}  // namespace

int main() {
  auto database = springg::Database::open(":memory:", {});
  if (!database.ok()) return fail(database.status());
  springg::IndexOptions options;
  options.dimensions = kDimensions;
  auto index = database.value()->create_index("small", options, false);
  if (!index.ok()) return fail(index.status());
  const std::vector<float> rows = random_floats(kRows * kDimensions);
  springg::IdColumn ids;
  for (std::size_t i = 0; i < kRows; ++i) ids.append_integer(i);
  auto added =
      index.value()->add(ids, {rows.data(), kRows, kDimensions, kDimensions}, nullptr, nullptr);
  if (!added.ok()) return fail(added.status());
  const springg::MatrixView query{rows.data(), 1, kDimensions, kDimensions};
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kCalls; ++i) {
    auto found = index.value()->search(query, {}, nullptr);
    if (!found.ok()) return fail(found.status());
  }
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begin;
  std::printf("%.4f\n", took.count() / kCalls);
  return 0;
}
