// SPDX-License-Identifier: MIT
#include <immintrin.h>

#include "kernels/distance_generic.h"
#include "kernels/isa_tables.h"
#include "kernels/scalar_bits.h"

namespace springg::kernels {
namespace {

struct Avx2 {
  using Arch = xsimd::fma3<xsimd::avx2>;
  using Batch = xsimd::batch<float, Arch>;
  static constexpr bool kFused = true;
  static constexpr std::size_t kTileQueries = 3;

  SPRINGG_INLINE static Batch load_tail(const std::byte* p, std::size_t n) {
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lanes);
    return _mm256_maskload_ps(reinterpret_cast<const float*>(p), mask);
  }
  SPRINGG_INLINE static Batch load_half(const std::byte* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  SPRINGG_INLINE static Batch load_half_tail(const std::byte* p, std::size_t n) {
    const std::size_t words = n / 4;  // whole words of four halves: 0 or 1
    const std::byte* const rest = p + 8 * words;
    const std::uint64_t few = load_few_bytes<Avx2>(rest, 2 * (n % 4));
    const std::uint64_t low = words == 0 ? few : load_word<Avx2>(p);
    const std::uint64_t high = words == 0 ? 0 : few;
    return _mm256_cvtph_ps(
        _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low)));
  }
  SPRINGG_INLINE static void store_half(Batch v, std::uint16_t* p) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
  }
  SPRINGG_INLINE static xsimd::batch<double, Arch> load_doubles(const float* p) {
    return _mm256_cvtps_pd(_mm_loadu_ps(p));
  }

  // Lanes i and i+4, then i and i+2, then the last two.
  SPRINGG_INLINE static float reduce(Batch v) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  SPRINGG_INLINE static __m256 fold(__m256 a, __m256 b) {  // a's four sums, then b's
    return _mm256_add_ps(_mm256_blend_ps(a, b, 0xF0), _mm256_permute2f128_ps(a, b, 0x21));
  }
  SPRINGG_INLINE static bool reduce_group(const Batch (&v)[kGroup], float* out) {
    const __m256 x = fold(v[0], v[1]);
    const __m256 y = fold(v[2], v[3]);
    const __m256 two = _mm256_add_ps(_mm256_unpacklo_ps(x, y), _mm256_unpackhi_ps(x, y));
    const __m256 one = _mm256_add_ps(two, _mm256_permute_ps(two, 0xEE));
    const __m128 sums = _mm_unpacklo_ps(_mm256_castps256_ps128(one), _mm256_extractf128_ps(one, 1));
    _mm_storeu_ps(out, sums);
    return _mm_movemask_ps(_mm_cmpunord_ps(sums, sums)) != 0;
  }
  SPRINGG_INLINE static std::uint32_t differing_bits(const std::byte* a, const std::byte* b,
                                                     std::size_t n) {
    return differing_bits_by_words<Avx2>(a, b, n);
  }
  using Integers = __m256i;
  SPRINGG_INLINE static Integers no_products() { return _mm256_setzero_si256(); }
  SPRINGG_INLINE static Integers add_products(Integers sums, const std::byte* row,
                                              const std::int8_t* query) {
    for (std::size_t i = 0; i < kCodeBlockBytes; i += 16) {
      const __m256i codes =
          _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row + i)));
      const __m256i factors =
          _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(query + i)));
      sums = _mm256_add_epi32(sums, _mm256_madd_epi16(codes, factors));
    }
    return sums;
  }
  // Two products of 15 * 127 at most stay within 16 bits.
  SPRINGG_INLINE static Integers add_half_products(Integers sums, const std::byte* row,
                                                   const std::int8_t* query) {
    const __m256i low_half = _mm256_set1_epi8(15);
    for (std::size_t i = 0; i < kCodeBlockBytes; i += 32) {
      const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + i));
      const __m256i low = _mm256_and_si256(codes, low_half);
      const __m256i high = _mm256_and_si256(_mm256_srli_epi16(codes, 4), low_half);
      const auto* factors = reinterpret_cast<const __m256i*>(query + i);
      const auto* behind = reinterpret_cast<const __m256i*>(query + i + kCodeBlockBytes);
      const __m256i products =
          _mm256_add_epi16(_mm256_maddubs_epi16(low, _mm256_loadu_si256(factors)),
                           _mm256_maddubs_epi16(high, _mm256_loadu_si256(behind)));
      sums = _mm256_add_epi32(sums, _mm256_madd_epi16(products, _mm256_set1_epi16(1)));
    }
    return sums;
  }
  // Sixteen products of 127 at most stay within 16 bits.
  SPRINGG_INLINE static Integers add_bit_products(Integers sums, const std::byte* row,
                                                  const std::int8_t* query) {
    const __m256i low_bit = _mm256_set1_epi8(1);
    for (std::size_t i = 0; i < kCodeBlockBytes; i += 32) {
      __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + i));
      __m256i products = _mm256_setzero_si256();
      for (std::size_t bit = 0; bit < 8; ++bit) {
        const auto* factors = reinterpret_cast<const __m256i*>(query + i + bit * kCodeBlockBytes);
        products = _mm256_add_epi16(products, _mm256_maddubs_epi16(_mm256_and_si256(codes, low_bit),
                                                                   _mm256_loadu_si256(factors)));
        codes = _mm256_srli_epi16(codes, 1);
      }
      sums = _mm256_add_epi32(sums, _mm256_madd_epi16(products, _mm256_set1_epi16(1)));
    }
    return sums;
  }
  SPRINGG_INLINE static void sum_products(const Integers (&four)[4], std::int32_t* out) {
    const __m256i pairs =
        _mm256_hadd_epi32(_mm256_hadd_epi32(four[0], four[1]), _mm256_hadd_epi32(four[2], four[3]));
    const __m128i sums =
        _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), sums);
  }

  using Bytes = __m256i;
  static constexpr std::size_t kByteLanes = 32;
  SPRINGG_INLINE static Bytes load_bytes(const std::byte* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  SPRINGG_INLINE static __m128i load_half_tail_bytes(const std::byte* p, std::size_t n) {  // < 16
    const bool word = n >= 8;
    const std::uint64_t few =
        word ? load_few_bytes<Avx2>(p + 8, n - 8) : load_few_bytes<Avx2>(p, n);
    const std::uint64_t low = word ? load_word<Avx2>(p) : few;
    return _mm_set_epi64x(static_cast<long long>(word ? few : 0), static_cast<long long>(low));
  }
  SPRINGG_INLINE static Bytes load_byte_tail(const std::byte* p, std::size_t n) {
    if (n < 16) return _mm256_zextsi128_si256(load_half_tail_bytes(p, n));
    const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_set_m128i(load_half_tail_bytes(p + 16, n - 16), low);
  }
  template <bool kSigned>
  SPRINGG_INLINE static __m256i widen_low(Bytes v) {  // of each 16 bytes the first eight
    const __m256i zero = _mm256_setzero_si256();
    return kSigned ? _mm256_srai_epi16(_mm256_unpacklo_epi8(zero, v), 8)
                   : _mm256_unpacklo_epi8(v, zero);
  }
  template <bool kSigned>
  SPRINGG_INLINE static __m256i widen_high(Bytes v) {
    const __m256i zero = _mm256_setzero_si256();
    return kSigned ? _mm256_srai_epi16(_mm256_unpackhi_epi8(zero, v), 8)
                   : _mm256_unpackhi_epi8(v, zero);
  }
  SPRINGG_INLINE static Integers add_pairs(Integers sums, __m256i a, __m256i b) {
    return _mm256_add_epi32(sums, _mm256_madd_epi16(a, b));
  }
  template <bool kSigned, Measure M>
  SPRINGG_INLINE static Integers add_terms(Integers sums, Bytes q, Bytes x) {
    if constexpr (M == Measure::kDot) {
      sums = add_pairs(sums, widen_low<kSigned>(q), widen_low<kSigned>(x));
      return add_pairs(sums, widen_high<kSigned>(q), widen_high<kSigned>(x));
    } else {
      if constexpr (kSigned) {  // differences stay what they are
        q = _mm256_xor_si256(q, _mm256_set1_epi8(-128));
        x = _mm256_xor_si256(x, _mm256_set1_epi8(-128));
      }
      if constexpr (M == Measure::kManhattan) return _mm256_add_epi32(sums, _mm256_sad_epu8(q, x));
      const __m256i d = _mm256_or_si256(_mm256_subs_epu8(q, x), _mm256_subs_epu8(x, q));
      const __m256i low = widen_low<false>(d);
      const __m256i high = widen_high<false>(d);
      return add_pairs(add_pairs(sums, low, low), high, high);
    }
  }
  template <bool kSigned>
  SPRINGG_INLINE static std::uint32_t product_offset(const std::byte* /*q*/, std::size_t /*n*/) {
    return 0;
  }
  template <bool kSigned>
  SPRINGG_INLINE static Batch floats_of(__m128i bytes) {
    return _mm256_cvtepi32_ps(kSigned ? _mm256_cvtepi8_epi32(bytes) : _mm256_cvtepu8_epi32(bytes));
  }
  template <bool kSigned>
  SPRINGG_INLINE static Batch load_integers(const std::byte* p) {
    return floats_of<kSigned>(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  }
  template <bool kSigned>
  SPRINGG_INLINE static Batch load_integer_tail(const std::byte* p, std::size_t n) {
    return floats_of<kSigned>(
        _mm_cvtsi64_si128(static_cast<long long>(load_few_bytes<Avx2>(p, n))));
  }
};

constexpr DistanceTable kTable = make_table<Avx2>("avx2");

}  // namespace

const DistanceTable& avx2_table() noexcept { return kTable; }

}  // namespace springg::kernels
