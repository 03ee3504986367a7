// SPDX-License-Identifier: MIT
// Many queries against many rows. Included by distance_generic.h alone.
//
// A panel of kPanelQueries queries and up to kPanelRows rows goes through the dimensions block by
// block. The queries' part of a block stays in the first-level cache while the panel's rows pass
// by, kGroup at a time (halves are widened once a panel). The register tile inside is
// Isa::kTileQueries x kGroup.
#pragma once

#include "kernels/distance_generic.h"

namespace springg::kernels {

// Packed queries pay for their copy with more rows; without one, fewer rows leave the sums in the
// first-level cache.
inline constexpr std::size_t kPanelRows = 64;
inline constexpr std::size_t kUnpackedPanelRows = 32;

// Whether queries this far apart would share the few places that a first-level cache has for them.
SPRINGG_INLINE bool is_worth_packing(std::size_t query_bytes, std::size_t dims) {
  constexpr std::size_t kHalfPage = 2048;
  return dims > kBlockElements && query_bytes % kHalfPage == 0;
}

template <class Isa>
inline constexpr std::size_t kPanelQueries = 12 / Isa::kTileQueries * Isa::kTileQueries;

struct TileArguments {
  const std::byte* queries;
  std::size_t query_bytes;  // from query to query
  std::size_t query_count;
  const std::byte* base;
  std::size_t stride;
  std::size_t count;
  std::size_t dims;
  float* out;
  std::size_t out_stride;
};

template <class Isa>
struct TileMemory {
  alignas(64) float packed[kPanelQueries<Isa>][kBlockElements];
  alignas(64) float widened[kGroup][kBlockElements];
  const std::byte* queries[kPanelQueries<Isa>];  // of the block: packed or in place
  // Of rows r..r+R-1 and query q (R = kGroup, or 1 at the end): R batches at r * queries + q * R.
  FloatBatch<Isa> totals[kPanelRows * kPanelQueries<Isa>];
};

// Elements [begin, end) of a row as floats, zeros up to a whole batch.
template <class Isa, class Row>
SPRINGG_INLINE void copy_block(const std::byte* row, std::size_t begin, std::size_t end,
                               float* out) {
  std::size_t i = begin;
  for (; i + kLanes<Isa> <= end; i += kLanes<Isa>) {
    Row::load(row, i).store_unaligned(out + (i - begin));
  }
  if (i < end) Row::load_tail(row, i, end - i).store_unaligned(out + (i - begin));
}

template <class Isa>
SPRINGG_INLINE void place_queries(const TileArguments& panel, std::size_t begin, std::size_t end,
                                  TileMemory<Isa>& memory) {
  for (std::size_t q = 0; q < panel.query_count; ++q) {
    const std::byte* const query = panel.queries + q * panel.query_bytes;
    memory.queries[q] = query + begin * sizeof(float);
    if (!is_worth_packing(panel.query_bytes, panel.dims)) continue;
    copy_block<Isa, FloatRow<Isa>>(query, begin, end, memory.packed[q]);
    memory.queries[q] = reinterpret_cast<const std::byte*>(memory.packed[q]);
  }
}

// One block of Q x R pairs. `blocks` are the rows' elements from `begin` on.
template <class Isa, Measure M, class Row, std::size_t Q, std::size_t R>
SPRINGG_INLINE void tile_pairs(const TileArguments& panel, TileMemory<Isa>& memory,
                               const std::byte* const (&blocks)[R], std::size_t first_query,
                               std::size_t first_row, std::size_t begin, std::size_t end) {
  const std::byte* queries[Q];
  unroll<Q>([&](auto q) { queries[q] = memory.queries[first_query + q]; });
  FloatBatch<Isa> sums[Q][R];
  sum_block<Isa, M, FloatRow<Isa>, Q, R>(queries, blocks, 0, end - begin, sums);
  FloatBatch<Isa>* const totals = memory.totals + first_row * kPanelQueries<Isa> + first_query * R;
  if (begin != 0) {
    unroll<Q>(
        [&](auto q) { unroll<R>([&](auto r) { sums[q][r] = totals[q * R + r] + sums[q][r]; }); });
  }
  if (end != panel.dims) {
    unroll<Q>([&](auto q) { unroll<R>([&](auto r) { totals[q * R + r] = sums[q][r]; }); });
    return;
  }
  const std::byte* rows[R];
  unroll<R>([&](auto r) { rows[r] = panel.base + (first_row + r) * panel.stride; });
  unroll<Q>([&](auto q) {
    finish<Isa, M, Row>(sums[q], panel.queries + (first_query + q) * panel.query_bytes, rows,
                        panel.dims, panel.out + (first_query + q) * panel.out_stride + first_row);
  });
}

// One block of R rows against all queries of the panel.
template <class Isa, Measure M, class Row, std::size_t R>
SPRINGG_INLINE void tile_rows(const TileArguments& panel, TileMemory<Isa>& memory,
                              std::size_t first_row, std::size_t begin, std::size_t end) {
  const std::byte* blocks[R];
  for (std::size_t r = 0; r < R; ++r) {
    const std::byte* const row = panel.base + (first_row + r) * panel.stride;
    if constexpr (Row::kBytes == sizeof(float)) {
      blocks[r] = row + begin * sizeof(float);
    } else {
      copy_block<Isa, Row>(row, begin, end, memory.widened[r]);
      blocks[r] = reinterpret_cast<const std::byte*>(memory.widened[r]);
    }
  }
  std::size_t q = 0;
  for (; q + Isa::kTileQueries <= panel.query_count; q += Isa::kTileQueries) {
    tile_pairs<Isa, M, Row, Isa::kTileQueries, R>(panel, memory, blocks, q, first_row, begin, end);
  }
  for (; q < panel.query_count; ++q) {
    tile_pairs<Isa, M, Row, 1, R>(panel, memory, blocks, q, first_row, begin, end);
  }
}

template <class Isa, Measure M, class Row>
SPRINGG_KERNEL void tile_panel(const TileArguments& panel, TileMemory<Isa>& memory) noexcept {
  for (std::size_t begin = 0; begin < panel.dims; begin += kBlockElements) {
    const std::size_t end = smaller(panel.dims, begin + kBlockElements);
    place_queries<Isa>(panel, begin, end, memory);
    std::size_t r = 0;
    for (; r + kGroup <= panel.count; r += kGroup) {
      tile_rows<Isa, M, Row, kGroup>(panel, memory, r, begin, end);
    }
    for (; r < panel.count; ++r) tile_rows<Isa, M, Row, 1>(panel, memory, r, begin, end);
  }
}

template <class Isa, Measure M, class Row>
SPRINGG_KERNEL void tile(const void* queries, std::size_t query_stride, std::size_t query_count,
                         const std::byte* base, std::size_t stride, std::size_t count,
                         std::size_t dims, float* out, std::size_t out_stride) noexcept {
  const std::size_t query_bytes = query_stride * sizeof(float);
  const std::size_t panel_rows =
      is_worth_packing(query_bytes, dims) ? kPanelRows : kUnpackedPanelRows;
  TileMemory<Isa> memory;
  for (std::size_t r = 0; r < count; r += panel_rows) {
    for (std::size_t q = 0; q < query_count; q += kPanelQueries<Isa>) {
      const TileArguments panel{static_cast<const std::byte*>(queries) + q * query_bytes,
                                query_bytes,
                                smaller(query_count - q, kPanelQueries<Isa>),
                                base + r * stride,
                                stride,
                                smaller(count - r, panel_rows),
                                dims,
                                out + q * out_stride + r,
                                out_stride};
      tile_panel<Isa, M, Row>(panel, memory);
    }
  }
}

}  // namespace springg::kernels
