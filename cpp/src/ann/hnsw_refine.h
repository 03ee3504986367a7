// SPDX-License-Identifier: MIT
// Choosing links again once all rows are there.
#pragma once

#include <cstdint>

#include "ann/hnsw_links.h"
#include "ann/hnsw_pace.h"
#include "ann/space.h"
#include "base/executor.h"
#include "springg/status.h"

namespace springg::ann {

// A row was linked to the nearest of the rows before it; those that came later only answered. This
// chooses the links of layer 0 once more, among each row's links and theirs (the local join of Dong
// et al., "Efficient k-nearest neighbor graph construction for generic similarity measures", 2011,
// section 2.2, with the relative neighbor rule), and links back. The result does not depend on the
// number of threads. A row costs about 20 m distances and two choices of links, and takes about 25
// m bytes meanwhile. kFailedPrecondition when stopped, kResourceExhausted; the graph can be
// searched at any time. Why these numbers: docs/adr/0008.
Status refine(GrowingData& data, const Space& space, base::Executor& executor, Pace& pace);

// Steps that refine() tells Pace for so many rows.
inline std::uint64_t refine_steps(std::uint32_t rows) noexcept { return rows; }

}  // namespace springg::ann
