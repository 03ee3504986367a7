// SPDX-License-Identifier: MIT
// The views of one index between the log and the readers. A write makes its view when its record
// enters the log; readers see it when the record is as durable as its caller asked. The next writer
// does not wait for that: it works on the newest view, shown or not.
#pragma once

#include <list>
#include <memory>
#include <utility>

#include "base/mutex.h"
#include "engine/view.h"
#include "storage/wal_format.h"

namespace springg::engine {

// Any thread.
class ViewQueue {
 public:
  struct Entry {
    storage::Lsn lsn = 0;  // of the last record that the view holds; 0 without a log
    std::shared_ptr<const View> view;
  };
  using Node = std::list<Entry>;  // of one entry: made before the log has the record, so that
                                  // nothing after that needs memory

  explicit ViewQueue(std::shared_ptr<const View> first)
      : shown_(std::move(first)), newest_(shown_) {}

  std::shared_ptr<const View> shown() const SPRINGG_EXCLUDES(mutex_);
  std::shared_ptr<const View> newest() const SPRINGG_EXCLUDES(mutex_);

  storage::Lsn shown_lsn() const SPRINGG_EXCLUDES(mutex_);

  // The newest view from now on. Shown at once when its position has been shown.
  void push(Node&& entry) noexcept SPRINGG_EXCLUDES(mutex_);
  // Readers see what holds records up to `lsn`, which are as durable as was asked.
  void show_through(storage::Lsn lsn) noexcept SPRINGG_EXCLUDES(mutex_);
  // Shows `view` and forgets all others: what waits for the log is void.
  void reset(std::shared_ptr<const View> view) noexcept SPRINGG_EXCLUDES(mutex_);

 private:
  // Returns what readers no longer see, to be freed without the lock.
  Node show() noexcept SPRINGG_REQUIRES(mutex_);

  mutable base::Mutex mutex_;
  std::shared_ptr<const View> shown_ SPRINGG_GUARDED_BY(mutex_);
  std::shared_ptr<const View> newest_ SPRINGG_GUARDED_BY(mutex_);
  Node waiting_ SPRINGG_GUARDED_BY(mutex_);  // ascending by lsn
  storage::Lsn shown_lsn_ SPRINGG_GUARDED_BY(mutex_) = 0;
};

}  // namespace springg::engine
