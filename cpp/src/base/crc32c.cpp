// SPDX-License-Identifier: MIT
#include "base/crc32c.h"

#include <array>
#include <cstring>

#if defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

namespace springg::base {

namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78U;  // bits reversed
constexpr std::size_t kWord = sizeof(std::uint64_t);

using Tables = std::array<std::array<std::uint32_t, 256>, kWord>;

// Table k: the effect of a byte with k bytes behind it.
constexpr Tables make_tables() {
  Tables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (std::size_t k = 1; k < kWord; ++k) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t before = tables[k - 1][byte];
      tables[k][byte] = before >> 8 ^ tables[0][before & 0xff];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

std::uint64_t word_at(const std::byte* data) {
  std::uint64_t word;
  std::memcpy(&word, data, kWord);
  return word;
}

#if defined(__x86_64__)

// Builtins instead of the intrinsics' header, which only folder `kernels` includes.
__attribute__((target("sse4.2"))) std::uint32_t by_instruction(std::uint32_t crc,
                                                               const std::byte* data,
                                                               std::size_t size) noexcept {
  std::uint64_t wide = crc;
  for (; size >= kWord; data += kWord, size -= kWord) {
    wide = __builtin_ia32_crc32di(wide, word_at(data));
  }
  crc = static_cast<std::uint32_t>(wide);
  for (; size != 0; ++data, --size) {
    crc = __builtin_ia32_crc32qi(crc, std::to_integer<unsigned char>(*data));
  }
  return crc;
}

bool has_instruction() noexcept {
  static const bool kHas = __builtin_cpu_supports("sse4.2") != 0;
  return kHas;
}

#elif defined(__ARM_FEATURE_CRC32)

std::uint32_t by_instruction(std::uint32_t crc, const std::byte* data, std::size_t size) noexcept {
  for (; size >= kWord; data += kWord, size -= kWord) crc = __crc32cd(crc, word_at(data));
  for (; size != 0; ++data, --size) crc = __crc32cb(crc, std::to_integer<std::uint8_t>(*data));
  return crc;
}

bool has_instruction() noexcept { return true; }

#else

std::uint32_t by_instruction(std::uint32_t crc, const std::byte*, std::size_t) noexcept {
  return crc;
}

bool has_instruction() noexcept { return false; }

#endif

}  // namespace

std::uint32_t crc32c_by_tables(std::uint32_t seed, std::span<const std::byte> bytes) noexcept {
  std::uint32_t crc = ~seed;
  const std::byte* data = bytes.data();
  std::size_t size = bytes.size();
  for (; size >= kWord; data += kWord, size -= kWord) {
    const std::uint64_t word = word_at(data) ^ crc;
    crc = 0;
    for (std::size_t k = 0; k < kWord; ++k) crc ^= kTables[kWord - 1 - k][word >> (8 * k) & 0xff];
  }
  for (; size != 0; ++data, --size) {
    crc = crc >> 8 ^ kTables[0][(crc ^ std::to_integer<std::uint32_t>(*data)) & 0xff];
  }
  return ~crc;
}

std::uint32_t crc32c(std::uint32_t seed, std::span<const std::byte> bytes) noexcept {
  if (!has_instruction()) return crc32c_by_tables(seed, bytes);
  return ~by_instruction(~seed, bytes.data(), bytes.size());
}

}  // namespace springg::base
