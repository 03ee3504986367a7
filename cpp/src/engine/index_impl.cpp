// SPDX-License-Identifier: MIT
#include "engine/index_impl.h"

#include <algorithm>
#include <utility>

namespace springg::engine {

IndexImpl::IndexImpl(std::shared_ptr<Runtime> runtime, IndexHome& home, IndexState state)
    : runtime_(std::move(runtime)),
      home_(home),
      uuid_(state.uuid),
      options_(state.options),
      incarnation_(state.incarnation),
      name_(std::move(state.name)),
      next_sequence_(state.next_sequence),
      view_(make_view(std::move(state.parts), state.next_sequence - 1)) {}

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

void IndexImpl::rename(const std::string& name) {
  base::MutexLock lock(name_mutex_);
  name_ = name;
}

Status IndexImpl::check_not_dropped() const {
  if (!dropped_.load(std::memory_order_acquire)) return {};
  return failed_precondition("index '" + name() + "' was dropped");
}

Status IndexImpl::check_writable() {
  SPRINGG_RETURN_IF_ERROR(check_not_dropped());
  base::MutexLock lock(error_mutex_);
  return std::exchange(background_error_, Status());
}

void IndexImpl::keep_error(Status status) {
  base::MutexLock lock(error_mutex_);
  if (background_error_.ok()) background_error_ = std::move(status);
}

std::shared_ptr<const View> IndexImpl::current() const {
  base::MutexLock lock(view_mutex_);
  return view_;
}

void IndexImpl::publish(std::shared_ptr<const View> view) {
  // An active memtable whose rows are all deleted is not in the view: a new one takes its place.
  const Part* active = active_.get();
  const bool shown = std::any_of(view->parts.begin(), view->parts.end(),
                                 [&](const PartView& part) { return part.part.get() == active; });
  if (!shown) active_ = nullptr;
  base::MutexLock lock(view_mutex_);
  view_.swap(view);
}

void IndexImpl::drop() {
  base::MutexLock lock(write_mutex_);
  dropped_.store(true, std::memory_order_release);
  publish(make_view({}, next_sequence_ - 1));
}

void IndexImpl::let_go() {
  base::MutexLock lock(write_mutex_);
  publish(make_view({}, next_sequence_ - 1));
}

Status IndexImpl::clear() {
  return locking_call(*runtime_, [&]() -> Status {
    base::MutexLock jobs(jobs_mutex_);
    base::MutexLock lock(write_mutex_);
    SPRINGG_RETURN_IF_ERROR(check_writable());
    SPRINGG_RETURN_IF_ERROR(home_.publish_clear(uuid_, incarnation_ + 1));
    ++incarnation_;
    publish(make_view({}, next_sequence_ - 1));
    return {};
  });
}

}  // namespace springg::engine
