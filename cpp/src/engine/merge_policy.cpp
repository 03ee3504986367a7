// SPDX-License-Identifier: MIT
#include "engine/merge_policy.h"

#include <algorithm>

#include "springg/options.h"

namespace springg::engine {

namespace {

constexpr std::size_t kMergedPartsMin = 4;

}  // namespace

bool needs_rewriting(const MergeCandidate& part) noexcept {
  return part.without_graph || (part.rows - part.live_rows) * 5 > part.rows;
}

std::optional<MergeRange> pick_merge(std::span<const MergeCandidate> parts) noexcept {
  std::optional<MergeRange> best;
  std::uint64_t best_rows = limits::kSegmentRowsMax;
  for (std::size_t begin = 0; begin < parts.size(); ++begin) {
    std::uint64_t rows = 0;
    std::uint64_t largest = 0;
    for (std::size_t end = begin; end < parts.size() && parts[end].free; ++end) {
      if (end != begin && parts[end].apart) break;
      rows += parts[end].live_rows;
      largest = std::max(largest, parts[end].live_rows);
      if (rows > best_rows) break;
      const std::size_t count = end + 1 - begin;
      if (count < kMergedPartsMin || largest * 2 > rows) continue;
      // Of equal rows the longer range.
      best = MergeRange{begin, end + 1};
      best_rows = rows;
    }
  }
  if (best.has_value()) return best;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].free && needs_rewriting(parts[i])) return MergeRange{i, i + 1};
  }
  return std::nullopt;
}

}  // namespace springg::engine
