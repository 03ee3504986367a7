// SPDX-License-Identifier: MIT
// What a segment has for searching its graph faster: codes of its rows, on which the graph is
// walked (quant/, docs/adr/0012), and what the graph was measured to need (ann/calibration.h).
#pragma once

#include <optional>

#include "ann/calibration.h"
#include "ann/space.h"
#include "base/executor.h"
#include "quant/codes.h"
#include "springg/options.h"
#include "springg/progress.h"
#include "storage/segment.h"

namespace springg::engine {

// Whether rows of this metric and kind can have codes. Those of bytes and bits are as short as
// codes.
bool can_have_codes(Metric metric, ScalarType dtype) noexcept;

// The codes that an index's segments have; none: their graphs are walked on vectors.
std::optional<quant::CodeKind> kind_of_codes(const IndexOptions& options);

// Fills a segment's codes, when its index wants some and its rows can have them, and its
// calibration. Its vectors and its graph are there. Cost: two passes over the vectors on all
// threads, and some thousand searches. kFailedPrecondition when progress says stop.
Status prepare_search(storage::SegmentBuilder& builder, const ann::Space& space,
                      std::span<const std::byte> graph, std::uint32_t rows,
                      const IndexOptions& options, base::Executor& executor, Progress* progress);
// Codes of a byte for building a graph over these rows, in `buffer`. None when their metric has
// none, when they cannot have them, when they are so narrow that it would not pay, or when there is
// no memory for them.
Result<std::optional<quant::Codes>> codes_to_build_on(const ann::Space& space, std::uint32_t rows,
                                                      base::Executor& executor, Progress* progress,
                                                      base::Buffer& buffer);
// Codes anew from a whole segment, in the place of damaged ones of this size. None when its rows
// cannot have them.
Result<std::optional<base::Buffer>> remake_codes(const ann::Space& space, std::uint32_t rows,
                                                 std::uint64_t bytes);

}  // namespace springg::engine
