// SPDX-License-Identifier: MIT
// All parts into one, and all memtables into segments for a flush.
#include <algorithm>
#include <utility>

#include "engine/index_impl.h"
#include "engine/poller.h"

namespace springg::engine {

namespace {

constexpr std::chrono::milliseconds kWait{50};

bool is_optimal(const std::vector<PartView>& parts) {
  if (parts.empty()) return true;
  const PartView& part = parts.front();
  const bool clean = part.overlay == nullptr ||
                     (part.overlay->deleted_rows() == 0 && !part.overlay->has_patches());
  return parts.size() == 1 && part.part->segment() != nullptr && clean &&
         (part.rows < kGraphRowsMin || part.covered() == part.rows);
}

// Parts at the end of a view that a flush makes one segment of: the memtable, and small segments
// before it as long as they are no larger than what comes after them. So flushes of a few rows each
// leave a logarithmic number of segments, and each row is copied as often. Most of their rows are
// inserted into a graph again, hence the bound. Returns the number of the first of them; the end
// when the memtable would be merged with nothing.
constexpr std::uint64_t kMergedRowsMax = 4096;

std::size_t first_to_merge(const std::vector<PartView>& parts) {
  if (parts.empty() || parts.back().part->memtable() == nullptr) return parts.size();
  std::uint64_t rows = 0;
  std::size_t first = parts.size();
  while (first > 0) {
    const std::uint64_t live = parts[first - 1].live_rows();
    const bool last = first == parts.size();
    if (rows + live > kMergedRowsMax || (!last && live > rows)) break;
    rows += live;
    --first;
  }
  return parts.size() - first > 1 ? first : parts.size();
}

}  // namespace

Result<std::vector<PartView>> IndexImpl::seal_and_hold(Progress* progress) {
  Poller poller(progress, 0);
  claims_paused_ = true;
  while (!claimed_.empty() && poller.advance(0)) claims_changed_.wait_for(write_mutex_, kWait);
  claims_paused_ = false;
  SPRINGG_RETURN_IF_ERROR(poller.status());
  // All or none are held.
  std::vector<PartView> parts = newest()->parts;
  held_.reserve(parts.size());
  active_ = nullptr;
  for (const PartView& part : parts) held_.push_back(part.part.get());
  return parts;
}

Result<std::vector<PartView>> IndexImpl::claim_everything(Progress* progress) {
  base::MutexLock lock(write_mutex_);
  SPRINGG_RETURN_IF_ERROR(check_writable());
  stop_merging();
  SPRINGG_ASSIGN_OR_RETURN(std::vector<PartView> parts, seal_and_hold(progress));
  // What comes behind the rows of a bulk call that is running stays outside, as they do.
  for (std::size_t i = 1; i < parts.size(); ++i) {
    if (bulk_between(parts[i - 1], parts[i])) {
      parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(i), parts.end());
    }
  }
  if (!is_optimal(parts)) return parts;
  held_.clear();
  return std::vector<PartView>{};
}

