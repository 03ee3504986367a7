// SPDX-License-Identifier: MIT
// The arithmetic of all kernels, once. An isa_*.cpp describes its instruction set as a struct in an
// anonymous namespace and asks make_table() for the functions: every instantiation then has
// internal linkage, so that no code compiled for one processor can stand in for another's.
//
// An `Isa` has:
//   Arch                          the xsimd architecture
//   kFused                        multiply-add rounds once
//   kTileQueries                  queries of one register tile (times kGroup rows)
//   load_tail(p, n)               n < lanes floats, zeros behind; reads no byte more
//   load_half(p), load_half_tail(p, n)   the same from IEEE halves
//   store_half(v, p)              rounds to nearest even
//   load_doubles(p)               as many floats as batch<double> has lanes
//   reduce(v)                     sum of the lanes by one tree
//   reduce_group(v, out)          the same of kGroup batches; says whether a sum is NaN
//   differing_bits(a, b, n)       of two runs of n bytes
//   what code_generic.h and byte_generic.h ask for
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#include <xsimd/xsimd.hpp>

#include "kernels/distance_table.h"

namespace springg::kernels {

#define SPRINGG_INLINE [[gnu::always_inline]] inline
// A kernel's outermost function: whatever it calls, xsimd's functions too, becomes part of it.
#define SPRINGG_KERNEL [[gnu::flatten]]

// Rows that one query meets at a time, and whose lane sums are taken together.
inline constexpr std::size_t kGroup = 4;

template <class Isa>
using FloatBatch = xsimd::batch<float, typename Isa::Arch>;
template <class Isa>
using DoubleBatch = xsimd::batch<double, typename Isa::Arch>;
template <class Isa>
inline constexpr std::size_t kLanes = FloatBatch<Isa>::size;

template <std::size_t... I, class Body>
SPRINGG_INLINE void unroll(std::index_sequence<I...>, Body body) {
  (body(std::integral_constant<std::size_t, I>{}), ...);
}
template <std::size_t N, class Body>
SPRINGG_INLINE void unroll(Body body) {
  unroll(std::make_index_sequence<N>{}, body);
}

// One row type: how `index` elements into a row a batch is loaded.
template <class Isa>
struct FloatRow {
  static constexpr std::size_t kBytes = sizeof(float);
  SPRINGG_INLINE static FloatBatch<Isa> load(const std::byte* row, std::size_t index) {
    return FloatBatch<Isa>::load_unaligned(reinterpret_cast<const float*>(row + index * kBytes));
  }
  SPRINGG_INLINE static FloatBatch<Isa> load_tail(const std::byte* row, std::size_t index,
                                                  std::size_t n) {
    return Isa::load_tail(row + index * kBytes, n);
  }
  static double element(const std::byte* row, std::size_t index) {
    float value;
    std::memcpy(&value, row + index * kBytes, sizeof value);
    return static_cast<double>(value);
  }
};

template <class Isa>
struct HalfRow {
  static constexpr std::size_t kBytes = sizeof(std::uint16_t);
  SPRINGG_INLINE static FloatBatch<Isa> load(const std::byte* row, std::size_t index) {
    return Isa::load_half(row + index * kBytes);
  }
  SPRINGG_INLINE static FloatBatch<Isa> load_tail(const std::byte* row, std::size_t index,
                                                  std::size_t n) {
    return Isa::load_half_tail(row + index * kBytes, n);
  }
  static double element(const std::byte* row, std::size_t index) {
    alignas(64) float lanes[kLanes<Isa>];
    Isa::load_half_tail(row + index * kBytes, 1).store_unaligned(lanes);
    return static_cast<double>(lanes[0]);
  }
};

template <class Isa, Measure M>
SPRINGG_INLINE FloatBatch<Isa> step(FloatBatch<Isa> sum, FloatBatch<Isa> q, FloatBatch<Isa> x) {
  if constexpr (M == Measure::kManhattan) {
    return sum + xsimd::abs(q - x);
  } else {
    const FloatBatch<Isa> a = M == Measure::kDot ? q : q - x;
    const FloatBatch<Isa> b = M == Measure::kDot ? x : a;
    if constexpr (Isa::kFused) {
      return xsimd::fma(a, b, sum);
    } else {
      return sum + a * b;
    }
  }
}

// Sums of elements [begin, end), at most kBlockElements of them, for Q x R pairs.
template <class Isa, Measure M, class Row, std::size_t Q, std::size_t R>
SPRINGG_INLINE void sum_block(const std::byte* const (&queries)[Q],
                              const std::byte* const (&rows)[R], std::size_t begin, std::size_t end,
                              FloatBatch<Isa> (&sums)[Q][R]) {
  using Batch = FloatBatch<Isa>;
  unroll<Q>([&](auto q) { unroll<R>([&](auto r) { sums[q][r] = Batch(0.0F); }); });
  Batch query[Q];
  std::size_t i = begin;
  for (; i + kLanes<Isa> <= end; i += kLanes<Isa>) {
    unroll<Q>([&](auto q) { query[q] = FloatRow<Isa>::load(queries[q], i); });
    unroll<R>([&](auto r) {
      const Batch row = Row::load(rows[r], i);
      unroll<Q>([&](auto q) { sums[q][r] = step<Isa, M>(sums[q][r], query[q], row); });
    });
  }
  if (i == end) return;
  unroll<Q>([&](auto q) { query[q] = FloatRow<Isa>::load_tail(queries[q], i, end - i); });
  unroll<R>([&](auto r) {
    const Batch row = Row::load_tail(rows[r], i, end - i);
    unroll<Q>([&](auto q) { sums[q][r] = step<Isa, M>(sums[q][r], query[q], row); });
  });
}

SPRINGG_INLINE std::size_t smaller(std::size_t a, std::size_t b) { return a < b ? a : b; }

// A dot product whose partial sums were +inf and -inf, in float64: infinite or finite, not NaN.
template <class Isa, class Row>
[[gnu::noinline, gnu::cold]] void dot_in_float64(const std::byte* query, const std::byte* row,
                                                 std::size_t dims, float* out) noexcept {
  double sum = 0.0;
  for (std::size_t i = 0; i < dims; ++i) {
    sum += FloatRow<Isa>::element(query, i) * Row::element(row, i);
  }
  constexpr double kMax = static_cast<double>(std::numeric_limits<float>::max());
  const float infinity = std::numeric_limits<float>::infinity();
  *out = sum > kMax ? infinity : sum < -kMax ? -infinity : static_cast<float>(sum);
}

// Results of R rows from their lane sums.
template <class Isa, Measure M, class Row, std::size_t R>
SPRINGG_INLINE void finish(const FloatBatch<Isa> (&sums)[R], const std::byte* query,
                           const std::byte* const (&rows)[R], std::size_t dims, float* out) {
  static_assert(R == 1 || R == kGroup);
  bool has_nan;
  if constexpr (R == kGroup) {
    has_nan = Isa::reduce_group(sums, out);
  } else {
    out[0] = Isa::reduce(sums[0]);
    has_nan = out[0] != out[0];
  }
  if constexpr (M == Measure::kDot) {
    if (!has_nan) return;
    for (std::size_t r = 0; r < R; ++r) {
      if (out[r] != out[r]) dot_in_float64<Isa, Row>(query, rows[r], dims, out + r);
    }
  }
}

// One query, R rows, all dimensions.
template <class Isa, Measure M, class Row, std::size_t R>
SPRINGG_INLINE void measure_rows(const std::byte* query, const std::byte* const (&rows)[R],
                                 std::size_t dims, float* out) {
  const std::byte* const queries[1] = {query};
  FloatBatch<Isa> total[1][R];
  sum_block<Isa, M, Row>(queries, rows, 0, smaller(dims, kBlockElements), total);
  for (std::size_t begin = kBlockElements; begin < dims; begin += kBlockElements) {
    FloatBatch<Isa> sums[1][R];
    sum_block<Isa, M, Row>(queries, rows, begin, smaller(dims, begin + kBlockElements), sums);
    unroll<R>([&](auto r) { total[0][r] = total[0][r] + sums[0][r]; });
  }
  finish<Isa, M, Row>(total[0], query, rows, dims, out);
}

inline constexpr std::size_t kLineBytes = 64;

SPRINGG_INLINE void prefetch_lines(const std::byte* p, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; i += kLineBytes) __builtin_prefetch(p + i);
}

