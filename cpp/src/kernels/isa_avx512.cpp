// SPDX-License-Identifier: MIT
#include "kernels/isa_avx512.h"
#include "kernels/isa_tables.h"

namespace springg::kernels {
namespace {

struct WordBits {
  SPRINGG_INLINE static std::uint32_t differing_bits(const std::byte* a, const std::byte* b,
                                                     std::size_t n) {
    return differing_bits_by_words<WordBits>(a, b, n);
  }
};

constexpr DistanceTable kTable = make_table<Avx512<WordBits>>("avx512");

}  // namespace

const DistanceTable& avx512_table() noexcept { return kTable; }

}  // namespace springg::kernels
