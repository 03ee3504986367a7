// SPDX-License-Identifier: MIT
#include "engine/search.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "ann/calibration.h"
#include "engine/vector_codec.h"
#include "kernels/dispatch.h"

namespace springg::engine {

namespace {

// For parts whose graphs were not measured.
constexpr std::size_t kEfDefault = 64;
// A scan below this is done before another thread has woken up.
constexpr std::size_t kParallelScanBytes = std::size_t{4} << 20;
// Queries of a batch that a thread takes at a time.
constexpr std::size_t kQueriesPerTask = 4;
// A batch of scans keeps the k best of each query on each thread; this bounds their memory.
constexpr std::size_t kBlockHitsMax = std::size_t{1} << 20;
constexpr std::size_t kBlockQueriesMax = 1024;

Status check_range(const char* what, std::size_t value, std::size_t high) {
  if (value >= 1 && value <= high) return {};
  return invalid_argument(std::string(what) + " out of range: expected 1.." + std::to_string(high) +
                          ", got " + std::to_string(value));
}

bool scans(const SearchOptions& options) {
  return options.exact || options.k > limits::kGraphSearchKMax;
}

bool worth_threads(std::uint64_t rows, const IndexOptions& index, std::size_t queries) {
  return queries > 1 || rows * vector_bytes(index.dtype, index.dimensions) > kParallelScanBytes;
}

// Made ready for every part at once: only metric, dtype and dimensions matter.
ann::Query prepare(const View& view, const MatrixView& queries, std::size_t number) {
  const ann::Space space = view.parts.front().part->space();
  if (queries.type == ScalarType::kFloat32) return {space, queries.row(number)};
  return {space, queries.row_bytes(number)};
}

Status check_elements(const IndexOptions& index, const MatrixView& queries) {
  const kernels::DistanceTable& table = kernels::active_table();
  for (std::size_t i = 0; i < queries.rows; ++i) {
    if (queries.type == ScalarType::kFloat32) {
      const std::size_t bad = table.find_not_finite(queries.row(i), index.dimensions);
      if (bad != index.dimensions) return not_finite("query", i, bad, queries.row(i)[bad]);
    } else if (queries.type == ScalarType::kBinary) {
      SPRINGG_RETURN_IF_ERROR(check_padding("query", i, queries.row_bytes(i), index.dimensions));
    }
  }
  return {};
}

std::uint64_t scan_all(const SearchJob& job, const MatrixView& queries,
                       std::vector<HitList>& hits) {
  const std::size_t block = std::clamp(kBlockHitsMax / job.k, std::size_t{1}, kBlockQueriesMax);
  std::uint64_t distances = 0;
  std::vector<ann::Query> prepared;
  for (std::size_t begin = 0; begin < queries.rows && !job.poller.stopped(); begin += block) {
    const std::size_t count = std::min(block, queries.rows - begin);
    prepared.clear();
    for (std::size_t i = 0; i < count; ++i) {
      prepared.push_back(prepare(job.view, queries, begin + i));
    }
    distances += scan_view(job, prepared, std::span(hits).subspan(begin, count));
  }
  return distances;
}

std::uint64_t walk_all(const SearchJob& job, const MatrixView& queries,
                       std::vector<HitList>& hits) {
  if (queries.rows == 1) return walk_view(job, prepare(job.view, queries, 0), hits.front());
  std::atomic<std::uint64_t> distances{0};
  const std::size_t tasks = (queries.rows + kQueriesPerTask - 1) / kQueriesPerTask;
  job.executor.run(tasks, [&](std::size_t task, unsigned) {
    const std::size_t begin = task * kQueriesPerTask;
    const std::size_t end = std::min(queries.rows, begin + kQueriesPerTask);
    if (!job.poller.advance(end - begin)) return;
    std::uint64_t of_task = 0;  // what threads share costs more than to add it up
    for (std::size_t i = begin; i < end; ++i) {
      of_task += walk_view(job, prepare(job.view, queries, i), hits[i]);
    }
    distances.fetch_add(of_task, std::memory_order_relaxed);
  });
  return distances.load();
}

// A walk goes by vectors that may not have been compared with their checksums yet: those that it
// found are, now. Others that are damaged may have led it astray until the background finds them.
void compare_found(const View& view, const std::vector<HitList>& hits) {
  const bool all = std::all_of(view.parts.begin(), view.parts.end(),
                               [](const PartView& part) { return part.part->compared(); });
  if (all) return;
  for (const HitList& list : hits) {
    for (const Hit& hit : list) view.parts[hit.part].part->compare_vectors(hit.row, hit.row + 1);
  }
}

}  // namespace

DefaultEf default_ef(const std::optional<SearchTuning>& tuning) noexcept {
  DefaultEf choice;
  if (!tuning.has_value()) return choice;
  choice.recall = calibration_recall(tuning->recall);
  if (tuning->queries == 0) return choice;
  choice.ef = static_cast<std::uint16_t>(tuning->ef);
  choice.k = static_cast<std::uint16_t>(tuning->k);
  return choice;
}

namespace {

// The greatest that a part asks for; `unmeasured` where one is walked that was not measured.
std::size_t asked_ef(const View& view, const DefaultEf& choice, std::size_t k,
                     std::size_t unmeasured) {
  if (choice.ef != 0) return ann::ef_for_more(choice.ef, choice.k, k);
  std::size_t ef = 0;
  for (const PartView& part : view.parts) {
    const std::size_t measured = part.part->ef_for(choice.recall, k);
    const bool walked = !is_short(part, unmeasured);
    ef = std::max(ef, measured == 0 && walked ? unmeasured : measured);
  }
  return ef == 0 ? unmeasured : ef;
}

}  // namespace

std::size_t chosen_ef(const View& view, const DefaultEf& choice, std::size_t k, bool filtered) {
  const std::size_t unmeasured = std::clamp(2 * k, kEfDefault, limits::kEfMax);
  const std::size_t ef = asked_ef(view, choice, k, unmeasured);
  if (!filtered) return ef;
  // What was measured is not of a filter's rows, which may be far from the query.
  return std::max({ef, unmeasured, asked_ef(view, DefaultEf{}, k, unmeasured)});
}

Status check_search(const IndexOptions& index, const MatrixView& queries,
                    const SearchOptions& options) {
  SPRINGG_RETURN_IF_ERROR(check_range("k", options.k, limits::kMax));
  if (options.ef.has_value()) {
    SPRINGG_RETURN_IF_ERROR(check_range("ef", *options.ef, limits::kEfMax));
  }
  if (options.rerank == std::size_t{0}) {
    return invalid_argument("rerank out of range: expected 1.." +
                            std::to_string(limits::kRerankMax) +
                            ", got 0: scores come from the stored vectors, so the k best are "
                            "always ranked on them");
  }
  if (options.rerank.has_value()) {
    SPRINGG_RETURN_IF_ERROR(check_range("rerank", *options.rerank, limits::kRerankMax));
  }
  if (options.min_score.has_value() && std::isnan(*options.min_score)) {
    return invalid_argument("min_score is nan: expected a number");
  }
  if (options.filter.mask.has_value() && options.filter.ids != nullptr) {
    return invalid_argument("filter has a mask and ids: expected one of them");
  }
  SPRINGG_RETURN_IF_ERROR(check_vectors(index, queries));
  return check_elements(index, queries);
}

Result<SearchResult> checked_search(const View& view, const IndexOptions& index,
                                    const DefaultEf& choice, const MatrixView& queries,
                                    const SearchOptions& options, ThreadPool& pool,
                                    Progress* progress) {
  SPRINGG_RETURN_IF_ERROR(check_search(index, queries, options));
  auto found = search_view(view, index, choice, queries, options, pool, progress);
  SPRINGG_RETURN_IF_ERROR(check_readable(view.parts));
  return found;
}

Result<SearchResult> search_view(const View& view, const IndexOptions& index,
                                 const DefaultEf& choice, const MatrixView& queries,
                                 const SearchOptions& options, ThreadPool& pool,
                                 Progress* progress) {
  std::vector<HitList> hits(queries.rows);
  Poller poller(progress, queries.rows);
  std::uint64_t distances = 0;
  std::optional<MatchSet> matches;
  if (options.filter.active()) {
    SPRINGG_ASSIGN_OR_RETURN(matches, matching_rows(view, options.filter));
  }
  const std::uint64_t rows = matches.has_value() ? matches->rows : view.live_rows;
  if (rows != 0 && queries.rows != 0) {
    const MatchSet* const filter = matches.has_value() ? &*matches : nullptr;
    const std::size_t ef =
        std::max(options.ef.has_value() ? *options.ef
                                        : chosen_ef(view, choice, options.k, filter != nullptr),
                 options.k);
    std::vector<PartPlan> plans;
    if (filter != nullptr && !scans(options)) {
      plans = plan_parts(
          view, *filter,
          {.k = options.k, .ef = ef, .queries = queries.rows, .walk = options.filter.walk});
    }
    // One query goes part by part on the caller's thread, and so on codes.
    const bool scan =
        scans(options) || (filter != nullptr && queries.rows > 1 && scans_alone(plans));
    const bool threads = scan ? worth_threads(rows, index, queries.rows) : queries.rows > 1;
    LimitedExecutor executor(pool, threads ? options.threads : 1);
    const SearchJob job{view,   index,  options.k,       ef, options.rerank.value_or(0), executor,
                        poller, filter, std::move(plans)};
    distances = scan ? scan_all(job, queries, hits) : walk_all(job, queries, hits);
    SPRINGG_RETURN_IF_ERROR(poller.status());
    if (!scan) compare_found(view, hits);
  }
  SearchResult result = collect_hits(view, index, options, hits);
  result.distances_computed = distances;
  return result;
}

void keep_best(HitList& hits, std::size_t k) {
  const auto nearer = [](const Hit& a, const Hit& b) {
    if (a.rank != b.rank) return a.rank < b.rank;
    if (a.part != b.part) return a.part < b.part;
    return a.row < b.row;
  };
  // A part's own come in order.
  if (hits.size() <= k && std::is_sorted(hits.begin(), hits.end(), nearer)) return;
  if (hits.size() > k) {
    std::nth_element(hits.begin(), hits.begin() + static_cast<std::ptrdiff_t>(k), hits.end(),
                     nearer);
    hits.resize(k);
  }
  std::sort(hits.begin(), hits.end(), nearer);
}

}  // namespace springg::engine
