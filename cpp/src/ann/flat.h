// SPDX-License-Identifier: MIT
// Exact search: every row is compared. Building blocks for one thread; the engine spreads ranges
// of rows and queries over threads. Answers have the same bits whichever function, range split or
// thread count is used (see kernels/distance_table.h).
#pragma once

#include <cstdint>
#include <span>

#include "ann/space.h"
#include "ann/top_k.h"
#include "base/row_bits.h"
#include "base/row_mask.h"

namespace springg::ann {

// Offers rows [begin, end) that are not in `excluded`.
void scan_rows(const Space& space, const Query& query, std::uint32_t begin, std::uint32_t end,
               const base::RowBits& excluded, TopK& top);

// Offers those rows of [begin, end) that are in `wanted`.
void scan_matching(const Space& space, const Query& query, const base::RowMask& wanted,
                   std::uint32_t begin, std::uint32_t end, TopK& top);

// scan_rows for many queries at once: each block of rows is read from memory once and compared
// with all queries while it is in the cache. tops[i] belongs to queries[i].
void scan_rows_batch(const Space& space, std::span<const Query> queries, std::uint32_t begin,
                     std::uint32_t end, const base::RowBits& excluded, std::span<TopK> tops);
// scan_matching for many queries: the rows are copied side by side first, which costs about what
// two queries do.
void scan_matching_batch(const Space& space, std::span<const Query> queries,
                         const base::RowMask& wanted, std::uint32_t begin, std::uint32_t end,
                         std::span<TopK> tops);

}  // namespace springg::ann
