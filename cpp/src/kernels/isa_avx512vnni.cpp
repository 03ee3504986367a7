// SPDX-License-Identifier: MIT
// AVX-512 of Ice Lake and Zen 4 on: counts bits in vectors, multiplies bytes.
#include "kernels/isa_avx512.h"
#include "kernels/isa_tables.h"

namespace springg::kernels {
namespace {

struct VectorBits {
  SPRINGG_INLINE static std::uint32_t differing_bits(const std::byte* a, const std::byte* b,
                                                     std::size_t n) {
    __m512i counts = _mm512_setzero_si512();
    std::size_t i = 0;
    for (; i + 64 <= n; i += 64) {
      const __m512i x = _mm512_xor_si512(_mm512_loadu_si512(a + i), _mm512_loadu_si512(b + i));
      counts = _mm512_add_epi64(counts, _mm512_popcnt_epi64(x));
    }
    if (i < n) {
      const auto mask = static_cast<__mmask64>((std::uint64_t{1} << (n - i)) - 1U);
      const __m512i x = _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, a + i),
                                         _mm512_maskz_loadu_epi8(mask, b + i));
      counts = _mm512_add_epi64(counts, _mm512_popcnt_epi64(x));
    }
    return static_cast<std::uint32_t>(_mm512_reduce_add_epi64(counts));
  }
  SPRINGG_INLINE static __m512i add_products(__m512i sums, const std::byte* row,
                                             const std::int8_t* query) {
    return _mm512_dpbusd_epi32(sums, _mm512_loadu_si512(row), _mm512_loadu_si512(query));
  }
  SPRINGG_INLINE static __m512i add_small_products(__m512i sums, __m512i low, __m512i high,
                                                   const std::int8_t* query) {
    sums = _mm512_dpbusd_epi32(sums, low, _mm512_loadu_si512(query));
    return _mm512_dpbusd_epi32(sums, high, _mm512_loadu_si512(query + kCodeBlockBytes));
  }
  SPRINGG_INLINE static __m512i add_pairs(__m512i sums, __m512i a, __m512i b) {
    return _mm512_dpwssd_epi32(sums, a, b);
  }
  // The instruction multiplies unsigned by signed bytes. int8: the row is taken 128 too large;
  // uint8: 128 too small. Either way a row's sum is off by 128 times the query's, whatever the row.
  template <bool kSigned>
  SPRINGG_INLINE static __m512i add_byte_products(__m512i sums, __m512i q, __m512i x) {
    const __m512i moved = _mm512_xor_si512(x, _mm512_set1_epi8(-128));
    return kSigned ? _mm512_dpbusd_epi32(sums, moved, q) : _mm512_dpbusd_epi32(sums, q, moved);
  }
  template <bool kSigned>
  SPRINGG_INLINE static std::uint32_t product_offset(const std::byte* query, std::size_t dims) {
    const __m512i ones = _mm512_set1_epi8(1);
    __m512i sums = _mm512_setzero_si512();
    for (std::size_t i = 0; i < dims; i += 64) {
      const auto mask = dims - i >= 64
                            ? ~__mmask64{0}
                            : static_cast<__mmask64>((std::uint64_t{1} << (dims - i)) - 1U);
      const __m512i q = _mm512_maskz_loadu_epi8(mask, query + i);
      sums = kSigned ? _mm512_dpbusd_epi32(sums, ones, q) : _mm512_dpbusd_epi32(sums, q, ones);
    }
    const auto sum = 128U * static_cast<std::uint32_t>(_mm512_reduce_add_epi32(sums));
    return kSigned ? 0U - sum : sum;
  }
};

constexpr DistanceTable kTable = make_table<Avx512<VectorBits>>("avx512vnni");

}  // namespace

const DistanceTable& avx512vnni_table() noexcept { return kTable; }

}  // namespace springg::kernels
