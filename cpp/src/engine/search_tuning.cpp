// SPDX-License-Identifier: MIT
#include "engine/search_tuning.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "ann/calibration.h"
#include "engine/search.h"

namespace springg::engine {

namespace {

constexpr std::size_t kSteps = 32;

std::string shortest(double value) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), end.ptr};
}

// Searches of one view by the same queries, compared with exact ones.
class Measurement {
 public:
  Measurement(const View& view, const IndexOptions& index, const MatrixView& queries, std::size_t k,
              ThreadPool& pool, Progress* progress)
      : view_(view), index_(index), queries_(queries), pool_(pool), progress_(progress) {
    options_.include = {.metadata = false, .vectors = false};
    options_.k = k;
  }

  Status find_exactly() {
    SearchOptions exact = options_;
    exact.exact = true;
    SPRINGG_ASSIGN_OR_RETURN(const SearchResult truth, search(exact));
    farthest_.assign(queries_.rows, 0);
    for_each_hit(truth, [&](std::size_t query, float distance) {
      farthest_[query] = distance;  // they ascend
      ++wanted_;
    });
    return {};
  }

  Result<double> recall(std::size_t ef) const {
    SearchOptions walked = options_;
    walked.ef = ef;
    SPRINGG_ASSIGN_OR_RETURN(const SearchResult found, search(walked));
    std::uint64_t hits = 0;
    for_each_hit(found, [&](std::size_t query, float distance) {
      hits += distance <= farthest_[query] ? 1U : 0U;
    });
    return wanted_ == 0 ? 1.0 : static_cast<double>(hits) / static_cast<double>(wanted_);
  }

 private:
  Result<SearchResult> search(const SearchOptions& options) const {
    return search_view(view_, index_, {}, queries_, options, pool_, progress_);
  }

  template <class Visit>
  static void for_each_hit(const SearchResult& result, Visit visit) {
    for (std::size_t query = 0; query < result.queries; ++query) {
      for (std::size_t i = 0; i < result.counts[query]; ++i) {
        visit(query, result.distances[query * result.k + i]);
      }
    }
  }

  const View& view_;
  const IndexOptions& index_;
  const MatrixView queries_;
  ThreadPool& pool_;
  Progress* const progress_;
  SearchOptions options_;
  std::vector<float> farthest_;  // distance of the last hit that counts, by query
  std::uint64_t wanted_ = 0;
};

}  // namespace

Status check_tuning(const IndexOptions& index, const MatrixView* queries,
                    std::optional<double> recall, std::size_t k) {
  if (k < 1 || k > limits::kGraphSearchKMax) {
    return invalid_argument("k out of range: expected 1.." +
                            std::to_string(limits::kGraphSearchKMax) + ", got " +
                            std::to_string(k));
  }
  if (recall.has_value() && !(*recall > 0 && *recall <= 1)) {
    return invalid_argument("recall out of range: expected a share, above 0 and at most 1, got " +
                            shortest(*recall));
  }
  if (queries == nullptr) return {};
  if (!recall.has_value()) {
    return invalid_argument(
        "recall is none, which goes back to the default: expected no queries, got " +
        std::to_string(queries->rows));
  }
  if (queries->rows == 0) {
    return invalid_argument("number of queries out of range: expected at least 1, got 0");
  }
  SearchOptions options;
  options.k = k;
  return check_search(index, *queries, options);
}

double rounded_recall(float recall) noexcept { return std::round(double{recall} * 1e6) / 1e6; }

SearchTuning tuning_by_calibration(const View& view, double recall, std::size_t k) {
  SearchTuning tuning;
  tuning.recall = recall;
  tuning.k = k;
  const DefaultEf choice = default_ef(tuning);
  tuning.ef = std::max(chosen_ef(view, choice, k, false), k);
  double reached = 1;
  for (const PartView& part : view.parts) {
    if (is_short(part, tuning.ef)) continue;
    const float measured =
        k == ann::Calibration::kNeighbors ? part.part->measured_recall(choice.recall) : 0;
    if (measured == 0) return tuning;
    reached = std::min(reached, rounded_recall(measured));
  }
  tuning.reached = reached;
  return tuning;
}

Result<SearchTuning> measure_tuning(const View& view, const IndexOptions& index,
                                    const MatrixView& queries, double recall, std::size_t k,
                                    ThreadPool& pool, Progress* progress) {
  Measurement measurement(view, index, queries, k, pool, progress);
  SPRINGG_RETURN_IF_ERROR(measurement.find_exactly());
  SPRINGG_ASSIGN_OR_RETURN(const ChosenEf chosen, choose_ef(recall, k, [&](std::size_t ef) {
                             return measurement.recall(ef);
                           }));
  SPRINGG_RETURN_IF_ERROR(check_readable(view.parts));
  SearchTuning tuning;
  tuning.recall = recall;
  tuning.reached = chosen.reached;
  tuning.ef = chosen.ef;
  tuning.k = k;
  tuning.queries = queries.rows;
  return tuning;
}

Result<ChosenEf> choose_ef(double recall, std::size_t k,
                           base::FunctionRef<Result<double>(std::size_t ef)> recall_of) {
  ChosenEf best;              // that does, or has the most
  std::size_t below = k - 1;  // the greatest that is known, or cannot be tried, to do too little
  for (std::size_t ef = k;; ef = std::min(2 * ef, limits::kEfMax)) {
    SPRINGG_ASSIGN_OR_RETURN(const double reached, recall_of(ef));
    if (best.ef == 0 || reached > best.reached) best = {ef, reached};
    if (best.reached >= recall) break;
    if (ef == limits::kEfMax) return best;
    below = ef;
  }
  while (best.ef - below > std::max<std::size_t>(best.ef / kSteps, 1)) {
    const std::size_t ef = below + (best.ef - below) / 2;
    SPRINGG_ASSIGN_OR_RETURN(const double reached, recall_of(ef));
    if (reached >= recall) {
      best = {ef, reached};
    } else {
      below = ef;
    }
  }
  return best;
}

}  // namespace springg::engine
