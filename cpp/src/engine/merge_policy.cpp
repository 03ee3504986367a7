// SPDX-License-Identifier: MIT
#include "engine/merge_policy.h"

#include <algorithm>

#include "springg/options.h"

namespace springg::engine {

namespace {

constexpr std::size_t kMergedPartsMin = 4;
constexpr std::uint64_t kSpreadPart = 10;

// `first` and those behind it that may be added to it.
std::optional<MergeRange> pick_followed(std::span<const MergeCandidate> parts, std::size_t first) {
  const std::uint64_t rows = parts[first].live_rows;
  std::uint64_t added = 0;
  std::size_t end = first + 1;
  for (; end < parts.size() && parts[end].free && !parts[end].apart; ++end) {
    const std::uint64_t more = parts[end].live_rows;
    if (more > rows || rows + added + more > limits::kSegmentRowsMax) break;
    added += more;
  }
  if (!needs_rewriting(parts[first]) && (end == first + 1 || added * 2 < rows)) return std::nullopt;
  return MergeRange{first, end};
}

std::optional<MergeRange> pick_tier(std::span<const MergeCandidate> parts) {
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
  return best;
}

}  // namespace

bool is_spread(std::span<const MergeCandidate> parts, std::uint64_t rows_min) noexcept {
  std::uint64_t live = 0;
  std::uint64_t deleted = 0;
  std::uint64_t largest = 0;
  for (const MergeCandidate& part : parts) {
    live += part.live_rows;
    deleted += part.rows - part.live_rows;
    if (!part.memtable) largest = std::max(largest, part.live_rows);
  }
  return live >= rows_min && (live - largest + deleted) * kSpreadPart > live;
}

bool needs_rewriting(const MergeCandidate& part) noexcept {
  return part.without_graph || (part.rows - part.live_rows) * 5 > part.rows;
}

std::optional<MergeRange> pick_merge(std::span<const MergeCandidate> parts) noexcept {
  for (std::size_t first = 0; first < parts.size(); ++first) {
    if (!parts[first].free) continue;
    if (const auto range = pick_followed(parts, first)) return range;
  }
  return pick_tier(parts);
}

std::optional<MergeRange> pick_merge_at_rest(std::span<const MergeCandidate> parts,
                                             std::uint64_t rows_min) noexcept {
  const bool all_free =
      std::all_of(parts.begin(), parts.end(), [](const MergeCandidate& part) { return part.free; });
  if (!all_free) return std::nullopt;
  for (std::size_t begin = 0; begin < parts.size();) {
    std::uint64_t rows = parts[begin].live_rows;
    std::size_t end = begin + 1;
    while (end < parts.size() && !parts[end].apart &&
           rows + parts[end].live_rows <= limits::kSegmentRowsMax) {
      rows += parts[end++].live_rows;
    }
    const bool several = end - begin > 1;
    if (several || is_spread(parts.subspan(begin, 1), rows_min)) return MergeRange{begin, end};
    begin = end;
  }
  return std::nullopt;
}

}  // namespace springg::engine
