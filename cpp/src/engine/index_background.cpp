// SPDX-License-Identifier: MIT
// Graphs that follow the rows, and sealed memtables that become segments: in the background, and by
// writers that outrun it.
#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "engine/index_impl.h"
#include "engine/poller.h"

namespace springg::engine {

namespace {

// Rows of one step: about 100 ms of one thread, so that others get their turn.
constexpr std::uint32_t kStepRows = 512;
// The same for a caller that works with all threads.
constexpr std::uint32_t kHelpedStepRows = 2048;
// A writer that comes upon a long tail takes in twice what it brings, at least this: the tail gets
// shorter with every call, and a small call never pays for all of a large one before it.
constexpr std::size_t kHelpedRowsMin = 512;
// Sealed memtables that may wait before a writer has to make segments itself.
constexpr std::size_t kSealedMax = 2;
constexpr std::chrono::milliseconds kWait{50};
// So many deleted rows of segments may wait for a merge, plus the live rows divided by
// kDeletedLivePart. Beyond that a writer waits for each row that it brings: 1 ms when there are
// twice as many, more or less in proportion.
constexpr std::uint64_t kDeletedRowsFree = limits::kMemtableRowsMax / 4;
constexpr std::uint64_t kDeletedLivePart = 4;
constexpr double kRowWaitUsMax = 2000;

// The memtable at the end of a view, which may be growing; null when there is none.
const PartView* growing_part(const View& view) {
  if (view.parts.empty() || view.parts.back().part->memtable() == nullptr) return nullptr;
  return &view.parts.back();
}

// Who reads another's directory makes no segments: a sealed memtable too is searched until the
// writer has made one of it.
const PartView* tailed_part(const View& view, bool sealed_too) {
  if (!sealed_too) {
    const PartView* growing = growing_part(view);
    return growing != nullptr && growing->tail_rows() >= kTailRowsMin ? growing : nullptr;
  }
  for (const PartView& part : view.parts) {
    if (part.part->memtable() != nullptr && part.tail_rows() >= kTailRowsMin) return &part;
  }
  return nullptr;
}

}  // namespace

bool IndexImpl::is_claimed(const Part* part) const {
  return std::find(claimed_.begin(), claimed_.end(), part) != claimed_.end() ||
         std::find(held_.begin(), held_.end(), part) != held_.end();
}

std::optional<PartView> IndexImpl::claim_sealed() {
  if (claims_paused_) return std::nullopt;
  for (const PartView& part : newest()->parts) {
    if (part.part->memtable() == nullptr || part.part == active_ || is_claimed(part.part.get())) {
      continue;
    }
    claimed_.push_back(part.part.get());
    return part;
  }
  return std::nullopt;
}

std::size_t IndexImpl::sealed_waiting() {
  std::size_t waiting = 0;
  for (const PartView& part : newest()->parts) {
    const bool held = std::find(held_.begin(), held_.end(), part.part.get()) != held_.end();
    if (part.part->memtable() != nullptr && part.part != active_ && !held) ++waiting;
  }
  return waiting;
}

void IndexImpl::release_claim(const Part* part) {
  std::erase(claimed_, part);
  claims_changed_.notify_all();
}

Status IndexImpl::convert_claimed(const PartView& source, base::Executor& executor,
                                  Progress* progress) {
  auto made =
      guarded([&] { return compact_memtable(source, options_, place(), executor, progress); });
  base::MutexLock lock(write_mutex_);
  release_claim(source.part.get());
  if (!made.ok()) return made.take_status();
  replace_parts({source}, *made);
  wake_merger();
  return {};
}

void IndexImpl::replace_parts(const std::vector<PartView>& sources, const Compacted& made) {
  const std::shared_ptr<const View> before = newest();
  const auto is_source = [&](const PartView& part) {
    return std::any_of(sources.begin(), sources.end(),
                       [&](const PartView& source) { return source.part == part.part; });
  };
  std::vector<PartView> parts;
  bool placed = false;
  for (const PartView& part : before->parts) {
    if (!is_source(part)) {
      parts.push_back(part);
    } else if (!placed && made.part != nullptr) {
      parts.push_back(
          {made.part, made.part->storage()->rows(), carry_over(sources, before->parts, made)});
      placed = true;
    }
  }
  // Nothing in its place: the index was cleared or dropped, or every row was deleted meanwhile.
  if (!placed) return;
  stage(make_view(std::move(parts), before->last_sequence));
  if (made.file != nullptr) made.file->keep(runtime_->log->last_lsn());
}

void IndexImpl::wake_builder() noexcept {
  const std::shared_ptr<const View> view = newest();
  bool work = tailed_part(*view, runtime_->read_only) != nullptr;
  if (!runtime_->read_only) {
    // A memtable that is not the active one is sealed, whatever its place.
    for (const PartView& part : view->parts) {
      work = work || (part.part->memtable() != nullptr && part.part != active_);
    }
  }
  // Without memory or a thread for it now: the next write asks again.
  if (work && !builder_awake_.exchange(true) && !runtime_->builder.add(weak_from_this())) {
    builder_awake_.store(false);
  }
  if (!runtime_->read_only) wake_merger();
}

bool IndexImpl::background_step(Progress& stop) {
  // Before looking for work: a writer that adds some from here on wakes the builder again.
  builder_awake_.store(false);
  // All of it guarded: what left here would end the thread, and with it the process.
  auto more = guarded([&]() -> Result<bool> {
    base::InlineExecutor executor;
    std::optional<PartView> sealed;
    if (!runtime_->read_only) {
      base::MutexLock lock(write_mutex_);
      if (conversions_.due()) sealed = claim_sealed();
    }
    if (sealed.has_value()) {
      Status status = convert_claimed(*sealed, executor, &stop);
      base::MutexLock lock(write_mutex_);
      if (stop.update(0, 0)) conversions_.note(!status.ok());
      SPRINGG_RETURN_IF_ERROR(std::move(status));
      return true;
    }
    return extend_active(executor, stop);
  });
  if (!stop.update(0, 0)) return false;
  if (!more.ok()) {
    keep_error(more.take_status());
    return false;
  }
  if (*more) builder_awake_.store(true);
  return *more;
}

Result<bool> IndexImpl::extend_active(base::Executor& executor, Progress& stop) {
  const std::shared_ptr<const View> view = newest();
  const PartView* growing = tailed_part(*view, runtime_->read_only);
  if (growing == nullptr) return false;
  const std::uint32_t end = std::min(growing->rows, growing->covered() + kStepRows);
  SPRINGG_RETURN_IF_ERROR(growing->part->memtable()->extend_graph(end, executor, &stop, false));
  return true;
}

std::chrono::microseconds IndexImpl::merge_wait(std::size_t rows) {
  base::MutexLock lock(write_mutex_);
  const std::shared_ptr<const View> view = newest();
  std::uint64_t deleted = 0;  // those in memtables no merge can drop
  for (const PartView& part : view->parts) {
    if (part.part->segment() != nullptr) deleted += part.rows - part.live_rows();
  }
  const std::uint64_t most = kDeletedRowsFree + view->live_rows / kDeletedLivePart;
  if (deleted <= most || (merging_.empty() && !merge_due())) return {};
  const double over = static_cast<double>(deleted - most) / static_cast<double>(most);
  const double row_wait = std::min(over * 1000.0, kRowWaitUsMax);
  return std::chrono::microseconds(static_cast<std::int64_t>(row_wait * static_cast<double>(rows)));
}

Status IndexImpl::slow_down(std::size_t rows, Progress* progress) {
  const auto wait = merge_wait(rows);
  if (wait.count() == 0) return {};
  Poller poller(progress, rows);
  const auto end = std::chrono::steady_clock::now() + wait;
  for (auto now = end - wait; now < end; now = std::chrono::steady_clock::now()) {
    std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(end - now, kWait));
    if (!poller.advance(0)) return poller.status();
    if (merge_wait(rows).count() == 0) return {};  // merges have caught up
  }
  return {};
}

