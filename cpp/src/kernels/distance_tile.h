// SPDX-License-Identifier: MIT
// Many queries against many rows. Included by distance_generic.h alone.
//
// A macro tile of kMacroQueries x kMacroRows pairs walks the dimensions block by block, so that its
// part of the queries and rows lies in the first-level cache while each is used many times; the
// register tile inside is Isa::kTileQueries x kGroup. Halves are widened once a macro tile.
#pragma once

#include "kernels/distance_generic.h"

namespace springg::kernels {

inline constexpr std::size_t kMacroRows = 2 * kGroup;
// Rows that stay in the second-level cache while all queries pass over them.
inline constexpr std::size_t kRowBlockBytes = std::size_t{128} << 10;

template <class Isa>
inline constexpr std::size_t kMacroQueries = (12 / Isa::kTileQueries) * Isa::kTileQueries;

template <class Isa>
struct MacroTile {
  const std::byte* queries[kMacroQueries<Isa>];
  std::size_t query_count;
  const std::byte* rows[kMacroRows];
  std::size_t row_count;
  FloatBatch<Isa> totals[kMacroQueries<Isa>][kMacroRows];
};

// Adds elements [begin, end) of Q x R pairs; `rows` start at element `row_begin`.
template <class Isa, Measure M, std::size_t Q, std::size_t R>
SPRINGG_INLINE void add_pairs(MacroTile<Isa>& macro, const std::byte* const* row_blocks,
                              std::size_t first_query, std::size_t first_row, std::size_t begin,
                              std::size_t end) {
  const std::byte* queries[Q];
  const std::byte* rows[R];
  unroll<Q>([&](auto q) {
    queries[q] = macro.queries[first_query + q] + begin * sizeof(float);
  });
  unroll<R>([&](auto r) { rows[r] = row_blocks[first_row + r]; });
  FloatBatch<Isa> sums[Q][R];
  sum_block<Isa, M, FloatRow<Isa>, Q, R>(queries, rows, 0, end - begin, sums);
  unroll<Q>([&](auto q) {
    unroll<R>([&](auto r) {
      FloatBatch<Isa>& total = macro.totals[first_query + q][first_row + r];
      total = begin == 0 ? sums[q][r] : total + sums[q][r];
    });
  });
}

template <class Isa, Measure M, std::size_t R>
SPRINGG_INLINE void add_row_group(MacroTile<Isa>& macro, const std::byte* const* row_blocks,
                                  std::size_t first_row, std::size_t begin, std::size_t end) {
  std::size_t q = 0;
  for (; q + Isa::kTileQueries <= macro.query_count; q += Isa::kTileQueries) {
    add_pairs<Isa, M, Isa::kTileQueries, R>(macro, row_blocks, q, first_row, begin, end);
  }
  for (; q < macro.query_count; ++q) {
    add_pairs<Isa, M, 1, R>(macro, row_blocks, q, first_row, begin, end);
  }
}

// The rows' elements [begin, end) as floats: where they are, or widened into `scratch`.
template <class Isa, class Row>
SPRINGG_INLINE void locate_blocks(const MacroTile<Isa>& macro, std::size_t begin, std::size_t end,
                                  float (*scratch)[kBlockElements], const std::byte** blocks) {
  for (std::size_t r = 0; r < macro.row_count; ++r) {
    if constexpr (Row::kBytes == sizeof(float)) {
      blocks[r] = macro.rows[r] + begin * sizeof(float);
    } else {
      std::size_t i = begin;
      for (; i + kLanes<Isa> <= end; i += kLanes<Isa>) {
        Row::load(macro.rows[r], i).store_unaligned(scratch[r] + (i - begin));
      }
      if (i < end) {
        Row::load_tail(macro.rows[r], i, end - i).store_unaligned(scratch[r] + (i - begin));
      }
      blocks[r] = reinterpret_cast<const std::byte*>(scratch[r]);
    }
  }
}

template <class Isa, Measure M, class Row>
SPRINGG_KERNEL void run_macro_tile(MacroTile<Isa>& macro, std::size_t dims, float* out,
                                   std::size_t out_stride) noexcept {
  alignas(64) float scratch[Row::kBytes == sizeof(float) ? 1 : kMacroRows][kBlockElements];
  for (std::size_t begin = 0; begin < dims; begin += kBlockElements) {
    const std::size_t end = smaller(dims, begin + kBlockElements);
    const std::byte* blocks[kMacroRows];
    locate_blocks<Isa, Row>(macro, begin, end, scratch, blocks);
    std::size_t r = 0;
    for (; r + kGroup <= macro.row_count; r += kGroup) {
      add_row_group<Isa, M, kGroup>(macro, blocks, r, begin, end);
    }
    for (; r < macro.row_count; ++r) add_row_group<Isa, M, 1>(macro, blocks, r, begin, end);
  }
  for (std::size_t q = 0; q < macro.query_count; ++q) {
    const FloatBatch<Isa>* const totals = macro.totals[q];
    std::size_t r = 0;
    for (; r + kGroup <= macro.row_count; r += kGroup) {
      const std::byte* const rows[kGroup] = {macro.rows[r], macro.rows[r + 1], macro.rows[r + 2],
                                             macro.rows[r + 3]};
      const FloatBatch<Isa> sums[kGroup] = {totals[r], totals[r + 1], totals[r + 2],
                                            totals[r + 3]};
      finish<Isa, M, Row>(sums, macro.queries[q], rows, dims, out + q * out_stride + r);
    }
    for (; r < macro.row_count; ++r) {
      const std::byte* const rows[1] = {macro.rows[r]};
      const FloatBatch<Isa> sums[1] = {totals[r]};
      finish<Isa, M, Row>(sums, macro.queries[q], rows, dims, out + q * out_stride + r);
    }
  }
}

template <class Isa, Measure M, class Row>
SPRINGG_KERNEL void tile(const void* queries, std::size_t query_stride, std::size_t query_count,
                         const std::byte* base, std::size_t stride, std::size_t count,
                         std::size_t dims, float* out, std::size_t out_stride) noexcept {
  const std::byte* const first_query = static_cast<const std::byte*>(queries);
  const std::size_t query_bytes = query_stride * sizeof(float);
  const std::size_t fitting = kRowBlockBytes / (dims * Row::kBytes) / kMacroRows * kMacroRows;
  const std::size_t block_rows = fitting == 0 ? kMacroRows : fitting;
  MacroTile<Isa> macro;
  for (std::size_t block = 0; block < count; block += block_rows) {
    const std::size_t block_end = smaller(count, block + block_rows);
    for (std::size_t q = 0; q < query_count; q += kMacroQueries<Isa>) {
      macro.query_count = smaller(query_count - q, kMacroQueries<Isa>);
      for (std::size_t i = 0; i < macro.query_count; ++i) {
        macro.queries[i] = first_query + (q + i) * query_bytes;
      }
      for (std::size_t r = block; r < block_end; r += kMacroRows) {
        macro.row_count = smaller(block_end - r, kMacroRows);
        for (std::size_t i = 0; i < macro.row_count; ++i) macro.rows[i] = base + (r + i) * stride;
        run_macro_tile<Isa, M, Row>(macro, dims, out + q * out_stride + r, out_stride);
      }
    }
  }
}

}  // namespace springg::kernels
