// SPDX-License-Identifier: MIT
#include <algorithm>

#include "catch.h"
#include "kernels/kernel_cases.h"

namespace springg::kernels::testing {
namespace {

struct Case {
  std::vector<std::int8_t> query;
  std::vector<std::byte> rows;  // at odd addresses
  std::vector<const std::byte*> pointers;
};

Case random_case(std::mt19937& generator, std::size_t bytes, std::size_t rows) {
  std::uniform_int_distribution<int> factor(-127, 127);
  std::uniform_int_distribution<int> code(0, 255);
  Case made{std::vector<std::int8_t>(bytes), std::vector<std::byte>(rows * (bytes + 1) + 1), {}};
  for (std::int8_t& value : made.query) value = static_cast<std::int8_t>(factor(generator));
  for (std::byte& value : made.rows) value = static_cast<std::byte>(code(generator));
  for (std::size_t r = 0; r < rows; ++r) {
    made.pointers.push_back(made.rows.data() + r * (bytes + 1) + 1);
  }
  return made;
}

std::int64_t product(const std::vector<std::int8_t>& query, const std::byte* row) {
  std::int64_t sum = 0;
  for (std::size_t j = 0; j < query.size(); ++j) {
    sum += std::int64_t{query[j]} * std::to_integer<int>(row[j]);
  }
  return sum;
}

}  // namespace

TEST_CASE("products of codes are exact for every length and number of rows") {
  std::mt19937 generator(11);
  for (const std::size_t bytes : {64U, 128U, 192U, 256U, 384U, 1024U, 4096U}) {
    for (std::size_t rows = 1; rows <= 9; ++rows) {
      const Case tried = random_case(generator, bytes, rows);
      for (const DistanceTable* table : available_tables()) {
        INFO(table->isa << " bytes " << bytes << " rows " << rows);
        std::vector<std::int32_t> sums(rows);
        table->code_gather(tried.query.data(), tried.pointers.data(), rows, bytes, sums.data());
        std::size_t wrong = 0;
        for (std::size_t r = 0; r < rows; ++r) {
          wrong += product(tried.query, tried.pointers[r]) == sums[r] ? 0U : 1U;
        }
        CHECK(wrong == 0);
      }
    }
  }
}

TEST_CASE("products of codes do not overflow at the greatest length") {
  constexpr std::size_t kBytes = 65'536;
  for (const int sign : {-1, 1}) {
    const std::vector<std::int8_t> query(kBytes, static_cast<std::int8_t>(sign * 127));
    const std::vector<std::byte> row(kBytes, std::byte{255});
    const std::byte* const pointer = row.data();
    for (const DistanceTable* table : available_tables()) {
      INFO(table->isa);
      std::int32_t sum = 0;
      table->code_gather(query.data(), &pointer, 1, kBytes, &sum);
      CHECK(std::int64_t{sum} == std::int64_t{sign} * 127 * 255 * 65'536);
    }
  }
}

}  // namespace springg::kernels::testing
