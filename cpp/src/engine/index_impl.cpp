// SPDX-License-Identifier: MIT
#include "engine/index_impl.h"

#include <algorithm>
#include <utility>

namespace springg::engine {

IndexImpl::IndexImpl(std::shared_ptr<Runtime> runtime, IndexHome& home, IndexState state)
    : runtime_(std::move(runtime)),
      home_(home),
      last_view_(make_view({}, 0)),
      uuid_(state.uuid),
      options_(state.options),
      log_ref_(state.log_ref),
      name_(std::move(state.name)),
      default_ef_(engine::default_ef(state.tuning)),
      tuning_(state.tuning),
      next_sequence_(state.next_sequence),
      views_(make_view(std::move(state.parts), state.next_sequence - 1)) {}

std::shared_ptr<IndexImpl> IndexImpl::create(std::shared_ptr<Runtime> runtime, IndexHome& home,
                                             IndexState state) {
  return {new IndexImpl(std::move(runtime), home, std::move(state)), [](IndexImpl* index) {
            if (!index->runtime_->process.foreign()) delete index;
          }};
}

std::string IndexImpl::name() const {
  // Asked for after a fork as well, where the lock may be held by nobody.
  if (runtime_->process.foreign()) return {};
  base::MutexLock lock(name_mutex_);
  return name_;
}

void IndexImpl::rename(std::string name) noexcept {
  base::MutexLock lock(name_mutex_);
  name_.swap(name);
}

Status read_only_error(const std::string& path) {
  return failed_precondition("database " + path + " was opened read-only").with("file", path);
}

Status IndexImpl::check_not_dropped() const {
  if (!dropped_.load(std::memory_order_acquire)) return {};
  return failed_precondition("index '" + name() + "' was dropped");
}

Status IndexImpl::check_writable() {
  SPRINGG_RETURN_IF_ERROR(check_not_dropped());
  SPRINGG_RETURN_IF_ERROR(refusal_);
  SPRINGG_RETURN_IF_ERROR(home_.take_background_error());
  base::MutexLock lock(error_mutex_);
  return std::exchange(background_error_, Status());
}

void IndexImpl::keep_error(Status status) {
  base::MutexLock lock(error_mutex_);
  if (background_error_.ok()) background_error_ = std::move(status);
}

void IndexImpl::show_nothing(std::shared_ptr<const View> nothing) noexcept {
  active_ = nullptr;
  views_.reset(std::move(nothing));
}

void IndexImpl::take_state(IndexImpl& fresh) {
  std::shared_ptr<Memtable> active;
  std::uint64_t next_sequence = 0;
  {
    base::MutexLock lock(fresh.write_mutex_);
    active = std::move(fresh.active_);
    next_sequence = fresh.next_sequence_;
  }
  base::MutexLock lock(write_mutex_);
  active_ = std::move(active);
  next_sequence_ = next_sequence;
  log_ref_.store(fresh.log_ref_.load());
  views_.reset(fresh.newest());
}

void IndexImpl::drop() noexcept {
  base::MutexLock lock(write_mutex_);
  dropped_.store(true, std::memory_order_release);
  show_nothing(last_view_);
}

void IndexImpl::let_go() noexcept {
  base::MutexLock lock(write_mutex_);
  show_nothing(last_view_);
}

Status IndexImpl::clear() {
  return locking_call(*runtime_, [&]() -> Status {
    base::MutexLock jobs(jobs_mutex_);
    base::MutexLock lock(write_mutex_);
    SPRINGG_RETURN_IF_ERROR(check_writable());
    auto nothing = make_view({}, next_sequence_ - 1);
    SPRINGG_ASSIGN_OR_RETURN(const std::uint32_t log_ref, home_.publish_clear(uuid_));
    log_ref_.store(log_ref);
    show_nothing(std::move(nothing));
    return {};
  });
}

}  // namespace springg::engine
