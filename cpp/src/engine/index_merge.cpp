// SPDX-License-Identifier: MIT
// Segments into fewer segments, in the background.
#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

#include "engine/index_impl.h"
#include "engine/poller.h"

namespace springg::engine {

namespace {

// Merged rows that are worth a flush: their old files and the new segment's memory are given back.
constexpr std::uint32_t kFlushedRowsMin = 16'384;

// As if nobody were replacing any of them.
std::vector<MergeCandidate> candidates_of(const View& view) {
  std::vector<MergeCandidate> candidates;
  candidates.reserve(view.parts.size());
  for (const PartView& part : view.parts) {
    const bool segment = part.part->segment() != nullptr;
    const bool without_graph = part.rows >= kGraphRowsMin && part.covered() < part.rows;
    candidates.push_back({.rows = part.rows,
                          .live_rows = part.live_rows(),
                          .without_graph = segment && without_graph,
                          .free = segment,
                          .memtable = !segment});
  }
  return candidates;
}

}  // namespace

bool IndexImpl::is_merging(const Part* part) const {
  return std::find(merging_.begin(), merging_.end(), part) != merging_.end();
}

bool IndexImpl::bulk_between(const PartView& left, const PartView& right) const {
  return std::any_of(pending_bulks_.begin(), pending_bulks_.end(), [&](std::uint64_t sequence) {
    return left.part->sequence(0) < sequence && sequence < right.part->sequence(0);
  });
}

std::vector<MergeCandidate> IndexImpl::merge_candidates(const View& view) {
  std::vector<MergeCandidate> candidates = candidates_of(view);
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const Part* const part = view.parts[i].part.get();
    candidates[i].free = candidates[i].free && !is_merging(part) && !is_claimed(part);
    candidates[i].apart = i != 0 && bulk_between(view.parts[i - 1], view.parts[i]);
  }
  return candidates;
}

bool IndexImpl::is_settled(const View& view) const {
  for (const PartView& part : view.parts) {
    if (part.part->memtable() == nullptr) continue;
    if (part.tail_rows() >= kTailRowsMin) return false;
    const bool sealed = &part != &view.parts.back();
    if (sealed && !runtime_->read_only) return false;
  }
  if (runtime_->read_only) return true;
  const std::vector<MergeCandidate> candidates = candidates_of(view);
  const bool spread = runtime_->tuning.rest_ms != 0 && is_spread(candidates, rest_rows_min());
  return !spread && !pick_merge(candidates).has_value();
}

std::optional<MergeRange> IndexImpl::next_merge() {
  if (!merging_.empty()) return std::nullopt;
  const std::vector<MergeCandidate> candidates = merge_candidates(*newest());
  // While memtables cannot become segments the segments go on without them.
  if (at_rest_ && !conversions_.failing() && is_spread(candidates, rest_rows_min())) {
    return pick_merge_at_rest(candidates, rest_rows_min());
  }
  return pick_merge(candidates);
}

bool IndexImpl::merge_due() { return merges_.due() && next_merge().has_value(); }

std::vector<PartView> IndexImpl::claim_merge() {
  std::vector<PartView> sources;
  // Nor while somebody waits to hold every part.
  if (merge_unwanted_.load() || claims_paused_) return sources;
  const std::shared_ptr<const View> view = newest();
  const auto range = next_merge();
  if (!range.has_value()) return sources;
  // All or none are entered: a part that nobody merges would be waited for.
  sources.reserve(range->end - range->begin);
  merging_.reserve(range->end - range->begin);
  for (std::size_t i = range->begin; i < range->end; ++i) {
    sources.push_back(view->parts[i]);
    merging_.push_back(view->parts[i].part.get());
  }
  return sources;
}

Status IndexImpl::merge(const std::vector<PartView>& sources, base::Executor& executor,
                        Progress& stop) {
  StopEither either(stop, merge_unwanted_);
  auto made = guarded([&] { return compact(sources, options_, place(), executor, &either); });
  // Somebody needs the parts for himself, or the database closes; it is tried again later.
  const bool stopped = !made.ok() && !either.update(0, 0);
  {
    base::MutexLock lock(write_mutex_);
    merging_.clear();
    claims_changed_.notify_all();
    if (made.ok()) replace_parts(sources, *made);
    if (!stopped) merges_.note(!made.ok());
  }
  if (stopped) return {};
  if (!made.ok()) return made.take_status();
  if (made->part != nullptr && made->part->storage()->rows() >= kFlushedRowsMin) {
    home_.want_flush();
  }
  return {};
}

void IndexImpl::wake_merger() noexcept try {
  if (!merge_due() || merger_awake_.exchange(true)) return;
  const std::shared_ptr<BackgroundTask> task(shared_from_this(), &merger_);
  if (!runtime_->keeper.add(task)) merger_awake_.store(false);
} catch (const std::bad_alloc&) {
  // Without memory to look for it now: the next write asks again.
}

bool IndexImpl::Merger::background_step(Progress& stop) {
  index_.merger_awake_.store(false);
  auto more = guarded([&]() -> Result<bool> {
    base::InlineExecutor executor;
    return index_.merge_step(executor, stop);
  });
  if (!stop.update(0, 0)) return false;
  if (!more.ok()) {
    index_.keep_error(more.take_status());
    return false;
  }
  if (*more) index_.merger_awake_.store(true);
  return *more;
}

Result<bool> IndexImpl::merge_step(base::Executor& executor, Progress& stop) {
  std::vector<PartView> sources;
  {
    base::MutexLock lock(write_mutex_);
    sources = claim_merge();
  }
  if (sources.empty()) return false;
  SPRINGG_RETURN_IF_ERROR(merge(sources, executor, stop));
  return true;
}

void IndexImpl::note_change() noexcept try {
  if (runtime_->tuning.rest_ms == 0 || runtime_->read_only) return;
  at_rest_ = false;
  last_change_ = BackgroundWorker::Clock::now();
  if (!rest_awaited_ && is_spread(candidates_of(*newest()), rest_rows_min())) {
    await_rest(last_change_ + rest_time());
  }
} catch (const std::bad_alloc&) {
  // Without memory to look at the parts: the next change does.
}

void IndexImpl::await_rest(BackgroundWorker::Clock::time_point when) noexcept {
  const std::shared_ptr<BackgroundTask> task(shared_from_this(), &rester_);
  rest_awaited_ = runtime_->keeper.add(task, when);
}

bool IndexImpl::Rester::background_step(Progress& stop) {
  if (stop.update(0, 0)) index_.look_for_rest();
  return false;
}

void IndexImpl::look_for_rest() noexcept try {
  base::MutexLock lock(write_mutex_);
  rest_awaited_ = false;
  if (dropped_.load() || !is_spread(candidates_of(*newest()), rest_rows_min())) return;
  const auto now = BackgroundWorker::Clock::now();
  if (now < last_change_ + rest_time()) {
    await_rest(last_change_ + rest_time());
    return;
  }
  at_rest_ = true;
  active_ = nullptr;
  wake_builder();  // and the merger
  // Others may hold the parts now, and a merge may fail.
  await_rest(now + rest_time());
} catch (const std::bad_alloc&) {
  // Without memory to look at the parts: the next change does.
}

void IndexImpl::stop_merging() {
  merge_unwanted_.store(true);
  while (!merging_.empty()) claims_changed_.wait(write_mutex_);
  merge_unwanted_.store(false);
}

}  // namespace springg::engine
