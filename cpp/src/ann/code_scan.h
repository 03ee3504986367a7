// SPDX-License-Identifier: MIT
// Scans of the rows that match, on codes: a quarter or an eighth of the bytes of their vectors, and
// as many distances.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ann/hnsw.h"
#include "ann/space.h"
#include "base/row_mask.h"
#include "quant/codes.h"

namespace springg::ann {

// Fewer rows than this a result should be measured on their vectors: most would be in the end.
inline constexpr std::size_t kCodeScanRowsMin = 16;

// The `k` nearest of the rows of `wanted` in [begin, end), nearest first: all are ranked by their
// codes, and the best of those, at least `rerank`, on their vectors. Exact when no code can stand
// for the query.
GraphAnswer scan_codes(const Space& space, const Query& query, const quant::Codes& codes,
                       const base::RowMask& wanted, std::uint32_t begin, std::uint32_t end,
                       std::size_t k, std::size_t rerank);

}  // namespace springg::ann
