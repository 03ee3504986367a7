// SPDX-License-Identifier: MIT
// What the AVX-512 instruction sets share. `Bits` counts differing bits and multiplies codes and
// bytes; it is a type of the including file's anonymous namespace, so that nothing here has
// external linkage.
#pragma once

#include <immintrin.h>

#include "kernels/distance_generic.h"
#include "kernels/scalar_bits.h"

namespace springg::kernels {

template <class Bits>
struct Avx512 : Bits {
  using Arch = xsimd::avx512bw;
  using Batch = xsimd::batch<float, Arch>;
  static constexpr bool kFused = true;
  static constexpr std::size_t kTileQueries = 6;

  SPRINGG_INLINE static Batch load_tail(const std::byte* p, std::size_t n) {
    const auto mask = static_cast<__mmask16>((1U << n) - 1U);
    return _mm512_maskz_loadu_ps(mask, p);
  }
  SPRINGG_INLINE static Batch load_half(const std::byte* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  SPRINGG_INLINE static Batch load_half_tail(const std::byte* p, std::size_t n) {
    const auto mask = static_cast<__mmask16>((1U << n) - 1U);
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, p));
  }
  SPRINGG_INLINE static void store_half(Batch v, std::uint16_t* p) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
  SPRINGG_INLINE static xsimd::batch<double, Arch> load_doubles(const float* p) {
    return _mm512_cvtps_pd(_mm256_loadu_ps(p));
  }

  // Lanes i and i+8, i and i+4, i and i+2, then the last two.
  SPRINGG_INLINE static __m256 halve(__m512 v) {
    return _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  }
  SPRINGG_INLINE static float reduce(Batch v) {
    const __m256 eight = halve(v);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  SPRINGG_INLINE static __m256 fold(__m256 a, __m256 b) {  // a's four sums, then b's
    return _mm256_add_ps(_mm256_blend_ps(a, b, 0xF0), _mm256_permute2f128_ps(a, b, 0x21));
  }
  SPRINGG_INLINE static bool reduce_group(const Batch (&v)[kGroup], float* out) {
    const __m256 x = fold(halve(v[0]), halve(v[1]));
    const __m256 y = fold(halve(v[2]), halve(v[3]));
    const __m256 two = _mm256_add_ps(_mm256_unpacklo_ps(x, y), _mm256_unpackhi_ps(x, y));
    const __m256 one = _mm256_add_ps(two, _mm256_permute_ps(two, 0xEE));
    const __m128 sums = _mm_unpacklo_ps(_mm256_castps256_ps128(one), _mm256_extractf128_ps(one, 1));
    _mm_storeu_ps(out, sums);
    return _mm_movemask_ps(_mm_cmpunord_ps(sums, sums)) != 0;
  }
  using Integers = __m512i;
  SPRINGG_INLINE static Integers no_products() { return _mm512_setzero_si512(); }
  SPRINGG_INLINE static Integers add_half_products(Integers sums, const std::byte* row,
                                                   const std::int8_t* query) {
    const __m512i low_half = _mm512_set1_epi8(15);
    const __m512i codes = _mm512_loadu_si512(row);
    const __m512i high = _mm512_and_si512(_mm512_srli_epi16(codes, 4), low_half);
    return Bits::add_small_products(sums, _mm512_and_si512(codes, low_half), high, query);
  }
  SPRINGG_INLINE static Integers add_bit_products(Integers sums, const std::byte* row,
                                                  const std::int8_t* query) {
    const __m512i low_bit = _mm512_set1_epi8(1);
    __m512i codes = _mm512_loadu_si512(row);
    for (std::size_t bit = 0; bit < 8; bit += 2) {
      const __m512i next = _mm512_and_si512(_mm512_srli_epi16(codes, 1), low_bit);
      sums = Bits::add_small_products(sums, _mm512_and_si512(codes, low_bit), next,
                                      query + bit * kCodeBlockBytes);
      codes = _mm512_srli_epi16(codes, 2);
    }
    return sums;
  }
  SPRINGG_INLINE static void sum_products(const Integers (&four)[4], std::int32_t* out) {
    const __m512i a = _mm512_add_epi32(_mm512_unpacklo_epi32(four[0], four[1]),
                                       _mm512_unpackhi_epi32(four[0], four[1]));
    const __m512i b = _mm512_add_epi32(_mm512_unpacklo_epi32(four[2], four[3]),
                                       _mm512_unpackhi_epi32(four[2], four[3]));
    const __m512i c = _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    const __m256i d = _mm256_add_epi32(_mm512_castsi512_si256(c), _mm512_extracti64x4_epi64(c, 1));
    const __m128i sums = _mm_add_epi32(_mm256_castsi256_si128(d), _mm256_extracti128_si256(d, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), sums);
  }

  using Bytes = __m512i;
  static constexpr std::size_t kByteLanes = 64;
  SPRINGG_INLINE static Bytes load_bytes(const std::byte* p) { return _mm512_loadu_si512(p); }
  SPRINGG_INLINE static Bytes load_byte_tail(const std::byte* p, std::size_t n) {
    const auto mask = static_cast<__mmask64>((std::uint64_t{1} << n) - 1U);
    return _mm512_maskz_loadu_epi8(mask, p);
  }
  template <bool kSigned, Measure M>
  SPRINGG_INLINE static Integers add_terms(Integers sums, Bytes q, Bytes x) {
    if constexpr (M == Measure::kDot) {
      return Bits::template add_byte_products<kSigned>(sums, q, x);
    } else {
      if constexpr (kSigned) {  // differences stay what they are
        q = _mm512_xor_si512(q, _mm512_set1_epi8(-128));
        x = _mm512_xor_si512(x, _mm512_set1_epi8(-128));
      }
      if constexpr (M == Measure::kManhattan) return _mm512_add_epi32(sums, _mm512_sad_epu8(q, x));
      const __m512i zero = _mm512_setzero_si512();
      const __m512i d = _mm512_or_si512(_mm512_subs_epu8(q, x), _mm512_subs_epu8(x, q));
      const __m512i low = _mm512_unpacklo_epi8(d, zero);
      const __m512i high = _mm512_unpackhi_epi8(d, zero);
      return Bits::add_pairs(Bits::add_pairs(sums, low, low), high, high);
    }
  }
  template <bool kSigned>
  SPRINGG_INLINE static Batch floats_of(__m128i bytes) {
    return _mm512_cvtepi32_ps(kSigned ? _mm512_cvtepi8_epi32(bytes) : _mm512_cvtepu8_epi32(bytes));
  }
  template <bool kSigned>
  SPRINGG_INLINE static Batch load_integers(const std::byte* p) {
    return floats_of<kSigned>(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  template <bool kSigned>
  SPRINGG_INLINE static Batch load_integer_tail(const std::byte* p, std::size_t n) {
    const auto mask = static_cast<__mmask16>((1U << n) - 1U);
    return floats_of<kSigned>(_mm_maskz_loadu_epi8(mask, p));
  }
};

}  // namespace springg::kernels