// The first lines of a row that comes soon; the processor's own prefetcher follows from there.
inline constexpr std::size_t kGatherPrefetchBytes = 2 * kLineBytes;
// The part of a stream's next row that a scan asks for; more than that crowds out what is in use.
inline constexpr std::size_t kScanPrefetchBytes = 3072;

template <class Isa, Measure M, class Row>
SPRINGG_KERNEL void gather(const void* query, const std::byte* const* rows, std::size_t count,
                           std::size_t dims, float* out) noexcept {
  const std::byte* const q = static_cast<const std::byte*>(query);
  const std::size_t ahead_bytes = smaller(dims * Row::kBytes, kGatherPrefetchBytes);
  for (std::size_t i = 0; i < smaller(count, kGroup); ++i) prefetch_lines(rows[i], ahead_bytes);
  std::size_t i = 0;
  for (; i + kGroup <= count; i += kGroup) {
    const std::size_t ahead_end = smaller(count, i + 2 * kGroup);
    for (std::size_t a = i + kGroup; a < ahead_end; ++a) prefetch_lines(rows[a], ahead_bytes);
    const std::byte* const group[kGroup] = {rows[i], rows[i + 1], rows[i + 2], rows[i + 3]};
    measure_rows<Isa, M, Row>(q, group, dims, out + i);
  }
  for (; i < count; ++i) {
    const std::byte* const row[1] = {rows[i]};
    measure_rows<Isa, M, Row>(q, row, dims, out + i);
  }
}

