// SPDX-License-Identifier: MIT
// How a search with a filter goes through each part: chosen once a call, by cost.
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
  std::uint64_t distances_max = ~std::uint64_t{0};
};

struct PlanRequest {
  std::size_t ef = 0;
  std::size_t queries = 1;
  FilteredWalk walk = FilteredWalk::kChosen;
};

// One plan a part.
std::vector<PartPlan> plan_parts(const View& view, const MatchSet& matches,
                                 const PlanRequest& request);
bool scans_alone(const std::vector<PartPlan>& plans) noexcept;

}  // namespace springg::engine
