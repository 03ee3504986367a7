// SPDX-License-Identifier: MIT
// The distance kernels of one instruction set, as function pointers.
//
// One arithmetic for all shapes. Whatever function a pair (query, row) goes through, its result has
// the same bits for one instruction set: one vector accumulator a pair, elements in order, the
// accumulator added to a second one every kBlockElements (so that rounding grows with
// d/kBlockElements + kBlockElements, not with d), one fixed tree for the lanes, the tail masked or
// zero-filled. Exact search therefore gives equal answers for single queries, batches and any
// number of threads without a second pass.
//
// Preconditions: dims >= 1, no alignment, rows may repeat, out does not overlap. All noexcept, no
// allocation. Overflow gives infinity; NaN never comes out of finite input (a dot product whose
// partial sums are +inf and -inf is computed again in float64).
#pragma once

#include <cstddef>
#include <cstdint>

#include "springg/types.h"

namespace springg::kernels {

enum class Measure : std::uint8_t {
  kDot,        // sum q*x
  kSquaredL2,  // sum (q-x)^2
  kManhattan,  // sum |q-x|
  kHamming,    // differing bits; query and rows are packed bits, dims counts bytes
};
inline constexpr std::size_t kMeasures = 4;

// Rows are float or IEEE half and the query float32; or both are int8, both uint8, both packed bits
// (kHamming).
struct DistanceFunctions {
  // out[i] = measure(query, rows[i]) for i < count. Prefetches ahead: rows are expected in memory,
  // not in cache, and in no order.
  void (*gather)(const void* query, const std::byte* const* rows, std::size_t count,
                 std::size_t dims, float* out) noexcept = nullptr;
  // out[i] = measure(query, base + i * stride_bytes) for i < count. Rows lie one after another.
  void (*scan)(const void* query, const std::byte* base, std::size_t stride_bytes,
               std::size_t count, std::size_t dims, float* out) noexcept = nullptr;
  // out[q * out_stride + i] = measure(queries + q * query_stride, base + i * stride_bytes): a block
  // of queries against a block of rows, tiled in registers so that a row is read from memory once.
  // query_stride in floats, or in bytes where queries are bytes.
  void (*tile)(const void* queries, std::size_t query_stride, std::size_t query_count,
               const std::byte* base, std::size_t stride_bytes, std::size_t count, std::size_t dims,
               float* out, std::size_t out_stride) noexcept = nullptr;
};

// Rows of int8 or of uint8. Results are sums of integers, exact up to their one rounding to
// float32; precondition: dims <= kByteDimensionsMax.
inline constexpr std::size_t kByteDimensionsMax = 65'536;
struct ByteFunctions {
  DistanceFunctions of_bytes[kMeasures];  // by Measure; kHamming empty. The query is as the rows
  // DistanceFunctions::gather with a query of float32, for those that the rows' type cannot hold.
  decltype(DistanceFunctions::gather) of_floats[kMeasures] = {};
};

// Codes are unsigned, the query signed bytes (quant/).
inline constexpr std::size_t kCodeBlockBytes = 64;
// out[i] = sum of query[j] * code j of rows[i], for i < count; exact for every instruction set:
// |query[j]| <= 127 and at most 65,536 + 64 codes, so that no sum overflows. `bytes`, those of a
// row, is a multiple of kCodeBlockBytes: what is beyond the dimensions is zero in the query. Codes
// of a byte lie in order. Codes of half a byte lie in blocks of 128: byte j of a block has code j
// in its low half and code 64 + j in its high one. Codes of a bit lie in blocks of 512: bit b of
// byte j is code 64 b + j.
using CodeGather = void (*)(const std::int8_t* query, const std::byte* const* rows,
                            std::size_t count, std::size_t bytes, std::int32_t* out) noexcept;

struct DistanceTable {
  const char* isa = "";
  DistanceFunctions float32[kMeasures];  // by Measure; kHamming empty
  DistanceFunctions float16[kMeasures];
  ByteFunctions int8;
  ByteFunctions uint8;
  DistanceFunctions bits;                 // kHamming
  CodeGather code_gather = nullptr;       // codes of a byte
  CodeGather half_code_gather = nullptr;  // of half a byte
  CodeGather bit_code_gather = nullptr;   // of a bit
  // Conversions, count elements. to_half rounds to nearest even; overflow becomes infinity.
  void (*half_to_float)(const std::uint16_t* in, std::size_t count, float* out) noexcept = nullptr;
  void (*float_to_half)(const float* in, std::size_t count, std::uint16_t* out) noexcept = nullptr;
  // Sum of squares in float64, so that 1e-30 and 1e38 have norms.
  double (*squared_norm)(const float* x, std::size_t dims) noexcept = nullptr;
  // out[i] = x[i] * factor in float64, rounded once. `out` is not `x`.
  void (*scale)(const float* x, std::size_t count, double factor, float* out) noexcept = nullptr;
  // Index of the first element that is NaN or infinite, or count.
  std::size_t (*find_not_finite)(const float* x, std::size_t count) noexcept = nullptr;
};

// The elements after which a pair's accumulator is folded into its second one. Part of the answer's
// bits; the same for all instruction sets.
inline constexpr std::size_t kBlockElements = 256;

}  // namespace springg::kernels
