// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>

#include "engine/search.h"

namespace springg::engine {

namespace {

// Standard deviations that a part may have more of the answer than its rows have of all rows.
// Measured with 2: recall over several parts is that of one graph with the same ef (docs/adr/0011).
constexpr double kShareDeviations = 2;
// A part is walked again where its share of the answer asks for an ef so many times as wide.
constexpr double kTooNarrow = 1.25;

// How wide to walk a part that is expected to have this share of the k results. Were they drawn at
// random, its number of them would be binomial.
std::size_t ef_of_share(const SearchJob& job, double share) {
  const double deviation = std::sqrt(share * (1 - share) / static_cast<double>(job.k));
  const double wide = std::min(1.0, share + kShareDeviations * deviation);
  const auto ef = static_cast<std::size_t>(std::ceil(wide * static_cast<double>(job.ef)));
  return std::max(job.k, ef);
}

// A walk looks at some dozen rows for each place of its pool: a part of few rows is scanned.
bool scanned(const SearchJob& job, const PartView& part) { return part.covered() <= job.ef * 4; }

// Results that a walk over the first `covered` rows owes. Deleted rows behind these do not count.
std::size_t owed_by_walk(std::size_t k, std::uint32_t covered, std::uint32_t rows,
                         const base::RowBits& deleted) {
  std::uint32_t hidden = deleted.size;
  for (std::uint32_t row = covered; row < rows; ++row) hidden -= deleted.test(row) ? 1U : 0U;
  return std::min<std::size_t>(k, covered - hidden);
}

// Walks the graph of one part, and scans what it does not cover.
std::uint64_t walk_part(const SearchJob& job, const ann::Query& query, std::uint32_t number,
                        std::size_t ef, HitList& hits) {
  const PartView& part = job.view.parts[number];
  const base::RowBits deleted = part.deleted();
  const ann::Space space = part.part->space();
  std::uint64_t distances = 0;
  std::uint32_t covered = scanned(job, part) ? 0 : part.covered();
  if (covered != 0) {
    ann::GraphAnswer answer = part.part->graph_search(
        query, {.k = job.k, .ef = ef, .deleted = deleted, .row_limit = covered});
    distances += answer.distances_computed;
    const std::size_t found_rows = answer.neighbors.size();
    if (found_rows == job.k || found_rows >= owed_by_walk(job.k, covered, part.rows, deleted)) {
      for (const ann::Neighbor& found : answer.neighbors) {
        hits.push_back({found.rank, number, found.row});
      }
    } else {
      covered = 0;  // too many deleted rows around the query: k results are owed all the same
    }
  }
  if (covered == part.rows) return distances;
  part.part->compare_vectors(covered, part.rows);
  ann::TopK top(std::min<std::size_t>(job.k, part.rows - covered));
  ann::scan_rows(space, query, covered, part.rows, deleted, top);
  for (const ann::Neighbor& found : top.take_sorted()) {
    hits.push_back({found.rank, number, found.row});
  }
  return distances + part.rows - covered;
}

// Rows that came together are often alike, and a part may have far more of the answer than of the
// rows. Such parts are walked again, as wide as what they turned out to have asks for.
std::uint64_t walk_narrow_parts_again(const SearchJob& job, const ann::Query& query,
                                      std::span<const std::size_t> widths, HitList& hits) {
  std::vector<std::size_t> found(widths.size());
  for (const Hit& hit : hits) ++found[hit.part];
  std::uint64_t distances = 0;
  for (std::uint32_t number = 0; number < widths.size(); ++number) {
    const double share = static_cast<double>(found[number]) / static_cast<double>(job.k);
    const double asked = share * static_cast<double>(job.ef);
    if (asked <= kTooNarrow * static_cast<double>(widths[number])) continue;
    std::erase_if(hits, [&](const Hit& hit) { return hit.part == number; });
    distances += walk_part(job, query, number, ef_of_share(job, share), hits);
  }
  if (distances != 0) keep_best(hits, job.k);
  return distances;
}

}  // namespace

std::uint64_t walk_view(const SearchJob& job, const ann::Query& query, HitList& hits) {
  const std::vector<PartView>& parts = job.view.parts;
  std::vector<std::size_t> widths(parts.size());
  std::uint64_t distances = 0;
  for (std::uint32_t number = 0; number < parts.size(); ++number) {
    const double share =
        static_cast<double>(parts[number].live_rows()) / static_cast<double>(job.view.live_rows);
    widths[number] = scanned(job, parts[number]) ? job.ef : ef_of_share(job, share);
    distances += walk_part(job, query, number, widths[number], hits);
  }
  keep_best(hits, job.k);
  return distances + walk_narrow_parts_again(job, query, widths, hits);
}

}  // namespace springg::engine
