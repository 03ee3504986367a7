// SPDX-License-Identifier: MIT
// How a search with a filter goes through each part: by cost (docs/adr/0013), once a call where
// that can be said, else by each query.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/view.h"
#include "springg/options.h"

namespace springg::engine {

struct MatchSet;

enum class PartPath : std::uint8_t {
  kScan,    // every matching row is measured
  kTwoHop,  // the graph is walked from matching row to matching row (ann/hnsw_filtered.h)
  kPlain    // the graph is walked as ever, matching rows are kept
};

struct PartPlan {
  PartPath path = PartPath::kScan;
  std::vector<std::uint32_t> seeds;  // where kTwoHop begins beside the graph's entry
  bool walks_far = true;             // whether kTwoHop goes on where matches are far from the query
  double pass_rate_min = 0;          // below it kTwoHop gives up, and the part is scanned
};

struct PlanRequest {
  std::size_t k = 0;
  std::size_t ef = 0;
  std::size_t queries = 1;
  FilteredWalk walk = FilteredWalk::kChosen;
};

// One plan a part.
std::vector<PartPlan> plan_parts(const View& view, const MatchSet& matches,
                                 const PlanRequest& request);
bool scans_alone(const std::vector<PartPlan>& plans) noexcept;

}  // namespace springg::engine
