// SPDX-License-Identifier: MIT
#include "engine/view_queue.h"

#include <algorithm>

namespace springg::engine {

std::shared_ptr<const View> ViewQueue::shown() const {
  base::MutexLock lock(mutex_);
  return shown_;
}

std::shared_ptr<const View> ViewQueue::newest() const {
  base::MutexLock lock(mutex_);
  return newest_;
}

storage::Lsn ViewQueue::shown_lsn() const {
  base::MutexLock lock(mutex_);
  return shown_lsn_;
}

ViewQueue::Node ViewQueue::show() noexcept {
  Node old;
  while (!waiting_.empty() && waiting_.front().lsn <= shown_lsn_) {
    shown_.swap(waiting_.front().view);
    old.splice(old.end(), waiting_, waiting_.begin());
  }
  return old;
}

void ViewQueue::push(Node&& entry) noexcept {
  Node old;  // freed after the lock: it may hold the last reference to large parts
  std::shared_ptr<const View> before;
  base::MutexLock lock(mutex_);
  before = std::exchange(newest_, entry.front().view);
  waiting_.splice(waiting_.end(), entry);
  old = show();
}

void ViewQueue::show_through(storage::Lsn lsn) noexcept {
  Node old;
  base::MutexLock lock(mutex_);
  shown_lsn_ = std::max(shown_lsn_, lsn);
  old = show();
}

void ViewQueue::reset(std::shared_ptr<const View> view) noexcept {
  Node old;
  std::shared_ptr<const View> newest;
  std::shared_ptr<const View> shown;
  base::MutexLock lock(mutex_);
  old.swap(waiting_);
  newest = std::exchange(newest_, view);
  shown = std::exchange(shown_, std::move(view));
}

}  // namespace springg::engine
