// SPDX-License-Identifier: MIT
// What searches do that name no ef.
#include <algorithm>

#include "engine/index_impl.h"
#include "engine/search_tuning.h"

namespace springg::engine {

Result<SearchTuning> IndexImpl::tune(const MatrixView* queries, std::optional<double> recall,
                                     std::size_t k, Progress* progress) {
  return locking_call(*runtime_, [&]() -> Result<SearchTuning> {
    SPRINGG_RETURN_IF_ERROR(check_not_dropped());
    SPRINGG_RETURN_IF_ERROR(refusal_);
    SPRINGG_RETURN_IF_ERROR(check_tuning(options_, queries, recall, k));
    const std::shared_ptr<const View> view = current();
    // Rows that are scanned now would be walked later, and found less.
    if (queries != nullptr) SPRINGG_RETURN_IF_ERROR(cover(*view, progress));
    SearchTuning chosen = tuning_by_calibration(*view, recall.value_or(kRecallDefault), k);
    // What is scanned needs no measuring now, and says nothing of what is to come.
    const bool walked = std::any_of(view->parts.begin(), view->parts.end(),
                                    [&](const PartView& part) { return part.covered() != 0; });
    if (queries != nullptr && walked) {
      SPRINGG_ASSIGN_OR_RETURN(
          chosen, measure_tuning(*view, options_, *queries, *recall, k, runtime_->pool, progress));
    }
    SPRINGG_RETURN_IF_ERROR(
        home_.publish_tuning(*this, recall.has_value() ? std::optional(chosen) : std::nullopt));
    return chosen;
  });
}

std::optional<SearchTuning> IndexImpl::tuning() const {
  base::MutexLock lock(tuning_mutex_);
  return tuning_;
}

void IndexImpl::show_tuning(const std::optional<SearchTuning>& tuning) noexcept {
  base::MutexLock lock(tuning_mutex_);
  tuning_ = tuning;
  default_ef_.store(default_ef(tuning));
}

}  // namespace springg::engine