// The rows are read as kGroup streams far from each other, since a core reads several sequential
// streams faster than one: float16 rows 1.3 to 1.6 times as fast, float32 rows 1.1 to 1.2 times
// (benchmarks/cpp/kernels_benchmark, a Xeon with AVX-512).
template <class Isa, Measure M, class Row>
SPRINGG_KERNEL void scan(const void* query, const std::byte* base, std::size_t stride,
                         std::size_t count, std::size_t dims, float* out) noexcept {
  const std::byte* const q = static_cast<const std::byte*>(query);
  const std::size_t length = count / kGroup;  // of a stream, in rows
  const std::size_t gap = length * stride;    // between one stream's row and the next one's
  const std::size_t ahead_bytes = smaller(dims * Row::kBytes, kScanPrefetchBytes);
  for (std::size_t i = 0; i < length; ++i) {
    const std::byte* const row = base + i * stride;
    const std::byte* const group[kGroup] = {row, row + gap, row + 2 * gap, row + 3 * gap};
    if (i + 1 < length) {
      for (const std::byte* const current : group) prefetch_lines(current + stride, ahead_bytes);
    }
    float distances[kGroup];
    measure_rows<Isa, M, Row>(q, group, dims, distances);
    for (std::size_t r = 0; r < kGroup; ++r) out[r * length + i] = distances[r];
  }
  for (std::size_t i = kGroup * length; i < count; ++i) {
    const std::byte* const row[1] = {base + i * stride};
    measure_rows<Isa, M, Row>(q, row, dims, out + i);
  }
}

template <class Isa>
SPRINGG_KERNEL void gather_bits(const void* query, const std::byte* const* rows, std::size_t count,
                                std::size_t bytes, float* out) noexcept {
  const std::byte* const q = static_cast<const std::byte*>(query);
  const std::size_t ahead_bytes = smaller(bytes, kGatherPrefetchBytes);
  for (std::size_t i = 0; i < smaller(count, kGroup); ++i) prefetch_lines(rows[i], ahead_bytes);
  for (std::size_t i = 0; i < count; ++i) {
    if (i + kGroup < count) prefetch_lines(rows[i + kGroup], ahead_bytes);
    out[i] = static_cast<float>(Isa::differing_bits(q, rows[i], bytes));
  }
}

template <class Isa>
SPRINGG_KERNEL void scan_bits(const void* query, const std::byte* base, std::size_t stride,
                              std::size_t count, std::size_t bytes, float* out) noexcept {
  const std::byte* const q = static_cast<const std::byte*>(query);
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = static_cast<float>(Isa::differing_bits(q, base + i * stride, bytes));
  }
}

template <class Isa>
SPRINGG_KERNEL void tile_bits(const void* queries, std::size_t query_stride,
                              std::size_t query_count, const std::byte* base, std::size_t stride,
                              std::size_t count, std::size_t bytes, float* out,
                              std::size_t out_stride) noexcept {
  const std::byte* const first = static_cast<const std::byte*>(queries);
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t q = 0; q < query_count; ++q) {
      out[q * out_stride + i] = static_cast<float>(
          Isa::differing_bits(first + q * query_stride, base + i * stride, bytes));
    }
  }
}

template <class Isa>
SPRINGG_KERNEL void half_to_float(const std::uint16_t* in, std::size_t count, float* out) noexcept {
  const std::byte* const p = reinterpret_cast<const std::byte*>(in);
  std::size_t i = 0;
  for (; i + kLanes<Isa> <= count; i += kLanes<Isa>) {
    HalfRow<Isa>::load(p, i).store_unaligned(out + i);
  }
  if (i == count) return;
  alignas(64) float lanes[kLanes<Isa>];
  HalfRow<Isa>::load_tail(p, i, count - i).store_unaligned(lanes);
  std::memcpy(out + i, lanes, (count - i) * sizeof(float));
}

