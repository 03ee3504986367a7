// SPDX-License-Identifier: MIT
// The log's thread: syncs what waits for nobody, and makes the next file ahead of time.
#include <exception>
#include <utility>

#include "storage/wal_group_log.h"

#if defined(__linux__)
#include <pthread.h>
#endif

namespace springg::storage {

Status GroupLog::start_thread() {
  if (thread_.joinable()) return {};
  try {
    thread_ = std::thread([this] { work(); });
  } catch (const std::exception&) {  // bad_alloc, system_error
    return resource_exhausted("no thread to be had for the log");
  }
  return {};
}

void GroupLog::stop_thread() {
  std::thread thread;
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    thread = std::move(thread_);
  }
  wake_.notify_all();
  if (thread.joinable()) thread.join();
}

// What fails is told by the next append() that needs the file.
void GroupLog::prepare_ahead() noexcept try {
  (void)prepare_file(0);
} catch (const std::bad_alloc&) {
  // Of the status; the log is as prepare_file() left it.
}

void GroupLog::work() {
#if defined(__linux__)
  (void)::pthread_setname_np(::pthread_self(), "springg-log");
#endif
  base::MutexLock lock(mutex_);
  while (!stopping_) {
    if (failed_.ok() && prepare_wanted_) {
      prepare_wanted_ = false;
      // A full disk: the next append() that needs the file tries again.
      if (prepared_ == nullptr && !preparing_) prepare_ahead();
      continue;
    }
    if (!failed_.ok() || last_lsn() == durable_lsn()) {
      idle_ = true;
      wake_.wait(mutex_);
      idle_ = false;
      continue;
    }
    const auto left = unsynced_since_ + sync_interval_ - Clock::now();
    if (left > Clock::duration::zero()) {
      wake_.wait_for(mutex_, std::chrono::ceil<std::chrono::milliseconds>(left));
    } else if (leading_) {
      this_flight().wait(mutex_);
    } else {
      lead(true);
    }
  }
}

}  // namespace springg::storage
