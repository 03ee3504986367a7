// SPDX-License-Identifier: MIT
// How a search that names nothing goes through an index, for stats().
#pragma once

#include <optional>

#include "engine/view.h"
#include "springg/index.h"
#include "springg/options.h"

namespace springg::engine {

// O(parts), and 64 rows of those whose codes have to be explained.
SearchExplanation explain_search(const View& view, const IndexOptions& options,
                                 const std::optional<SearchTuning>& tuning);

}  // namespace springg::engine
