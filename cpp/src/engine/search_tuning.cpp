// SPDX-License-Identifier: MIT
#include "engine/search_tuning.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "ann/calibration.h"
#include "engine/search.h"
#include "engine/vector_codec.h"

namespace springg::engine {

namespace {

constexpr std::size_t kRowsAsked = 128;  // where there are no queries
constexpr std::size_t kSteps = 32;

// Live rows, evenly spread, as queries that are not to find themselves.
struct RowQueries {
  std::vector<float> floats;
  std::vector<std::byte> bytes;
  IdColumn ids;

  RowQueries(const View& view, const IndexOptions& index) {
    const VectorCodec codec(index);
    const std::uint64_t asked = std::min<std::uint64_t>(kRowsAsked, view.live_rows);
    std::uint64_t live = 0;  // before the row
    for (const PartView& part : view.parts) {
      const base::RowBits deleted = part.deleted();
      for (std::uint32_t row = 0; row < part.rows && ids.size() < asked; ++row) {
        if (deleted.test(row)) continue;
        if (live++ != ids.size() * view.live_rows / asked) continue;
        part.part->compare_vectors(row, row + 1);
        codec.append(part.part->space().vectors.row(row), floats, bytes);
        ids.append(part.part->id(row));
      }
    }
  }

  MatrixView view(const IndexOptions& index) const {
    MatrixView matrix;
    matrix.rows = ids.size();
    matrix.dimensions = index.dimensions;
    if (bytes.empty()) {
      matrix.data = floats.data();
      matrix.row_stride = index.dimensions;
    } else {
      matrix.type = index.dtype;
      matrix.bytes = bytes.data();
      matrix.row_stride = vector_bytes(index.dtype, index.dimensions);
    }
    return matrix;
  }
};

// Searches of one view by the same queries, compared with exact ones.
class Measurement {
 public:
  // `own`: the ids of the queries when these are rows; else null.
  Measurement(const View& view, const IndexOptions& index, const MatrixView& queries,
              const IdColumn* own, std::size_t k, ThreadPool& pool, Progress* progress)
      : view_(view),
        index_(index),
        queries_(queries),
        own_(own),
        k_(k),
        pool_(pool),
        progress_(progress) {
    options_.include = {.metadata = false, .vectors = false};
    options_.k = own == nullptr ? k : std::min(k + 1, limits::kGraphSearchKMax);
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

  // The k best of each query, without itself.
  template <class Visit>
  void for_each_hit(const SearchResult& result, Visit visit) const {
    std::size_t first = 0;
    for (std::size_t query = 0; query < result.queries; ++query) {
      std::size_t seen = 0;
      for (std::size_t i = 0; i < result.counts[query] && seen < k_; ++i) {
        if (own_ != nullptr && result.ids[first + i] == (*own_)[query]) continue;
        ++seen;
        visit(query, result.distances[query * result.k + i]);
      }
      first += result.counts[query];
    }
  }

  const View& view_;
  const IndexOptions& index_;
  const MatrixView queries_;
  const IdColumn* const own_;
  const std::size_t k_;
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
    return invalid_argument("recall out of range: expected above 0 and at most 1, got " +
                            std::to_string(*recall));
  }
  if (queries == nullptr) return {};
  if (!recall.has_value()) {
    return invalid_argument("queries without a recall: expected what they are to reach, got none");
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
                                    const MatrixView* queries, double recall, std::size_t k,
                                    ThreadPool& pool, Progress* progress) {
  std::optional<RowQueries> rows;
  if (queries == nullptr) rows.emplace(view, index);
  const MatrixView asked = rows.has_value() ? rows->view(index) : *queries;
  Measurement measurement(view, index, asked, rows.has_value() ? &rows->ids : nullptr, k, pool,
                          progress);
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
  tuning.queries = asked.rows;
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
