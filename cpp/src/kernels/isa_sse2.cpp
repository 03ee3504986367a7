// SPDX-License-Identifier: MIT
// The baseline of x86-64: no fused multiply-add, no half conversions, no bit counts.
#include <emmintrin.h>

#include "kernels/distance_generic.h"
#include "kernels/isa_tables.h"
#include "kernels/scalar_bits.h"

namespace springg::kernels {
namespace {

// Nearest even, overflow to infinity, NaN to a quiet NaN. Integers only, so that a process that
// flushes denormals gets the same halves.
std::uint16_t half_of_bits(std::uint32_t bits) {
  const std::uint32_t sign = (bits >> 16) & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  std::uint32_t half = 0;
  if (magnitude > 0x7F800000U) {
    half = 0x7E00U | ((magnitude >> 13) & 0x3FFU);
  } else if (magnitude >= 0x47800000U) {  // 2^16
    half = 0x7C00U;
  } else if (magnitude >= 0x38800000U) {  // 2^-14, the least normal half
    half = (magnitude - 0x38000000U + 0xFFFU + ((magnitude >> 13) & 1U)) >> 13;
  } else if (magnitude >= 0x33000000U) {  // 2^-25, half of the least denormal half
    const std::uint32_t shift = 126U - (magnitude >> 23);
    const std::uint32_t mantissa = (magnitude & 0x7FFFFFU) | 0x800000U;
    const std::uint32_t rest = mantissa & ((1U << shift) - 1U);
    const std::uint32_t middle = 1U << (shift - 1U);
    half = mantissa >> shift;
    if (rest > middle || (rest == middle && (half & 1U) != 0)) ++half;
  }
  return static_cast<std::uint16_t>(sign | half);
}

struct Sse2 {
  using Arch = xsimd::sse2;
  using Batch = xsimd::batch<float, Arch>;
  static constexpr bool kFused = false;
  static constexpr std::size_t kTileQueries = 2;

