// SPDX-License-Identifier: MIT
// Which ef gives a recall: by what segments were measured to need, or measured with queries.
#pragma once

#include <cstddef>
#include <optional>

#include "base/function_ref.h"
#include "engine/thread_pool.h"
#include "engine/view.h"
#include "springg/index.h"

namespace springg::engine {

// recall, k, and queries as a search has them. `queries` may be null.
Status check_tuning(const IndexOptions& index, const MatrixView* queries,
                    std::optional<double> recall, std::size_t k);

// What the segments' calibrations come to. met() when each part that would be walked has a
// calibration of the recall; a view whose rows are all scanned reaches 1.
SearchTuning tuning_by_calibration(const View& view, double recall, std::size_t k);

// Of a calibration, without the digits that float32 adds to a share of some hundred hits.
double rounded_recall(float recall) noexcept;

// The least ef with which these queries find what exact searches find. Errors are those of a
// search.
Result<SearchTuning> measure_tuning(const View& view, const IndexOptions& index,
                                    const MatrixView& queries, double recall, std::size_t k,
                                    ThreadPool& pool, Progress* progress);

struct ChosenEf {
  std::size_t ef = 0;
  double reached = 0;
};
// The least ef, k..kEfMax, whose recall is the one asked for, to a 32nd, if recall grows with ef;
// when none of those tried has it, the least of those that have most.
Result<ChosenEf> choose_ef(double recall, std::size_t k,
                           base::FunctionRef<Result<double>(std::size_t ef)> recall_of);

}  // namespace springg::engine
