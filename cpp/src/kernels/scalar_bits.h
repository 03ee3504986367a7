// SPDX-License-Identifier: MIT
// Integer work on bytes and halves that several instruction sets share. The templates take the
// instruction set, for the same reason as distance_generic.h's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace springg::kernels {

// The n < 8 bytes at p as the low bytes of a word; reads no byte more.
template <class Isa>
[[gnu::always_inline]] inline std::uint64_t load_few_bytes(const std::byte* p, std::size_t n) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < n; ++i) word |= static_cast<std::uint64_t>(p[i]) << (8 * i);
  return word;
}

template <class Isa>
[[gnu::always_inline]] inline std::uint64_t load_word(const std::byte* p) {
  std::uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

// For processors that count the bits of a word in one instruction.
template <class Isa>
[[gnu::always_inline]] inline std::uint32_t differing_bits_by_words(const std::byte* a,
                                                                    const std::byte* b,
                                                                    std::size_t n) {
  std::uint64_t counts[4] = {0, 0, 0, 0};
  std::size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    for (std::size_t k = 0; k < 4; ++k) {
      const std::uint64_t word = load_word<Isa>(a + i + 8 * k) ^ load_word<Isa>(b + i + 8 * k);
      counts[k] += static_cast<std::uint64_t>(__builtin_popcountll(word));
    }
  }
  for (; i + 8 <= n; i += 8) {
    const std::uint64_t word = load_word<Isa>(a + i) ^ load_word<Isa>(b + i);
    counts[0] += static_cast<std::uint64_t>(__builtin_popcountll(word));
  }
  if (i < n) {
    const std::uint64_t word =
        load_few_bytes<Isa>(a + i, n - i) ^ load_few_bytes<Isa>(b + i, n - i);
    counts[1] += static_cast<std::uint64_t>(__builtin_popcountll(word));
  }
  return static_cast<std::uint32_t>((counts[0] + counts[1]) + (counts[2] + counts[3]));
}

}  // namespace springg::kernels
