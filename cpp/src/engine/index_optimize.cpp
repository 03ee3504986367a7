// SPDX-License-Identifier: MIT
// All parts into one, and all memtables into segments for a flush.
#include <algorithm>
#include <utility>

#include "engine/index_impl.h"
#include "engine/poller.h"

namespace springg::engine {

namespace {

constexpr std::chrono::milliseconds kWait{50};

bool is_optimal(const View& view) {
  if (view.parts.empty()) return true;
  const PartView& part = view.parts.front();
  const bool clean = part.overlay == nullptr ||
                     (part.overlay->deleted_rows() == 0 && !part.overlay->has_patches());
  return view.parts.size() == 1 && part.part->segment() != nullptr && clean &&
         (part.rows < kGraphRowsMin || part.covered() == part.rows);
}

// Parts at the end of a view that a flush makes one segment of: the memtable, and small segments
// before it as long as they are no larger than what comes after them. So flushes of a few rows each
// leave a logarithmic number of segments, and each row is copied as often. Their graph is built
// anew while writers wait, hence the bound.
constexpr std::uint64_t kMergedRowsMax = 4096;

std::vector<PartView> parts_to_merge(const View& view) {
  std::uint64_t rows = 0;
  std::size_t first = view.parts.size();
  while (first > 0) {
    const std::uint64_t live = view.parts[first - 1].live_rows();
    const bool last = first == view.parts.size();
    if (rows + live > kMergedRowsMax || (!last && live > rows)) break;
    rows += live;
    --first;
  }
  return {view.parts.begin() + static_cast<std::ptrdiff_t>(first), view.parts.end()};
}

}  // namespace

Result<std::vector<PartView>> IndexImpl::claim_everything(Progress* progress) {
  Poller poller(progress, 0);
  base::MutexLock lock(write_mutex_);
  SPRINGG_RETURN_IF_ERROR(check_writable());
  claims_paused_ = true;
  while (!claimed_.empty() && poller.advance(0)) claims_changed_.wait_for(write_mutex_, kWait);
  claims_paused_ = false;
  SPRINGG_RETURN_IF_ERROR(poller.status());
  active_ = nullptr;
  const std::shared_ptr<const View> view = current();
  if (is_optimal(*view)) return std::vector<PartView>{};
  for (const PartView& part : view->parts) held_.push_back(part.part.get());
  return view->parts;
}

Status IndexImpl::optimize(Progress* progress) {
  return call(*runtime_, [&]() -> Status {
    SPRINGG_RETURN_IF_ERROR(check_not_dropped());
    base::MutexLock jobs(jobs_mutex_);
    SPRINGG_ASSIGN_OR_RETURN(const std::vector<PartView> sources, claim_everything(progress));
    if (sources.empty()) return {};
    auto made = guarded(
        [&] { return compact(sources, options_, runtime_->budget, runtime_->pool, progress); });
    base::MutexLock lock(write_mutex_);
    held_.clear();
    if (!made.ok()) {
      wake_builder();  // the sealed memtables among them wait for it again
      return made.take_status();
    }
    replace_parts(sources, *made);
    return {};
  });
}

Status IndexImpl::convert_all_sealed() {
  for (;;) {
    std::optional<PartView> sealed;
    {
      base::MutexLock lock(write_mutex_);
      sealed = claim_sealed();
      if (!sealed.has_value() && claimed_.empty()) return {};
      if (!sealed.has_value()) claims_changed_.wait_for(write_mutex_, kWait);
    }
    if (!sealed.has_value()) continue;
    SPRINGG_RETURN_IF_ERROR(convert_claimed(*sealed, runtime_->pool, nullptr));
  }
}

Result<FrozenIndex> IndexImpl::freeze() {
  SPRINGG_RETURN_IF_ERROR(convert_all_sealed());
  // Most of the last memtable's graph is built while writers still run.
  const std::shared_ptr<const View> view = current();
  if (!view->parts.empty() && view->parts.back().part->memtable() != nullptr &&
      view->parts.back().rows >= kGraphRowsMin) {
    SPRINGG_RETURN_IF_ERROR(view->parts.back().part->memtable()->extend_graph(
        view->parts.back().rows, runtime_->pool, nullptr, false));
  }
  base::MutexLock lock(write_mutex_);
  while (!claimed_.empty()) claims_changed_.wait_for(write_mutex_, kWait);
  active_ = nullptr;
  SPRINGG_RETURN_IF_ERROR(convert_under_lock(*current()));
  return FrozenIndex{current(), incarnation_.load(), next_sequence_};
}

Status IndexImpl::convert_under_lock(const View& view) {
  if (view.parts.empty()) return {};
  std::vector<PartView> merged;
  if (view.parts.back().part->memtable() != nullptr) merged = parts_to_merge(view);
  const std::size_t alone = view.parts.size() - (merged.size() > 1 ? merged.size() : 0);
  for (std::size_t i = 0; i < alone; ++i) {
    if (view.parts[i].part->memtable() == nullptr) continue;
    SPRINGG_ASSIGN_OR_RETURN(
        const Compacted made,
        compact_memtable(view.parts[i], options_, runtime_->budget, runtime_->pool, nullptr));
    replace_parts({view.parts[i]}, made);
  }
  if (merged.size() <= 1) return {};
  SPRINGG_ASSIGN_OR_RETURN(const Compacted made,
                           compact(merged, options_, runtime_->budget, runtime_->pool, nullptr));
  replace_parts(merged, made);
  return {};
}

void IndexImpl::replace_with_mapped(const Part* before, const std::shared_ptr<Part>& mapped) {
  base::MutexLock lock(write_mutex_);
  const std::shared_ptr<const View> view = current();
  std::vector<PartView> parts = view->parts;
  for (PartView& part : parts) {
    if (part.part.get() == before) part.part = mapped;
  }
  // A running optimize() reads the part that goes; it is told by its pointer what becomes of it.
  if (std::find(held_.begin(), held_.end(), before) != held_.end()) return;
  publish(make_view(std::move(parts), view->last_sequence));
}

}  // namespace springg::engine