Status IndexImpl::optimize(Progress* progress) {
  return locking_call(*runtime_, [&]() -> Status {
    SPRINGG_RETURN_IF_ERROR(check_not_dropped());
    base::MutexLock jobs(jobs_mutex_);
    SPRINGG_ASSIGN_OR_RETURN(const std::vector<PartView> sources, claim_everything(progress));
    if (sources.empty()) return {};
    auto made =
        guarded([&] { return compact(sources, options_, place(), runtime_->pool, progress); });
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

// What is flushed is the state at one moment, the changes of that moment included and none of the
// later ones: an upsert after it, half of which were on disk, would lose a row that was there.
// Hence the parts are held: nobody else may make segments of them in a later state.
Result<FrozenIndex> IndexImpl::freeze(FlushAim aim, base::Executor& executor, Progress* progress) {
  std::vector<PartView> parts;
  std::size_t alone = 0;
  FrozenIndex frozen;
  {
    base::MutexLock lock(write_mutex_);
    // rewrite_held() passes over what is being merged, and it would go to the disk with its deleted
    // rows. So that merge is given up, and all threads do it here.
    if (aim == FlushAim::kRowsAndSpace && is_rewriting()) stop_merging();
    SPRINGG_ASSIGN_OR_RETURN(parts, seal_and_hold(progress));
    // Now: a bulk call or a merge that ends later would no longer be seen to stand between parts.
    alone = first_free_to_merge(parts, first_to_merge(parts));
    frozen.log_ref = log_ref_.load();
    if (runtime_->log != nullptr) frozen.lsn = runtime_->log->last_lsn();
    frozen.next_sequence = next_sequence_;
  }
  Status status = guarded([&]() -> Status {
    SPRINGG_RETURN_IF_ERROR(convert_held(parts, alone, executor, progress));
    return aim == FlushAim::kRowsAndSpace ? rewrite_held(parts, executor, progress) : Status();
  });
  base::MutexLock lock(write_mutex_);
  held_.clear();
  wake_builder();  // after an error the sealed memtables wait for it again
  if (!status.ok()) return status;
  frozen.view = make_view(std::move(parts), frozen.next_sequence - 1);
  return frozen;
}

bool IndexImpl::is_rewriting() {
  std::uint64_t rows = 0;
  std::uint64_t live = 0;
  for (const PartView& part : newest()->parts) {
    if (!is_merging(part.part.get())) continue;
    rows += part.rows;
    live += part.live_rows();
  }
  return needs_rewriting({rows, live, false, true});
}

Status IndexImpl::rewrite_held(std::vector<PartView>& parts, base::Executor& executor,
                               Progress* progress) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool untidy = needs_rewriting({parts[i].rows, parts[i].live_rows(), false, true});
    if (parts[i].part->segment() == nullptr || !untidy) continue;
    {
      base::MutexLock lock(write_mutex_);
      if (is_merging(parts[i].part.get())) continue;
    }
    SPRINGG_ASSIGN_OR_RETURN(PartView tidy, replace_held({parts[i]}, executor, progress));
    parts[i] = std::move(tidy);
  }
  return {};
}

// Not parts that a merge from before they were held will put its own in the place of: their rows
// would be in two parts. Nor parts on both sides of the rows of a bulk call that is running.
std::size_t IndexImpl::first_free_to_merge(const std::vector<PartView>& parts,
                                           std::size_t first) const {
  for (std::size_t i = parts.size(); i-- > first;) {
    if (is_merging(parts[i].part.get())) {
      first = i + 1;
    } else if (i > first && bulk_between(parts[i - 1], parts[i])) {
      first = i;
    }
  }
  return parts.size() - first > 1 ? first : parts.size();
}

Status IndexImpl::convert_held(std::vector<PartView>& parts, std::size_t alone,
                               base::Executor& executor, Progress* progress) {
  for (std::size_t i = 0; i < alone; ++i) {
    if (parts[i].part->memtable() == nullptr) continue;
    SPRINGG_ASSIGN_OR_RETURN(parts[i], replace_held({parts[i]}, executor, progress));
  }
  if (alone == parts.size()) return {};
  const auto first = parts.begin() + static_cast<std::ptrdiff_t>(alone);
  SPRINGG_ASSIGN_OR_RETURN(PartView merged, replace_held({first, parts.end()}, executor, progress));
  parts.erase(first, parts.end());
  parts.push_back(std::move(merged));
  return {};
}

Result<PartView> IndexImpl::replace_held(const std::vector<PartView>& sources,
                                         base::Executor& executor, Progress* progress) {
  const bool memtable = sources.size() == 1 && sources.front().part->memtable() != nullptr;
  SPRINGG_ASSIGN_OR_RETURN(
      const Compacted made,
      memtable ? compact_memtable(sources.front(), options_, place(), executor, progress)
               : compact(sources, options_, place(), executor, progress));
  base::MutexLock lock(write_mutex_);
  replace_parts(sources, made);
  // Not in the view when the last of its rows was deleted meanwhile: the flush that holds the
  // sources names it all the same.
  if (made.file != nullptr) made.file->keep(runtime_->log->last_lsn());
  // They may be freed from here on: held_ must not name what gets their addresses.
  for (const PartView& source : sources) std::erase(held_, source.part.get());
  // A part of a view has a live row, so something was made.
  return PartView{made.part, made.part->storage()->rows(), carry_over(sources, sources, made)};
}

void IndexImpl::replace_with_mapped(const Part* before, const std::shared_ptr<Part>& mapped) {
  base::MutexLock lock(write_mutex_);
  const std::shared_ptr<const View> view = newest();
  std::vector<PartView> parts = view->parts;
  for (PartView& part : parts) {
    if (part.part.get() == before) part.part = mapped;
  }
  // A running optimize() or merge reads the part that goes; by its pointer it finds what became of
  // its rows, and takes its place.
  if (std::find(held_.begin(), held_.end(), before) != held_.end() || is_merging(before)) return;
  stage(make_view(std::move(parts), view->last_sequence));
}

}  // namespace springg::engine
