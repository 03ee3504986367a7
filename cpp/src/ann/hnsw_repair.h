// SPDX-License-Identifier: MIT
// Linking in what cannot be reached.
#pragma once

#include "ann/hnsw_links.h"
#include "ann/hnsw_pace.h"
#include "ann/space.h"

namespace springg::ann {

// Afterwards every number of every layer can be reached from that layer's entry. Deterministic.
// kFailedPrecondition when stopped; the graph is whole at any time.
Status repair(GrowingData& data, const Space& space, Pace& pace);

// How many numbers of layer 0 cannot be reached from the row where the graph is entered.
std::size_t count_unreachable(const GrowingData& data);

}  // namespace springg::ann
