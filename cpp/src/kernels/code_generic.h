// SPDX-License-Identifier: MIT
// Products of codes, once for all instruction sets. Integers: every order of adding gives the same
// sum. An `Isa` has, beside what distance_generic.h asks for:
//   Integers                           a register of 32-bit sums, zero when made by no_products()
//   add_products(sums, row, q)         adds those of kCodeBlockBytes bytes with as many of the
//   query add_half_products(sums, row, q)    the same for codes of half a byte, twice as many
//   add_bit_products(sums, row, q)     the same for codes of a bit, eight times as many
//   sum_products(four, out)            the lanes of four registers, each added up
#pragma once

#include "kernels/distance_generic.h"

namespace springg::kernels {

template <class Isa>
struct ByteCodes {
  static constexpr std::size_t kPerByte = 1;
  SPRINGG_INLINE static typename Isa::Integers add(typename Isa::Integers sums,
                                                   const std::byte* row, const std::int8_t* query) {
    return Isa::add_products(sums, row, query);
  }
};

template <class Isa>
struct HalfByteCodes {
  static constexpr std::size_t kPerByte = 2;
  SPRINGG_INLINE static typename Isa::Integers add(typename Isa::Integers sums,
                                                   const std::byte* row, const std::int8_t* query) {
    return Isa::add_half_products(sums, row, query);
  }
};

template <class Isa>
struct BitCodes {
  static constexpr std::size_t kPerByte = 8;
  SPRINGG_INLINE static typename Isa::Integers add(typename Isa::Integers sums,
                                                   const std::byte* row, const std::int8_t* query) {
    return Isa::add_bit_products(sums, row, query);
  }
};

template <class Isa, class Codes>
SPRINGG_KERNEL void code_gather(const std::int8_t* query, const std::byte* const* rows,
                                std::size_t count, std::size_t bytes, std::int32_t* out) noexcept {
  for (std::size_t i = 0; i < count; i += kGroup) {
    const std::size_t left = std::min(count - i, kGroup);
    // The last group is filled up with its first row: one loop for every count.
    const std::byte* group[kGroup];
    unroll<kGroup>([&](auto r) { group[r] = rows[i + (r < left ? r : 0)]; });
    typename Isa::Integers sums[kGroup];
    unroll<kGroup>([&](auto r) { sums[r] = Isa::no_products(); });
    for (std::size_t at = 0; at < bytes; at += kCodeBlockBytes) {
      const std::int8_t* const factors = query + at * Codes::kPerByte;
      unroll<kGroup>([&](auto r) { sums[r] = Codes::add(sums[r], group[r] + at, factors); });
    }
    std::int32_t totals[kGroup];
    Isa::sum_products(sums, totals);
    for (std::size_t r = 0; r < left; ++r) out[i + r] = totals[r];
  }
}

}  // namespace springg::kernels
