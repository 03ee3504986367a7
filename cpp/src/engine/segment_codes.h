// SPDX-License-Identifier: MIT
// Codes of a segment's rows, on which its graph is walked (quant/, docs/adr/0012).
#pragma once

#include <optional>

#include "ann/space.h"
#include "base/executor.h"
#include "quant/int8_codes.h"
#include "springg/options.h"
#include "storage/segment.h"

namespace springg::engine {

// Fills the segment's codes when its index wants some and its rows can have them. Its vectors are
// there. Cost: one pass over the vectors on all threads.
Status make_codes(storage::SegmentBuilder& builder, std::uint32_t rows, const IndexOptions& options,
                  base::Executor& executor);
// The same from a whole segment, into bytes of quant::int8_bytes(). None when they cannot be.
Result<std::optional<base::Buffer>> remake_codes(const ann::Space& space, std::uint32_t rows);

}  // namespace springg::engine
