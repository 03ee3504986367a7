// SPDX-License-Identifier: MIT
#include "engine/periodic_thread.h"

#include <exception>
#include <utility>

#include "engine/background_worker.h"

namespace springg::engine {

Status PeriodicThread::start(std::chrono::milliseconds interval, std::function<void()> body) {
  base::MutexLock lock(mutex_);
  try {
    thread_ = std::thread([this, interval, body = std::move(body)] { work(interval, body); });
  } catch (const std::exception&) {  // bad_alloc, system_error
    return resource_exhausted("no thread to be had");
  }
  return {};
}

void PeriodicThread::work(std::chrono::milliseconds interval, const std::function<void()>& body) {
  lower_own_priority(5);
  for (;;) {
    {
      base::MutexLock lock(mutex_);
      // Waking up early does no harm.
      if (!stopping_) wake_.wait_for(mutex_, interval);
      if (stopping_) return;
    }
    body();
  }
}

void PeriodicThread::stop() {
  std::thread thread;
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    thread.swap(thread_);
  }
  wake_.notify_all();
  if (thread.joinable()) thread.join();
}

}  // namespace springg::engine
