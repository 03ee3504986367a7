// SPDX-License-Identifier: MIT
#include <algorithm>

#include "catch.h"
#include "kernels/kernel_cases.h"

namespace springg::kernels::testing {
namespace {

struct Case {
  std::size_t bytes = 0;
  std::vector<std::int8_t> query;  // one, two or eight a byte
  std::vector<std::byte> rows;     // at odd addresses
  std::vector<const std::byte*> pointers;
};

Case random_case(std::mt19937& generator, std::size_t bytes, std::size_t rows,
                 std::size_t codes_a_byte) {
  std::uniform_int_distribution<int> factor(-127, 127);
  std::uniform_int_distribution<int> code(0, 255);
  Case made{bytes,
            std::vector<std::int8_t>(bytes * codes_a_byte),
            std::vector<std::byte>(rows * (bytes + 1) + 1),
            {}};
  for (std::int8_t& value : made.query) value = static_cast<std::int8_t>(factor(generator));
  for (std::byte& value : made.rows) value = static_cast<std::byte>(code(generator));
  for (std::size_t r = 0; r < rows; ++r) {
    made.pointers.push_back(made.rows.data() + r * (bytes + 1) + 1);
  }
  return made;
}

std::int64_t product(const Case& tried, const std::byte* row) {
  std::int64_t sum = 0;
  for (std::size_t j = 0; j < tried.bytes; ++j) {
    sum += std::int64_t{tried.query[j]} * std::to_integer<int>(row[j]);
  }
  return sum;
}

// By the words of the layout: byte j of a block has code j in its low half, 64 + j in its high one.
std::int64_t half_product(const Case& tried, const std::byte* row) {
  std::int64_t sum = 0;
  for (std::size_t j = 0; j < tried.bytes; ++j) {
    const std::size_t low = j / kCodeBlockBytes * 2 * kCodeBlockBytes + j % kCodeBlockBytes;
    const int both = std::to_integer<int>(row[j]);
    sum += std::int64_t{tried.query[low]} * (both & 15);
    sum += std::int64_t{tried.query[low + kCodeBlockBytes]} * (both >> 4);
  }
  return sum;
}

// Bit b of byte j of a block is code 64 b + j.
std::int64_t bit_product(const Case& tried, const std::byte* row) {
  std::int64_t sum = 0;
  for (std::size_t j = 0; j < tried.bytes; ++j) {
    const std::size_t first = j / kCodeBlockBytes * 8 * kCodeBlockBytes + j % kCodeBlockBytes;
    for (std::size_t bit = 0; bit < 8; ++bit) {
      const int code = std::to_integer<int>(row[j]) >> bit & 1;
      sum += std::int64_t{tried.query[first + bit * kCodeBlockBytes]} * code;
    }
  }
  return sum;
}

std::size_t wrong_products(const Case& tried, CodeGather gather,
                           std::int64_t (*expected)(const Case&, const std::byte*)) {
  // Beside the last sum there is something that must stay.
  std::vector<std::int32_t> sums(tried.pointers.size() + 1, 12345);
  gather(tried.query.data(), tried.pointers.data(), tried.pointers.size(), tried.bytes,
         sums.data());
  std::size_t wrong = sums.back() == 12345 ? 0U : 1U;
  for (std::size_t r = 0; r < tried.pointers.size(); ++r) {
    wrong += expected(tried, tried.pointers[r]) == sums[r] ? 0U : 1U;
  }
  return wrong;
}

}  // namespace

TEST_CASE("products of codes are exact for every length and number of rows") {
  std::mt19937 generator(11);
  for (const std::size_t bytes : {64U, 128U, 192U, 256U, 384U, 1024U, 4096U}) {
    for (std::size_t rows = 1; rows <= 9; ++rows) {
      const Case whole = random_case(generator, bytes, rows, 1);
      const Case halves = random_case(generator, bytes, rows, 2);
      const Case bits = random_case(generator, bytes, rows, 8);
      for (const DistanceTable* table : available_tables()) {
        INFO(table->isa << " bytes " << bytes << " rows " << rows);
        CHECK(wrong_products(whole, table->code_gather, &product) == 0);
        CHECK(wrong_products(halves, table->half_code_gather, &half_product) == 0);
        CHECK(wrong_products(bits, table->bit_code_gather, &bit_product) == 0);
      }
    }
  }
}

TEST_CASE("products of codes do not overflow at the greatest length") {
  constexpr std::size_t kElements = 65'536;
  for (const int sign : {-1, 1}) {
    const std::vector<std::int8_t> query(kElements, static_cast<std::int8_t>(sign * 127));
    const std::vector<std::byte> row(kElements, std::byte{255});
    const std::byte* const pointer = row.data();
    for (const DistanceTable* table : available_tables()) {
      INFO(table->isa);
      std::int32_t sum = 0;
      table->code_gather(query.data(), &pointer, 1, kElements, &sum);
      CHECK(std::int64_t{sum} == std::int64_t{sign} * 127 * 255 * 65'536);
      table->half_code_gather(query.data(), &pointer, 1, kElements / 2, &sum);
      CHECK(std::int64_t{sum} == std::int64_t{sign} * 127 * 15 * 65'536);
      table->bit_code_gather(query.data(), &pointer, 1, kElements / 8, &sum);
      CHECK(std::int64_t{sum} == std::int64_t{sign} * 127 * 65'536);
    }
  }
}

}  // namespace springg::kernels::testing
