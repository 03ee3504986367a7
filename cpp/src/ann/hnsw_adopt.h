// SPDX-License-Identifier: MIT
// Beginning a graph with another one's links.
#pragma once

#include <cstdint>
#include <span>

#include "ann/hnsw.h"
#include "ann/hnsw_links.h"
#include "ann/hnsw_pace.h"
#include "ann/space.h"
#include "base/executor.h"
#include "springg/status.h"

namespace springg::ann {

// Fills `data`, which is empty, with the rows of `source` that are kept: row i was kept[i] there
// (ascending). Rows keep their levels, and their links where all of these lead to rows that are
// kept. A row that lost links is linked anew, chosen among what is left of them and the links of
// the rows that went (Singh et al., "FreshDiskANN", 2021, algorithm 4): at most about 2m(n + 1)
// distances for n lost links, no more than 22m on layer 0, and one choice. The result does not
// depend on the number of threads. A row whose surroundings are all gone may be left out of reach:
// repair() follows. kFailedPrecondition when stopped, kResourceExhausted.
Status adopt(GrowingData& data, const SealedGraph& source, std::span<const std::uint32_t> kept,
             const Space& space, base::Executor& executor, Pace& pace);

}  // namespace springg::ann
