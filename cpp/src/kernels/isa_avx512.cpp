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
  SPRINGG_INLINE static __m512i add_products(__m512i sums, const std::byte* row,
                                             const std::int8_t* query) {
    for (std::size_t i = 0; i < kCodeBlockBytes; i += 32) {
      const __m512i codes =
          _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + i)));
      const __m512i factors =
          _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(query + i)));
      sums = _mm512_add_epi32(sums, _mm512_madd_epi16(codes, factors));
    }
    return sums;
  }
  // Of codes below 16: two products stay within 16 bits.
  SPRINGG_INLINE static __m512i add_small_products(__m512i sums, __m512i low, __m512i high,
                                                   const std::int8_t* query) {
    const __m512i products =
        _mm512_add_epi16(_mm512_maddubs_epi16(low, _mm512_loadu_si512(query)),
                         _mm512_maddubs_epi16(high, _mm512_loadu_si512(query + kCodeBlockBytes)));
    return _mm512_add_epi32(sums, _mm512_madd_epi16(products, _mm512_set1_epi16(1)));
  }
  SPRINGG_INLINE static __m512i add_pairs(__m512i sums, __m512i a, __m512i b) {
    return _mm512_add_epi32(sums, _mm512_madd_epi16(a, b));
  }
  template <bool kSigned>
  SPRINGG_INLINE static __m512i widen_low(__m512i v) {  // of each 16 bytes the first eight
    const __m512i zero = _mm512_setzero_si512();
    return kSigned ? _mm512_srai_epi16(_mm512_unpacklo_epi8(zero, v), 8)
                   : _mm512_unpacklo_epi8(v, zero);
  }
  template <bool kSigned>
  SPRINGG_INLINE static __m512i widen_high(__m512i v) {
    const __m512i zero = _mm512_setzero_si512();
    return kSigned ? _mm512_srai_epi16(_mm512_unpackhi_epi8(zero, v), 8)
                   : _mm512_unpackhi_epi8(v, zero);
  }
  template <bool kSigned>
  SPRINGG_INLINE static __m512i add_byte_products(__m512i sums, __m512i q, __m512i x) {
    sums = add_pairs(sums, widen_low<kSigned>(q), widen_low<kSigned>(x));
    return add_pairs(sums, widen_high<kSigned>(q), widen_high<kSigned>(x));
  }
  template <bool kSigned>
  SPRINGG_INLINE static std::uint32_t product_offset(const std::byte* /*q*/, std::size_t /*n*/) {
    return 0;
  }
};

constexpr DistanceTable kTable = make_table<Avx512<WordBits>>("avx512");

}  // namespace

const DistanceTable& avx512_table() noexcept { return kTable; }

}  // namespace springg::kernels
