// SPDX-License-Identifier: MIT
#include "engine/search_plan.h"

#include <algorithm>

#include "engine/search.h"

namespace springg::engine {

namespace {

// Nanoseconds as measured on the dictionary set (docs/adr/0013). Only their proportions count.
constexpr double kRow = 10;         // of a row that is measured, and for each of its bytes
constexpr double kRowByte = 0.055;  // as memory gives them, one row here and one there
constexpr double kTileRow = 2;      // the same in a batch: rows come from memory once for all
constexpr double kTileByte = 0.008;
constexpr double kMet = 30;            // more on a walk: was it met before, does it enter the pool
constexpr double kLookedThrough = 85;  // a row's links
// What a walk does for each place of its pool: rows measured, and rows looked through, these times
// what does not match over what does.
constexpr double kRowsMeasured = 16;
constexpr double kRowsLookedThrough = 1.1;
// How many times as much where matches are far from the query.
constexpr double kFarCost = 4.5;
// Where fewer match, too few links are left between those that do.
constexpr double kPassRateMin = 0.025;
constexpr std::uint32_t kSeeds = 32;
constexpr std::size_t kBatchQueries = 16;

double row_cost(std::size_t bytes) { return kRow + kRowByte * static_cast<double>(bytes); }

// Of a walk where this share of the rows matches.
double walk_cost(double ef, std::size_t bytes, double rate) {
  return ef * (kRowsMeasured * (row_cost(bytes) + kMet) +
               kRowsLookedThrough * kLookedThrough * (1 / rate - 1));
}

// The share at which a walk costs as much as `scan`.
double even_rate(double ef, std::size_t bytes, double scan) {
  const double more = (scan - walk_cost(ef, bytes, 1)) / (ef * kRowsLookedThrough * kLookedThrough);
  return 1 / (1 + std::max(more, 0.0));
}

PartPlan plan_part(const PartView& part, const base::RowMask& matching, std::size_t part_ef,
                   const PlanRequest& request) {
  PartPlan plan;
  const std::uint32_t covered = part.covered();
  const std::uint32_t matches = matching.count_below(covered);
  if (is_short(part, request.ef) || matches == 0) return plan;
  const auto ef = static_cast<double>(part_ef);
  const auto rows = static_cast<double>(matches);
  const std::size_t bytes = part.part->walked_row_bytes();
  const double scan = rows * row_cost(bytes);
  if (request.walk == FilteredWalk::kPlain) plan.path = PartPath::kPlain;
  if (request.walk == FilteredWalk::kTwoHop) plan.path = PartPath::kTwoHop;
  if (request.walk == FilteredWalk::kChosen) {
    const std::size_t vector_bytes = part.part->space().vectors.stride;
    const double tiles = rows * (kTileRow + kTileByte * static_cast<double>(vector_bytes));
    const double rate = rows / static_cast<double>(covered);
    if (scan <= walk_cost(ef, bytes, 1)) return plan;
    if (request.queries >= kBatchQueries && tiles <= walk_cost(ef, bytes, rate)) return plan;
    plan.path = PartPath::kTwoHop;
    plan.pass_rate_min = std::max(even_rate(ef, bytes, scan), kPassRateMin);
    plan.walks_far = scan > kFarCost * walk_cost(ef, bytes, 1);
  }
  if (plan.path == PartPath::kTwoHop) plan.seeds = matching.sample(kSeeds);
  return plan;
}

}  // namespace

std::vector<PartPlan> plan_parts(const View& view, const MatchSet& matches,
                                 const PlanRequest& request) {
  std::vector<PartPlan> plans;
  for (std::size_t number = 0; number < view.parts.size(); ++number) {
    const base::RowMask& matching = matches.parts[number];
    const double share = static_cast<double>(matching.size()) / static_cast<double>(matches.rows);
    plans.push_back(plan_part(view.parts[number], matching,
                              ef_of_share(request.k, request.ef, share), request));
  }
  return plans;
}

bool scans_alone(const std::vector<PartPlan>& plans) noexcept {
  return std::all_of(plans.begin(), plans.end(),
                     [](const PartPlan& plan) { return plan.path == PartPath::kScan; });
}

}  // namespace springg::engine
