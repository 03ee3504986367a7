// SPDX-License-Identifier: MIT
#include <bit>

#include "catch.h"
#include "kernels/kernel_cases.h"

namespace springg::kernels::testing {
namespace {

std::vector<std::byte> random_bytes(std::mt19937& generator, std::size_t count) {
  std::uniform_int_distribution<int> distribution(0, 255);
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(distribution(generator));
  return bytes;
}

float differing_bits(const std::byte* a, const std::byte* b, std::size_t bytes) {
  int bits = 0;
  for (std::size_t i = 0; i < bytes; ++i)
    bits += std::popcount(std::to_integer<unsigned>(a[i] ^ b[i]));
  return static_cast<float>(bits);
}

}  // namespace

TEST_CASE("hamming counts the differing bits of any length in every shape") {
  std::mt19937 generator(9);
  constexpr std::size_t kRows = 7;
  constexpr std::size_t kQueries = 5;
  std::vector<std::size_t> lengths{1024, 4099, 65536};
  for (std::size_t bytes = 1; bytes <= 300; ++bytes) lengths.push_back(bytes);
  for (const std::size_t bytes : lengths) {
    const std::size_t stride = bytes + 1;
    const std::vector<std::byte> rows = random_bytes(generator, kRows * stride);
    const std::vector<std::byte> queries = random_bytes(generator, kQueries * stride);
    std::vector<const std::byte*> pointers;
    for (std::size_t r = 0; r < kRows; ++r) pointers.push_back(rows.data() + r * stride);
    for (const DistanceTable* table : available_tables()) {
      INFO(table->isa << " bytes " << bytes);
      std::vector<float> tiled(kQueries * kRows);
      table->bits.tile(queries.data(), stride, kQueries, rows.data(), stride, kRows, bytes,
                       tiled.data(), kRows);
      std::size_t wrong = 0;
      for (std::size_t q = 0; q < kQueries; ++q) {
        const std::byte* const query = queries.data() + q * stride;
        std::vector<float> scanned(kRows);
        table->bits.scan(query, rows.data(), stride, kRows, bytes, scanned.data());
        std::vector<float> gathered(kRows);
        table->bits.gather(query, pointers.data(), kRows, bytes, gathered.data());
        for (std::size_t r = 0; r < kRows; ++r) {
          const float expected = differing_bits(query, pointers[r], bytes);
          wrong +=
              scanned[r] != expected || gathered[r] != expected || tiled[q * kRows + r] != expected
                  ? 1U
                  : 0U;
        }
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("hamming of all bits and of none") {
  const std::vector<std::byte> ones(515, std::byte{0xFF});
  const std::vector<std::byte> zeros(515, std::byte{0});
  for (const DistanceTable* table : available_tables()) {
    float found = -1.0F;
    table->bits.scan(ones.data(), zeros.data(), 515, 1, 515, &found);
    CHECK(found == 515.0F * 8.0F);
    table->bits.scan(ones.data(), ones.data(), 515, 1, 515, &found);
    CHECK(found == 0.0F);
  }
}

}  // namespace springg::kernels::testing
