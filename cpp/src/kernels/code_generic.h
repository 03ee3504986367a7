// SPDX-License-Identifier: MIT
// Products of byte codes, once for all instruction sets. Integers: every order of adding gives the
// same sum. An `Isa` has, beside what distance_generic.h asks for:
//   Integers                      a register of 32-bit sums, zero when made by no_products()
//   add_products(sums, row, q)    adds those of kCodeBlockBytes unsigned and signed bytes
//   sum_products(sums)            of the lanes
#pragma once

#include "kernels/distance_generic.h"

namespace springg::kernels {

template <class Isa, std::size_t R>
SPRINGG_INLINE void multiply_codes(const std::int8_t* query, const std::byte* const (&rows)[R],
                                   std::size_t bytes, std::int32_t* out) {
  typename Isa::Integers sums[R];
  unroll<R>([&](auto r) { sums[r] = Isa::no_products(); });
  for (std::size_t i = 0; i < bytes; i += kCodeBlockBytes) {
    unroll<R>([&](auto r) { sums[r] = Isa::add_products(sums[r], rows[r] + i, query + i); });
  }
  unroll<R>([&](auto r) { out[r] = Isa::sum_products(sums[r]); });
}

template <class Isa>
SPRINGG_KERNEL void code_gather(const std::int8_t* query, const std::byte* const* rows,
                                std::size_t count, std::size_t bytes, std::int32_t* out) noexcept {
  std::size_t i = 0;
  for (; i + kGroup <= count; i += kGroup) {
    const std::byte* const group[kGroup] = {rows[i], rows[i + 1], rows[i + 2], rows[i + 3]};
    multiply_codes<Isa>(query, group, bytes, out + i);
  }
  for (; i < count; ++i) {
    const std::byte* const row[1] = {rows[i]};
    multiply_codes<Isa>(query, row, bytes, out + i);
  }
}

}  // namespace springg::kernels
