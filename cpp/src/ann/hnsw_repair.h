// SPDX-License-Identifier: MIT
// Linking in what cannot be reached.
#pragma once

#include "ann/hnsw_links.h"
#include "ann/hnsw_pace.h"
#include "ann/space.h"

namespace springg::ann {

// Afterwards every row can be reached over layer 0 from the row where searches come down to it
// first. The upper layers need no repair: they only choose where a walk begins. Deterministic.
// kFailedPrecondition when stopped; the graph can be searched at any time.
Status repair(GrowingData& data, const Space& space, Pace& pace);

// Rows that cannot be reached so.
std::size_t unreached(const GrowingData& data, Pace& pace);

}  // namespace springg::ann
