// SPDX-License-Identifier: MIT
#include "engine/background_worker.h"

#if defined(__linux__)
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <exception>
#include <utility>

namespace springg::engine {

// Linux keeps a priority for each thread; elsewhere it would be the whole process's.
void lower_own_priority() noexcept {
#if defined(__linux__)
  constexpr int kNiceness = 5;
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kNiceness);
#endif
}

bool BackgroundWorker::add(std::weak_ptr<BackgroundTask> task) noexcept {
  {
    base::MutexLock lock(mutex_);
    if (stopping_.load(std::memory_order_relaxed)) return true;
    try {
      tasks_.push_back(std::move(task));
      if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
    } catch (const std::exception&) {  // bad_alloc, system_error
      // No thread to be had: writers that need the work done do it themselves.
      if (!thread_.joinable()) tasks_.clear();
      return false;
    }
  }
  wake_.notify_one();
  return true;
}

void BackgroundWorker::work() {
  lower_own_priority();
  Stopper stop(stopping_);
  mutex_.lock();
  while (!stopping_.load(std::memory_order_relaxed)) {
    if (tasks_.empty()) {
      wake_.wait(mutex_);
      continue;
    }
    std::list<std::weak_ptr<BackgroundTask>> next;
    next.splice(next.end(), tasks_, tasks_.begin());
    mutex_.unlock();
    bool more = false;
    if (const std::shared_ptr<BackgroundTask> task = next.front().lock()) {
      more = task->background_step(stop);
    }
    mutex_.lock();
    if (more) tasks_.splice(tasks_.end(), next);
  }
  mutex_.unlock();
}

void BackgroundWorker::stop() {
  std::thread thread;
  {
    base::MutexLock lock(mutex_);
    stopping_.store(true, std::memory_order_relaxed);
    tasks_.clear();
    thread.swap(thread_);
  }
  wake_.notify_one();
  if (thread.joinable()) thread.join();
}

}  // namespace springg::engine
