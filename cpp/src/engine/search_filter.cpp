// SPDX-License-Identifier: MIT
#include <algorithm>
#include <string>

#include "engine/search.h"

namespace springg::engine {

namespace {

Result<ListedRows> rows_of_mask(const View& view, std::span<const std::uint8_t> mask) {
  if (mask.size() != view.live_rows) {
    return invalid_argument("filter mask has " + std::to_string(mask.size()) +
                            " entries: expected one for each of " + std::to_string(view.live_rows) +
                            " rows")
        .with("expected", static_cast<std::int64_t>(view.live_rows))
        .with("actual", static_cast<std::int64_t>(mask.size()));
  }
  ListedRows listed(view.parts.size());
  std::size_t position = 0;
  for (std::size_t number = 0; number < view.parts.size(); ++number) {
    const base::RowBits deleted = view.parts[number].deleted();
    for (std::uint32_t row = 0; row < view.parts[number].rows; ++row) {
      if (!deleted.empty() && deleted.test(row)) continue;
      if (mask[position++] != 0) listed[number].push_back(row);
    }
  }
  return listed;
}

ListedRows rows_of_ids(const View& view, const IdColumn& ids) {
  ListedRows listed(view.parts.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (const auto at = view.find(ids[i]); at.has_value()) listed[at->part].push_back(at->row);
  }
  for (std::vector<std::uint32_t>& rows : listed) {
    std::sort(rows.begin(), rows.end());
    rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  }
  return listed;
}

}  // namespace

Result<ListedRows> listed_rows(const View& view, const RowFilter& filter) {
  if (filter.mask.has_value()) return rows_of_mask(view, *filter.mask);
  return rows_of_ids(view, *filter.ids);
}

}  // namespace springg::engine
