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

// One part of a search for one query.
class PartSearch {
 public:
  PartSearch(const SearchJob& job, const ann::Query& query, std::uint32_t number)
      : job_(job),
        query_(query),
        number_(number),
        part_(job.view.parts[number]),
        deleted_(part_.deleted()),
        matching_(job.matches == nullptr ? nullptr : &job.matches->parts[number]),
        plan_(job.matches == nullptr ? nullptr : &job.plans[number]) {}

  // Rows that it may find.
  std::uint32_t rows() const noexcept {
    return matching_ == nullptr ? part_.live_rows() : matching_->size();
  }
  bool is_scanned() const {
    return is_short(part_, job_.ef) || (plan_ != nullptr && plan_->path == PartPath::kScan);
  }
  // Walks the graph, and scans what it does not cover. Returns the distances computed.
  std::uint64_t run(std::size_t ef, HitList& hits) const {
    std::uint32_t covered = is_scanned() ? 0 : part_.covered();
    std::uint64_t distances = 0;
    if (covered != 0) {
      const ann::GraphAnswer answer = part_.part->graph_search(query_, request(ef, covered));
      distances += answer.distances_computed;
      if (is_enough(answer, covered)) {
        add(answer.neighbors, hits);
      } else {
        covered = 0;  // too few rows around the query may be returned: k are owed all the same
      }
    }
    return covered == part_.rows ? distances : distances + scan(covered, hits);
  }

 private:
  ann::GraphQuery request(std::size_t ef, std::uint32_t covered) const {
    ann::GraphQuery asked;
    asked.k = job_.k;
    asked.ef = ef;
    asked.deleted = deleted_;
    asked.row_limit = covered;
    asked.rerank = job_.rerank;
    if (matching_ == nullptr) return asked;
    asked.matching = matching_;
    asked.walk = plan_->path == PartPath::kPlain ? ann::MatchWalk::kPlain : ann::MatchWalk::kTwoHop;
    asked.seeds = plan_->seeds;
    asked.pass_rate_min = plan_->pass_rate_min;
    asked.walks_far = plan_->walks_far;
    return asked;
  }

  // Whether a walk over the first `covered` rows found what it owes.
  bool is_enough(const ann::GraphAnswer& answer, std::uint32_t covered) const {
    if (answer.starved && answer.neighbors.size() < matching_->count_below(covered)) return false;
    if (answer.neighbors.size() == job_.k) return true;
    if (matching_ != nullptr) return answer.neighbors.size() >= matching_->count_below(covered);
    std::uint32_t live = covered - deleted_.size;
    for (std::uint32_t row = covered; row < part_.rows; ++row) live += deleted_.test(row) ? 1U : 0U;
    return answer.neighbors.size() >= live;
  }

  std::uint64_t scan(std::uint32_t begin, HitList& hits) const {
    const std::uint32_t end = part_.rows;
    if (matching_ != nullptr) {
      const ann::GraphAnswer answer =
          part_.part->scan_matching(query_, *matching_, begin, end, job_.k, job_.rerank);
      add(answer.neighbors, hits);
      return answer.distances_computed;
    }
    part_.part->compare_vectors(begin, end);
    ann::TopK top(std::min<std::size_t>(job_.k, end - begin));
    ann::scan_rows(part_.part->space(), query_, begin, end, deleted_, top);
    add(top.take_sorted(), hits);
    part_.part->let_go(begin, end);
    return end - begin;
  }

  void add(const std::vector<ann::Neighbor>& found, HitList& hits) const {
    for (const ann::Neighbor& row : found) hits.push_back({row.rank, number_, row.row});
  }

  const SearchJob& job_;
  const ann::Query& query_;
  const std::uint32_t number_;
  const PartView& part_;
  const base::RowBits deleted_;
  const base::RowMask* const matching_;
  const PartPlan* const plan_;
};

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
    distances += PartSearch(job, query, number).run(ef_of_share(job.k, job.ef, share), hits);
  }
  if (distances != 0) keep_best(hits, job.k);
  return distances;
}

}  // namespace

// A walk looks at some dozen rows for each place of its pool.
bool is_short(const PartView& part, std::size_t ef) noexcept { return part.covered() <= ef * 4; }

// Were the results drawn at random, the part's number of them would be binomial.
std::size_t ef_of_share(std::size_t k, std::size_t ef, double share) {
  const double deviation = std::sqrt(share * (1 - share) / static_cast<double>(k));
  const double wide = std::min(1.0, share + kShareDeviations * deviation);
  return std::max(k, static_cast<std::size_t>(std::ceil(wide * static_cast<double>(ef))));
}

std::uint64_t walk_view(const SearchJob& job, const ann::Query& query, HitList& hits) {
  const std::vector<PartView>& parts = job.view.parts;
  const std::uint64_t rows = job.matches == nullptr ? job.view.live_rows : job.matches->rows;
  hits.reserve(std::min<std::uint64_t>(job.k * parts.size(), rows));
  if (parts.size() == 1) {
    const std::uint64_t distances = PartSearch(job, query, 0).run(job.ef, hits);
    keep_best(hits, job.k);
    return distances;
  }
  std::vector<std::size_t> widths(parts.size());
  std::uint64_t distances = 0;
  for (std::uint32_t number = 0; number < parts.size(); ++number) {
    const PartSearch part(job, query, number);
    const double share = static_cast<double>(part.rows()) / static_cast<double>(rows);
    widths[number] = part.is_scanned() ? job.ef : ef_of_share(job.k, job.ef, share);
    if (part.rows() != 0) distances += part.run(widths[number], hits);
  }
  keep_best(hits, job.k);
  return distances + walk_narrow_parts_again(job, query, widths, hits);
}

}  // namespace springg::engine