template <class Isa>
SPRINGG_KERNEL void float_to_half(const float* in, std::size_t count, std::uint16_t* out) noexcept {
  const std::byte* const p = reinterpret_cast<const std::byte*>(in);
  std::size_t i = 0;
  for (; i + kLanes<Isa> <= count; i += kLanes<Isa>) {
    Isa::store_half(FloatRow<Isa>::load(p, i), out + i);
  }
  if (i == count) return;
  alignas(64) std::uint16_t lanes[kLanes<Isa>];
  Isa::store_half(FloatRow<Isa>::load_tail(p, i, count - i), lanes);
  std::memcpy(out + i, lanes, (count - i) * sizeof(std::uint16_t));
}

template <class Isa>
SPRINGG_KERNEL double squared_norm(const float* x, std::size_t dims) noexcept {
  using Batch = DoubleBatch<Isa>;
  constexpr std::size_t kWidth = Batch::size;
  Batch sums[4] = {Batch(0.0), Batch(0.0), Batch(0.0), Batch(0.0)};
  std::size_t i = 0;
  for (; i + 4 * kWidth <= dims; i += 4 * kWidth) {
    unroll<4>([&](auto k) {
      const Batch value = Isa::load_doubles(x + i + k * kWidth);
      sums[k] = sums[k] + value * value;
    });
  }
  alignas(64) double lanes[kWidth];
  ((sums[0] + sums[1]) + (sums[2] + sums[3])).store_unaligned(lanes);
  double sum = 0.0;
  for (const double lane : lanes) sum += lane;
  for (; i < dims; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return sum;
}

template <class Isa>
SPRINGG_KERNEL void scale(const float* __restrict x, std::size_t count, double factor,
                          float* __restrict out) noexcept {
  constexpr std::size_t kStep = 16;
  std::size_t i = 0;
  for (; i + kStep <= count; i += kStep) {  // of fixed length: the compiler works on many at once
    for (std::size_t k = 0; k < kStep; ++k) {
      out[i + k] = static_cast<float>(static_cast<double>(x[i + k]) * factor);
    }
  }
  for (; i < count; ++i) out[i] = static_cast<float>(static_cast<double>(x[i]) * factor);
}

template <class Isa>
SPRINGG_KERNEL std::size_t find_not_finite(const float* x, std::size_t count) noexcept {
  using Batch = FloatBatch<Isa>;
  constexpr std::size_t kStep = 8 * kLanes<Isa>;
  std::size_t i = 0;
  for (; i + kStep <= count; i += kStep) {
    // Zero times a number is zero, times an infinity or NaN it is NaN.
    Batch zeros(0.0F);
    unroll<8>([&](auto k) {
      zeros = zeros + Batch::load_unaligned(x + i + k * kLanes<Isa>) * Batch(0.0F);
    });
    // Not any(zeros != zeros): xsimd 8 compares "ordered and unequal" for AVX.
    if (!xsimd::all(zeros == zeros)) break;  // NOLINT(misc-redundant-expression)
  }
  for (; i < count; ++i) {
    std::uint32_t bits;
    std::memcpy(&bits, x + i, sizeof bits);
    if ((bits & 0x7F800000U) == 0x7F800000U) return i;
  }
  return count;
}

}  // namespace springg::kernels

#include "kernels/byte_generic.h"
#include "kernels/code_generic.h"
#include "kernels/distance_tile.h"

namespace springg::kernels {

template <class Isa, Measure M, class Row>
constexpr DistanceFunctions functions() {
  return {&gather<Isa, M, Row>, &scan<Isa, M, Row>, &tile<Isa, M, Row>};
}

template <class Isa, Measure M>
constexpr void add_measure(DistanceTable& table) {
  table.float32[static_cast<std::size_t>(M)] = functions<Isa, M, FloatRow<Isa>>();
  table.float16[static_cast<std::size_t>(M)] = functions<Isa, M, HalfRow<Isa>>();
}

template <class Isa>
constexpr DistanceTable make_table(const char* isa) {
  DistanceTable table;
  table.isa = isa;
  add_measure<Isa, Measure::kDot>(table);
  add_measure<Isa, Measure::kSquaredL2>(table);
  add_measure<Isa, Measure::kManhattan>(table);
  table.int8 = byte_functions<Isa, true>();
  table.uint8 = byte_functions<Isa, false>();
  table.bits = {&gather_bits<Isa>, &scan_bits<Isa>, &tile_bits<Isa>};
  table.code_gather = &code_gather<Isa, ByteCodes<Isa>>;
  table.half_code_gather = &code_gather<Isa, HalfByteCodes<Isa>>;
  table.bit_code_gather = &code_gather<Isa, BitCodes<Isa>>;
  table.half_to_float = &half_to_float<Isa>;
  table.float_to_half = &float_to_half<Isa>;
  table.squared_norm = &squared_norm<Isa>;
  table.scale = &scale<Isa>;
  table.find_not_finite = &find_not_finite<Isa>;
  return table;
}

}  // namespace springg::kernels
