// SPDX-License-Identifier: MIT
#include "engine/spelling.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace springg::engine {

namespace {

constexpr std::size_t kSuggestionsMax = 3;

// Insertions, deletions, replacements and swaps of neighbors that turn `a` into `b`
// (optimal string alignment), row by row.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> two_up(b.size() + 1);
  std::vector<std::size_t> up(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(up.begin(), up.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = up[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({up[j] + 1, row[j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], two_up[j - 2] + 1);
      }
    }
    two_up.swap(up);
    up.swap(row);
  }
  return up[b.size()];
}

}  // namespace

std::vector<std::string> near_spellings(std::string_view wanted,
                                        const std::vector<std::string>& names) {
  const std::size_t edits_max = std::max<std::size_t>(1, wanted.size() / 3);
  std::vector<std::pair<std::size_t, std::string>> near;
  for (const std::string& name : names) {
    const std::size_t edits = edit_distance(wanted, name);
    if (edits <= edits_max) near.emplace_back(edits, name);
  }
  std::sort(near.begin(), near.end());
  std::vector<std::string> best;
  for (auto& [edits, name] : near) {
    if (best.size() < kSuggestionsMax) best.push_back(std::move(name));
  }
  return best;
}

}  // namespace springg::engine