Status IndexImpl::make_room(std::size_t rows, Progress* progress) {
  SPRINGG_RETURN_IF_ERROR(wait_for_graph(rows, progress));
  SPRINGG_RETURN_IF_ERROR(slow_down(rows, progress));
  Poller poller(progress, rows);
  for (;;) {
    std::optional<PartView> sealed;
    {
      base::MutexLock lock(write_mutex_);
      if (active_ == nullptr || active_->room() >= rows || sealed_waiting() < kSealedMax) {
        return {};
      }
      sealed = claim_sealed();
      if (!sealed.has_value()) claims_changed_.wait_for(write_mutex_, kWait);
    }
    if (sealed.has_value()) {
      SPRINGG_RETURN_IF_ERROR(convert_claimed(*sealed, runtime_->pool, progress));
    }
    if (!poller.advance(0)) return poller.status();
  }
}

Status IndexImpl::wait_for_graph(std::size_t rows, Progress* progress) {
  const std::size_t tail_max = std::max<std::size_t>(
      kTailRowsMin, limits::kUnindexedTailRowsMax - std::min(rows, limits::kUnindexedTailRowsMax));
  std::size_t owed = std::max(kHelpedRowsMin, 2 * rows);
  while (owed != 0) {
    const std::shared_ptr<const View> view = newest();
    const PartView* growing = growing_part(*view);
    if (growing == nullptr || growing->tail_rows() <= tail_max) return {};
    {
      // Sealed: a flush or the builder has it, and new rows go elsewhere.
      base::MutexLock lock(write_mutex_);
      if (growing->part != active_) return {};
    }
    const std::uint32_t step = static_cast<std::uint32_t>(
        std::min<std::size_t>({owed, growing->tail_rows(), std::size_t{kHelpedStepRows}}));
    // The builder may have gone on since: rows that no view shows must stay out.
    const std::uint32_t end = std::min(growing->rows, growing->covered() + step);
    SPRINGG_RETURN_IF_ERROR(
        growing->part->memtable()->extend_graph(end, runtime_->pool, progress, false));
    owed -= step;
    if (progress != nullptr && !progress->update(0, rows)) return stopped_by_caller();
  }
  return {};
}

Status IndexImpl::wait_indexed() {
  return locking_call(*runtime_, [&]() -> Status {
    SPRINGG_RETURN_IF_ERROR(check_not_dropped());
    return cover(*newest(), nullptr);
  });
}

Status IndexImpl::cover(const View& view, Progress* progress) {
  for (const PartView& part : view.parts) {
    Memtable* memtable = part.part->memtable();
    if (memtable == nullptr || part.rows < kGraphRowsMin) continue;
    while (memtable->covered() < part.rows) {
      const std::uint32_t end = std::min(part.rows, memtable->covered() + kHelpedStepRows);
      SPRINGG_RETURN_IF_ERROR(memtable->extend_graph(end, runtime_->pool, progress, false));
    }
  }
  return {};
}

}  // namespace springg::engine