  SPRINGG_INLINE static Batch load_tail(const std::byte* p, std::size_t n) {
    const std::uint64_t low = n >= 2 ? load_word<Sse2>(p) : load_few_bytes<Sse2>(p, 4);
    const std::uint64_t high = n == 3 ? load_few_bytes<Sse2>(p + 8, 4) : 0;
    return _mm_castsi128_ps(
        _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low)));
  }
  // Rebuilds the exponent in integers; a denormal half becomes exact by one subtraction of normal
  // numbers, which no flush-to-zero mode changes.
  SPRINGG_INLINE static __m128 widen(__m128i halves) {
    const __m128i h = _mm_unpacklo_epi16(halves, _mm_setzero_si128());
    const __m128i sign = _mm_slli_epi32(_mm_and_si128(h, _mm_set1_epi32(0x8000)), 16);
    const __m128i magnitude = _mm_slli_epi32(_mm_and_si128(h, _mm_set1_epi32(0x7FFF)), 13);
    const __m128i exponent = _mm_and_si128(magnitude, _mm_set1_epi32(0x0F800000));
    const __m128i is_special = _mm_cmpeq_epi32(exponent, _mm_set1_epi32(0x0F800000));
    const __m128i is_denormal = _mm_cmpeq_epi32(exponent, _mm_setzero_si128());
    __m128i bits = _mm_add_epi32(magnitude, _mm_set1_epi32(112 << 23));
    bits = _mm_add_epi32(bits, _mm_and_si128(is_special, _mm_set1_epi32(112 << 23)));
    const __m128i least = _mm_set1_epi32(113 << 23);
    const __m128 denormal = _mm_sub_ps(
        _mm_castsi128_ps(_mm_add_epi32(bits, _mm_set1_epi32(1 << 23))), _mm_castsi128_ps(least));
    bits = _mm_or_si128(_mm_andnot_si128(is_denormal, bits),
                        _mm_and_si128(is_denormal, _mm_castps_si128(denormal)));
    return _mm_castsi128_ps(_mm_or_si128(bits, sign));
  }
  SPRINGG_INLINE static Batch load_half(const std::byte* p) {
    return widen(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  }
  SPRINGG_INLINE static Batch load_half_tail(const std::byte* p, std::size_t n) {
    const std::uint64_t few = load_few_bytes<Sse2>(p, 2 * n);
    return widen(_mm_set_epi64x(0, static_cast<long long>(few)));
  }
  SPRINGG_INLINE static void store_half(Batch v, std::uint16_t* p) {
    std::uint32_t bits[4];
    _mm_storeu_si128(reinterpret_cast<__m128i*>(bits), _mm_castps_si128(v));
    for (std::size_t i = 0; i < 4; ++i) p[i] = half_of_bits(bits[i]);
  }
  SPRINGG_INLINE static xsimd::batch<double, Arch> load_doubles(const float* p) {
    return _mm_cvtps_pd(_mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  }

  // Lanes i and i+2, then the last two.
  SPRINGG_INLINE static float reduce(Batch v) {
    const __m128 two = _mm_add_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 0x55)));
  }
  SPRINGG_INLINE static bool reduce_group(const Batch (&v)[kGroup], float* out) {
    const __m128 x = _mm_add_ps(_mm_unpacklo_ps(v[0], v[1]), _mm_unpackhi_ps(v[0], v[1]));
    const __m128 y = _mm_add_ps(_mm_unpacklo_ps(v[2], v[3]), _mm_unpackhi_ps(v[2], v[3]));
    const __m128 sums = _mm_add_ps(_mm_movelh_ps(x, y), _mm_movehl_ps(y, x));
    _mm_storeu_ps(out, sums);
    return _mm_movemask_ps(_mm_cmpunord_ps(sums, sums)) != 0;
  }

  SPRINGG_INLINE static __m128i count_bits_of_bytes(__m128i v) {
    const __m128i fives = _mm_set1_epi8(0x55);
    const __m128i threes = _mm_set1_epi8(0x33);
    v = _mm_sub_epi8(v, _mm_and_si128(_mm_srli_epi64(v, 1), fives));
    v = _mm_add_epi8(_mm_and_si128(v, threes), _mm_and_si128(_mm_srli_epi64(v, 2), threes));
    return _mm_and_si128(_mm_add_epi8(v, _mm_srli_epi64(v, 4)), _mm_set1_epi8(0x0F));
  }
  SPRINGG_INLINE static __m128i count_bits(__m128i v) {  // two 64-bit counts
    return _mm_sad_epu8(count_bits_of_bytes(v), _mm_setzero_si128());
  }
  SPRINGG_INLINE static std::uint32_t differing_bits(const std::byte* a, const std::byte* b,
                                                     std::size_t n) {
    __m128i counts = _mm_setzero_si128();
    std::size_t i = 0;
    for (; i + 16 <= n; i += 16) {
      const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(a + i));
      const __m128i y = _mm_loadu_si128(reinterpret_cast<const __m128i*>(b + i));
      counts = _mm_add_epi64(counts, count_bits(_mm_xor_si128(x, y)));
    }
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    if (i + 8 <= n) {
      low = load_word<Sse2>(a + i) ^ load_word<Sse2>(b + i);
      i += 8;
    }
    if (i < n) high = load_few_bytes<Sse2>(a + i, n - i) ^ load_few_bytes<Sse2>(b + i, n - i);
    const __m128i rest = _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low));
    counts = _mm_add_epi64(counts, count_bits(rest));
    counts = _mm_add_epi64(counts, _mm_unpackhi_epi64(counts, counts));
    return static_cast<std::uint32_t>(_mm_cvtsi128_si32(counts));
  }
  using Integers = __m128i;
  SPRINGG_INLINE static Integers no_products() { return _mm_setzero_si128(); }
  SPRINGG_INLINE static Integers add_products(Integers sums, const std::byte* row,
                                              const std::int8_t* query) {
    for (std::size_t i = 0; i < kCodeBlockBytes; i += 16) {
      const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + i));
      sums = add_sixteen(sums, codes, query + i);
    }
    return sums;
  }
  SPRINGG_INLINE static Integers add_sixteen(Integers sums, __m128i codes,
                                             const std::int8_t* query) {
    const __m128i zero = _mm_setzero_si128();
    const __m128i factors = _mm_loadu_si128(reinterpret_cast<const __m128i*>(query));
    const __m128i low = _mm_srai_epi16(_mm_unpacklo_epi8(zero, factors), 8);
    const __m128i high = _mm_srai_epi16(_mm_unpackhi_epi8(zero, factors), 8);
    sums = _mm_add_epi32(sums, _mm_madd_epi16(_mm_unpacklo_epi8(codes, zero), low));
    return _mm_add_epi32(sums, _mm_madd_epi16(_mm_unpackhi_epi8(codes, zero), high));
  }
  SPRINGG_INLINE static Integers add_half_products(Integers sums, const std::byte* row,
                                                   const std::int8_t* query) {
    const __m128i low_half = _mm_set1_epi8(15);
    for (std::size_t i = 0; i < kCodeBlockBytes; i += 16) {
      const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + i));
      sums = add_sixteen(sums, _mm_and_si128(codes, low_half), query + i);
      const __m128i high = _mm_and_si128(_mm_srli_epi16(codes, 4), low_half);
      sums = add_sixteen(sums, high, query + i + kCodeBlockBytes);
    }
    return sums;
  }
  SPRINGG_INLINE static Integers add_bit_products(Integers sums, const std::byte* row,
                                                  const std::int8_t* query) {
    const __m128i low_bit = _mm_set1_epi8(1);
    for (std::size_t i = 0; i < kCodeBlockBytes; i += 16) {
      __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + i));
      for (std::size_t bit = 0; bit < 8; ++bit) {
        sums = add_sixteen(sums, _mm_and_si128(codes, low_bit), query + i + bit * kCodeBlockBytes);
        codes = _mm_srli_epi16(codes, 1);
      }
    }
    return sums;
  }
  SPRINGG_INLINE static void sum_products(const Integers (&four)[4], std::int32_t* out) {
    const __m128i a =
        _mm_add_epi32(_mm_unpacklo_epi32(four[0], four[1]), _mm_unpackhi_epi32(four[0], four[1]));
    const __m128i b =
        _mm_add_epi32(_mm_unpacklo_epi32(four[2], four[3]), _mm_unpackhi_epi32(four[2], four[3]));
    const __m128i sums = _mm_add_epi32(_mm_unpacklo_epi64(a, b), _mm_unpackhi_epi64(a, b));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), sums);
  }

  using Bytes = __m128i;
  static constexpr std::size_t kByteLanes = 16;
  SPRINGG_INLINE static Bytes load_bytes(const std::byte* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  }
  SPRINGG_INLINE static Bytes load_byte_tail(const std::byte* p, std::size_t n) {
    const bool word = n >= 8;
    const std::uint64_t few =
        word ? load_few_bytes<Sse2>(p + 8, n - 8) : load_few_bytes<Sse2>(p, n);
    const std::uint64_t low = word ? load_word<Sse2>(p) : few;
    return _mm_set_epi64x(static_cast<long long>(word ? few : 0), static_cast<long long>(low));
  }
  template <bool kSigned>
  SPRINGG_INLINE static __m128i widen_low(Bytes v) {  // eight 16-bit integers
    const __m128i zero = _mm_setzero_si128();
    return kSigned ? _mm_srai_epi16(_mm_unpacklo_epi8(zero, v), 8) : _mm_unpacklo_epi8(v, zero);
  }
  template <bool kSigned>
  SPRINGG_INLINE static __m128i widen_high(Bytes v) {
    const __m128i zero = _mm_setzero_si128();
    return kSigned ? _mm_srai_epi16(_mm_unpackhi_epi8(zero, v), 8) : _mm_unpackhi_epi8(v, zero);
  }
  template <bool kSigned, Measure M>
  SPRINGG_INLINE static Integers add_terms(Integers sums, Bytes q, Bytes x) {
    if constexpr (M == Measure::kDot) {
      sums = _mm_add_epi32(sums, _mm_madd_epi16(widen_low<kSigned>(q), widen_low<kSigned>(x)));
      return _mm_add_epi32(sums, _mm_madd_epi16(widen_high<kSigned>(q), widen_high<kSigned>(x)));
    } else {
      if constexpr (kSigned) {  // differences stay what they are
        q = _mm_xor_si128(q, _mm_set1_epi8(-128));
        x = _mm_xor_si128(x, _mm_set1_epi8(-128));
      }
      if constexpr (M == Measure::kManhattan) return _mm_add_epi32(sums, _mm_sad_epu8(q, x));
      const __m128i d = _mm_or_si128(_mm_subs_epu8(q, x), _mm_subs_epu8(x, q));
      const __m128i low = widen_low<false>(d);
      const __m128i high = widen_high<false>(d);
      sums = _mm_add_epi32(sums, _mm_madd_epi16(low, low));
      return _mm_add_epi32(sums, _mm_madd_epi16(high, high));
    }
  }
  template <bool kSigned>
  SPRINGG_INLINE static std::uint32_t product_offset(const std::byte* /*q*/, std::size_t /*n*/) {
    return 0;
  }
  template <bool kSigned>
  SPRINGG_INLINE static Batch load_integer_tail(const std::byte* p, std::size_t n) {
    const __m128i few =
        _mm_cvtsi32_si128(static_cast<int>(static_cast<std::uint32_t>(load_few_bytes<Sse2>(p, n))));
    const __m128i wide = widen_low<kSigned>(few);
    const __m128i high = kSigned ? _mm_srai_epi16(wide, 15) : _mm_setzero_si128();
    return _mm_cvtepi32_ps(_mm_unpacklo_epi16(wide, high));
  }
  template <bool kSigned>
  SPRINGG_INLINE static Batch load_integers(const std::byte* p) {
    return load_integer_tail<kSigned>(p, 4);
  }
};

constexpr DistanceTable kTable = make_table<Sse2>("sse2");

}  // namespace

const DistanceTable& sse2_table() noexcept { return kTable; }

}  // namespace springg::kernels
