// SPDX-License-Identifier: MIT
#include <arm_neon.h>

#include "kernels/distance_generic.h"
#include "kernels/isa_tables.h"
#include "kernels/scalar_bits.h"

namespace springg::kernels {
namespace {

struct Neon {
  using Arch = xsimd::neon64;
  using Batch = xsimd::batch<float, Arch>;
  static constexpr bool kFused = true;
  static constexpr std::size_t kTileQueries = 6;

  SPRINGG_INLINE static Batch load_tail(const std::byte* p, std::size_t n) {
    const std::uint64_t low = n >= 2 ? load_word<Neon>(p) : load_few_bytes<Neon>(p, 4);
    const std::uint64_t high = n == 3 ? load_few_bytes<Neon>(p + 8, 4) : 0;
    return vreinterpretq_f32_u64(vcombine_u64(vcreate_u64(low), vcreate_u64(high)));
  }
  SPRINGG_INLINE static Batch load_half(const std::byte* p) {
    return vcvt_f32_f16(vcreate_f16(load_word<Neon>(p)));
  }
  SPRINGG_INLINE static Batch load_half_tail(const std::byte* p, std::size_t n) {
    return vcvt_f32_f16(vcreate_f16(load_few_bytes<Neon>(p, 2 * n)));
  }
  SPRINGG_INLINE static void store_half(Batch v, std::uint16_t* p) {
    vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v)));
  }
  SPRINGG_INLINE static xsimd::batch<double, Arch> load_doubles(const float* p) {
    return vcvt_f64_f32(vld1_f32(p));
  }

  // Neighboring lanes, then the two sums.
  SPRINGG_INLINE static float reduce(Batch v) {
    const float32x4_t two = vpaddq_f32(v, v);
    return vgetq_lane_f32(vpaddq_f32(two, two), 0);
  }
  SPRINGG_INLINE static bool reduce_group(const Batch (&v)[kGroup], float* out) {
    const float32x4_t sums = vpaddq_f32(vpaddq_f32(v[0], v[1]), vpaddq_f32(v[2], v[3]));
    vst1q_f32(out, sums);
    return vminvq_u32(vceqq_f32(sums, sums)) == 0;
  }
  SPRINGG_INLINE static uint64x2_t count_bits(uint8x16_t v) {
    return vpaddlq_u32(vpaddlq_u16(vpaddlq_u8(vcntq_u8(v))));
  }
  SPRINGG_INLINE static std::uint32_t differing_bits(const std::byte* a, const std::byte* b,
                                                     std::size_t n) {
    uint64x2_t counts = vdupq_n_u64(0);
    std::size_t i = 0;
    for (; i + 16 <= n; i += 16) {
      const uint8x16_t x = vld1q_u8(reinterpret_cast<const std::uint8_t*>(a + i));
      const uint8x16_t y = vld1q_u8(reinterpret_cast<const std::uint8_t*>(b + i));
      counts = vaddq_u64(counts, count_bits(veorq_u8(x, y)));
    }
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    if (i + 8 <= n) {
      low = load_word<Neon>(a + i) ^ load_word<Neon>(b + i);
      i += 8;
    }
    if (i < n) high = load_few_bytes<Neon>(a + i, n - i) ^ load_few_bytes<Neon>(b + i, n - i);
    const uint64x2_t rest = vcombine_u64(vcreate_u64(low), vcreate_u64(high));
    counts = vaddq_u64(counts, count_bits(vreinterpretq_u8_u64(rest)));
    return static_cast<std::uint32_t>(vaddvq_u64(counts));
  }
  using Integers = int32x4_t;
  SPRINGG_INLINE static Integers no_products() { return vdupq_n_s32(0); }
  SPRINGG_INLINE static Integers add_eight(Integers sums, uint8x8_t codes, int8x8_t factors) {
    const int16x8_t wide = vreinterpretq_s16_u16(vmovl_u8(codes));
    const int16x8_t query = vmovl_s8(factors);
    sums = vmlal_s16(sums, vget_low_s16(wide), vget_low_s16(query));
    return vmlal_s16(sums, vget_high_s16(wide), vget_high_s16(query));
  }
  SPRINGG_INLINE static Integers add_products(Integers sums, const std::byte* row,
                                              const std::int8_t* query) {
    for (std::size_t i = 0; i < kCodeBlockBytes; i += 16) {
      const uint8x16_t codes = vld1q_u8(reinterpret_cast<const std::uint8_t*>(row + i));
      const int8x16_t factors = vld1q_s8(query + i);
      sums = add_eight(sums, vget_low_u8(codes), vget_low_s8(factors));
      sums = add_eight(sums, vget_high_u8(codes), vget_high_s8(factors));
    }
    return sums;
  }
  // Two products of 15 * 127 at most stay within 16 bits.
  SPRINGG_INLINE static Integers add_half_products(Integers sums, const std::byte* row,
                                                   const std::int8_t* query) {
    const uint8x16_t low_half = vdupq_n_u8(15);
    for (std::size_t i = 0; i < kCodeBlockBytes; i += 16) {
      const uint8x16_t codes = vld1q_u8(reinterpret_cast<const std::uint8_t*>(row + i));
      const int8x16_t low = vreinterpretq_s8_u8(vandq_u8(codes, low_half));
      const int8x16_t high = vreinterpretq_s8_u8(vshrq_n_u8(codes, 4));
      const int8x16_t factors = vld1q_s8(query + i);
      const int8x16_t behind = vld1q_s8(query + i + kCodeBlockBytes);
      int16x8_t products = vmull_s8(vget_low_s8(low), vget_low_s8(factors));
      products = vmlal_s8(products, vget_low_s8(high), vget_low_s8(behind));
      sums = vpadalq_s16(sums, products);
      products = vmull_s8(vget_high_s8(low), vget_high_s8(factors));
      products = vmlal_s8(products, vget_high_s8(high), vget_high_s8(behind));
      sums = vpadalq_s16(sums, products);
    }
    return sums;
  }
  // Eight products of 127 at most stay within 16 bits.
  SPRINGG_INLINE static Integers add_bit_products(Integers sums, const std::byte* row,
                                                  const std::int8_t* query) {
    const uint8x16_t low_bit = vdupq_n_u8(1);
    for (std::size_t i = 0; i < kCodeBlockBytes; i += 16) {
      uint8x16_t codes = vld1q_u8(reinterpret_cast<const std::uint8_t*>(row + i));
      int16x8_t low = vdupq_n_s16(0);
      int16x8_t high = vdupq_n_s16(0);
      for (std::size_t bit = 0; bit < 8; ++bit) {
        const int8x16_t bits = vreinterpretq_s8_u8(vandq_u8(codes, low_bit));
        const int8x16_t factors = vld1q_s8(query + i + bit * kCodeBlockBytes);
        low = vmlal_s8(low, vget_low_s8(bits), vget_low_s8(factors));
        high = vmlal_s8(high, vget_high_s8(bits), vget_high_s8(factors));
        codes = vshrq_n_u8(codes, 1);
      }
      sums = vpadalq_s16(vpadalq_s16(sums, low), high);
    }
    return sums;
  }
  SPRINGG_INLINE static void sum_products(const Integers (&four)[4], std::int32_t* out) {
    vst1q_s32(out, vpaddq_s32(vpaddq_s32(four[0], four[1]), vpaddq_s32(four[2], four[3])));
  }

  using Bytes = uint8x16_t;
  static constexpr std::size_t kByteLanes = 16;
  SPRINGG_INLINE static Bytes load_bytes(const std::byte* p) {
    return vld1q_u8(reinterpret_cast<const std::uint8_t*>(p));
  }
  SPRINGG_INLINE static Bytes load_byte_tail(const std::byte* p, std::size_t n) {
    const bool word = n >= 8;
    const std::uint64_t few =
        word ? load_few_bytes<Neon>(p + 8, n - 8) : load_few_bytes<Neon>(p, n);
    const std::uint64_t low = word ? load_word<Neon>(p) : few;
    return vreinterpretq_u8_u64(vcombine_u64(vcreate_u64(low), vcreate_u64(word ? few : 0)));
  }
  SPRINGG_INLINE static Integers add_unsigned(Integers sums, uint16x8_t terms) {
    return vreinterpretq_s32_u32(vpadalq_u16(vreinterpretq_u32_s32(sums), terms));
  }
  template <bool kSigned, Measure M>
  SPRINGG_INLINE static Integers add_terms(Integers sums, Bytes q, Bytes x) {
    const int8x16_t a = vreinterpretq_s8_u8(q);
    const int8x16_t b = vreinterpretq_s8_u8(x);
    if constexpr (M == Measure::kDot && kSigned) {
      sums = vpadalq_s16(sums, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
      return vpadalq_s16(sums, vmull_s8(vget_high_s8(a), vget_high_s8(b)));
    } else if constexpr (M == Measure::kDot) {
      sums = add_unsigned(sums, vmull_u8(vget_low_u8(q), vget_low_u8(x)));
      return add_unsigned(sums, vmull_u8(vget_high_u8(q), vget_high_u8(x)));
    } else {
      const uint8x16_t d = kSigned ? vreinterpretq_u8_s8(vabdq_s8(a, b)) : vabdq_u8(q, x);
      if constexpr (M == Measure::kManhattan) return add_unsigned(sums, vpaddlq_u8(d));
      sums = add_unsigned(sums, vmull_u8(vget_low_u8(d), vget_low_u8(d)));
      return add_unsigned(sums, vmull_u8(vget_high_u8(d), vget_high_u8(d)));
    }
  }
  template <bool kSigned>
  SPRINGG_INLINE static std::uint32_t product_offset(const std::byte* /*q*/, std::size_t /*n*/) {
    return 0;
  }
  template <bool kSigned>
  SPRINGG_INLINE static Batch load_integer_tail(const std::byte* p, std::size_t n) {
    const uint8x8_t few = vcreate_u8(load_few_bytes<Neon>(p, n));
    if constexpr (kSigned) {
      return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u8(few)))));
    } else {
      return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(few))));
    }
  }
  template <bool kSigned>
  SPRINGG_INLINE static Batch load_integers(const std::byte* p) {
    return load_integer_tail<kSigned>(p, 4);
  }
};

constexpr DistanceTable kTable = make_table<Neon>("neon");

}  // namespace

const DistanceTable& neon_table() noexcept { return kTable; }

}  // namespace springg::kernels
