// SPDX-License-Identifier: MIT
#include "engine/search_plan.h"

#include <algorithm>

#include "engine/search.h"

namespace springg::engine {

namespace {

constexpr std::uint32_t kSeeds = 32;

}  // namespace

std::vector<PartPlan> plan_parts(const View& view, const MatchSet& matches,
                                 const PlanRequest& request) {
  std::vector<PartPlan> plans(view.parts.size());
  for (std::size_t number = 0; number < plans.size(); ++number) {
    const PartView& part = view.parts[number];
    const base::RowMask& matching = matches.parts[number];
    PartPlan& plan = plans[number];
    if (part.covered() <= request.ef * 4) continue;
    if (request.walk == FilteredWalk::kPlain) plan.path = PartPath::kPlain;
    if (request.walk == FilteredWalk::kTwoHop) plan.path = PartPath::kTwoHop;
    if (request.walk == FilteredWalk::kChosen && matching.size() > 3000)
      plan.path = PartPath::kTwoHop;
    if (plan.path == PartPath::kTwoHop) plan.seeds = matching.sample(kSeeds);
  }
  return plans;
}

bool scans_alone(const std::vector<PartPlan>& plans) noexcept {
  return std::all_of(plans.begin(), plans.end(),
                     [](const PartPlan& plan) { return plan.path == PartPath::kScan; });
}

}  // namespace springg::engine
