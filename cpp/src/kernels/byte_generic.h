// SPDX-License-Identifier: MIT
// Distances between rows of int8 or uint8, once for all instruction sets: sums of integers, so that
// every shape, order and instruction set gives the same result. Included by distance_generic.h
// alone.
//
// Sums are kept modulo 2^32. That loses nothing: the largest, 65,536 squares of 255, is below 2^32,
// and a product of int8 rows lies within 2^30 of 0.
//
// An `Isa` has, beside what code_generic.h asks for:
//   Bytes                            a register of kByteLanes bytes
//   load_bytes(p), load_byte_tail(p, n)  n < kByteLanes bytes, zeros behind; reads no byte more
//   add_terms<kSigned, M>(sums, q, x)    adds those of the lanes; two zeros add nothing (for M =
//                                        kDot a zero query suffices)
//   product_offset<kSigned>(q, dims)     what a product's sums lack because of how they are made
//   load_integers<kSigned>(p), load_integer_tail<kSigned>(p, n)  bytes as a FloatBatch
#pragma once

#include <type_traits>

#include "kernels/distance_generic.h"

namespace springg::kernels {

// The sums stay right modulo 2^32 in 32 bits.
static_assert(std::uint64_t{kByteDimensionsMax} * 255U * 255U < std::uint64_t{1} << 32U);

// A sum as it is meant: below zero for products of int8 alone.
template <bool kSigned, Measure M>
SPRINGG_INLINE float value_of_sum(std::uint32_t sum) {
  if constexpr (kSigned && M == Measure::kDot) {
    return static_cast<float>(static_cast<std::int32_t>(sum));
  } else {
    return static_cast<float>(sum);
  }
}

template <class Isa, bool kSigned, Measure M>
SPRINGG_INLINE std::uint32_t offset_of(const std::byte* query, std::size_t dims) {
  if constexpr (M == Measure::kDot) {
    return Isa::template product_offset<kSigned>(query, dims);
  } else {
    return 0;
  }
}

// One query, R rows, all dimensions. out[r * out_step] gets the result of row r.
template <class Isa, bool kSigned, Measure M, std::size_t R>
SPRINGG_INLINE void measure_bytes(const std::byte* query, std::uint32_t offset,
                                  const std::byte* const (&rows)[R], std::size_t dims, float* out,
                                  std::size_t out_step) {
  typename Isa::Integers sums[R];
  unroll<R>([&](auto r) { sums[r] = Isa::no_products(); });
  std::size_t i = 0;
  for (; i + Isa::kByteLanes <= dims; i += Isa::kByteLanes) {
    const typename Isa::Bytes q = Isa::load_bytes(query + i);
    unroll<R>([&](auto r) {
      sums[r] = Isa::template add_terms<kSigned, M>(sums[r], q, Isa::load_bytes(rows[r] + i));
    });
  }
  if (i != dims) {
    const typename Isa::Bytes q = Isa::load_byte_tail(query + i, dims - i);
    unroll<R>([&](auto r) {
      sums[r] = Isa::template add_terms<kSigned, M>(sums[r], q,
                                                    Isa::load_byte_tail(rows[r] + i, dims - i));
    });
  }
  std::int32_t totals[kGroup];
  if constexpr (R == kGroup) {
    Isa::sum_products(sums, totals);
  } else {
    static_assert(R == 1);
    const typename Isa::Integers none = Isa::no_products();
    const typename Isa::Integers four[kGroup] = {sums[0], none, none, none};
    Isa::sum_products(four, totals);
  }
  unroll<R>([&](auto r) {
    out[r * out_step] = value_of_sum<kSigned, M>(static_cast<std::uint32_t>(totals[r]) + offset);
  });
}

template <class Isa, bool kSigned, Measure M>
SPRINGG_KERNEL void gather_bytes(const void* query, const std::byte* const* rows, std::size_t count,
                                 std::size_t dims, float* out) noexcept {
  const std::byte* const q = static_cast<const std::byte*>(query);
  const std::uint32_t offset = offset_of<Isa, kSigned, M>(q, dims);
  const std::size_t ahead_bytes = smaller(dims, kGatherPrefetchBytes);
  for (std::size_t i = 0; i < smaller(count, kGroup); ++i) prefetch_lines(rows[i], ahead_bytes);
  std::size_t i = 0;
  for (; i + kGroup <= count; i += kGroup) {
    const std::size_t ahead_end = smaller(count, i + 2 * kGroup);
    for (std::size_t a = i + kGroup; a < ahead_end; ++a) prefetch_lines(rows[a], ahead_bytes);
    const std::byte* const group[kGroup] = {rows[i], rows[i + 1], rows[i + 2], rows[i + 3]};
    measure_bytes<Isa, kSigned, M>(q, offset, group, dims, out + i, 1);
  }
  for (; i < count; ++i) {
    const std::byte* const row[1] = {rows[i]};
    measure_bytes<Isa, kSigned, M>(q, offset, row, dims, out + i, 1);
  }
}

// As four streams, like scan().
template <class Isa, bool kSigned, Measure M>
SPRINGG_KERNEL void scan_bytes(const void* query, const std::byte* base, std::size_t stride,
                               std::size_t count, std::size_t dims, float* out) noexcept {
  const std::byte* const q = static_cast<const std::byte*>(query);
  const std::uint32_t offset = offset_of<Isa, kSigned, M>(q, dims);
  const std::size_t length = count / kGroup;
  const std::size_t gap = length * stride;
  const std::size_t ahead_bytes = smaller(dims, kScanPrefetchBytes);
  for (std::size_t i = 0; i < length; ++i) {
    const std::byte* const row = base + i * stride;
    const std::byte* const group[kGroup] = {row, row + gap, row + 2 * gap, row + 3 * gap};
    if (i + 1 < length) {
      for (const std::byte* const current : group) prefetch_lines(current + stride, ahead_bytes);
    }
    measure_bytes<Isa, kSigned, M>(q, offset, group, dims, out + i, length);
  }
  for (std::size_t i = kGroup * length; i < count; ++i) {
    const std::byte* const row[1] = {base + i * stride};
    measure_bytes<Isa, kSigned, M>(q, offset, row, dims, out + i, 1);
  }
}

// Queries are passed over once for each group of rows: those of one call stay in the second-level
// cache, and a group in the first. Their offsets are made for as many as kOffsets at a time.
template <class Isa, bool kSigned, Measure M>
SPRINGG_KERNEL void tile_bytes(const void* queries, std::size_t query_stride,
                               std::size_t query_count, const std::byte* base, std::size_t stride,
                               std::size_t count, std::size_t dims, float* out,
                               std::size_t out_stride) noexcept {
  constexpr std::size_t kOffsets = 64;
  std::uint32_t offsets[kOffsets];
  for (std::size_t first = 0; first < query_count; first += kOffsets) {
    const std::byte* const block = static_cast<const std::byte*>(queries) + first * query_stride;
    const std::size_t block_count = smaller(query_count - first, kOffsets);
    for (std::size_t q = 0; q < block_count; ++q) {
      offsets[q] = offset_of<Isa, kSigned, M>(block + q * query_stride, dims);
    }
    float* const block_out = out + first * out_stride;
    std::size_t i = 0;
    for (; i + kGroup <= count; i += kGroup) {
      const std::byte* const row = base + i * stride;
      const std::byte* const group[kGroup] = {row, row + stride, row + 2 * stride,
                                              row + 3 * stride};
      for (std::size_t q = 0; q < block_count; ++q) {
        measure_bytes<Isa, kSigned, M>(block + q * query_stride, offsets[q], group, dims,
                                       block_out + q * out_stride + i, 1);
      }
    }
    for (; i < count; ++i) {
      const std::byte* const row[1] = {base + i * stride};
      for (std::size_t q = 0; q < block_count; ++q) {
        measure_bytes<Isa, kSigned, M>(block + q * query_stride, offsets[q], row, dims,
                                       block_out + q * out_stride + i, 1);
      }
    }
  }
}

// Bytes as a row of floats, for queries that are no bytes.
template <class Isa, bool kSigned>
struct ByteRow {
  static constexpr std::size_t kBytes = 1;
  using Element = std::conditional_t<kSigned, std::int8_t, std::uint8_t>;
  SPRINGG_INLINE static FloatBatch<Isa> load(const std::byte* row, std::size_t index) {
    return Isa::template load_integers<kSigned>(row + index);
  }
  SPRINGG_INLINE static FloatBatch<Isa> load_tail(const std::byte* row, std::size_t index,
                                                  std::size_t n) {
    return Isa::template load_integer_tail<kSigned>(row + index, n);
  }
  static double element(const std::byte* row, std::size_t index) {
    return static_cast<double>(static_cast<Element>(row[index]));
  }
};

template <class Isa, bool kSigned, Measure M>
constexpr void add_byte_measure(ByteFunctions& table) {
  const auto measure = static_cast<std::size_t>(M);
  table.of_bytes[measure] = {&gather_bytes<Isa, kSigned, M>, &scan_bytes<Isa, kSigned, M>,
                             &tile_bytes<Isa, kSigned, M>};
  table.of_floats[measure] = &gather<Isa, M, ByteRow<Isa, kSigned>>;
}

template <class Isa, bool kSigned>
constexpr ByteFunctions byte_functions() {
  ByteFunctions table;
  add_byte_measure<Isa, kSigned, Measure::kDot>(table);
  add_byte_measure<Isa, kSigned, Measure::kSquaredL2>(table);
  add_byte_measure<Isa, kSigned, Measure::kManhattan>(table);
  return table;
}

}  // namespace springg::kernels
