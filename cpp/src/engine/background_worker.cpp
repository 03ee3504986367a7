// SPDX-License-Identifier: MIT
#include "engine/background_worker.h"

#if defined(__linux__)
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <cstdint>
#include <exception>
#include <utility>

namespace springg::engine {

// Linux keeps a priority for each thread; elsewhere it would be the whole process's. Turns are 0.1
// ms long, so that a search that wakes up need not wait (Linux 6.12; older ones give what turns
// they like). Not SCHED_IDLE: a thread that held a mutex could keep a writer waiting for as long as
// other programs are busy.
void lower_own_priority(int niceness) noexcept {
#if defined(__linux__) && defined(SYS_sched_setattr)
  struct {
    std::uint32_t size, policy;
    std::uint64_t flags;
    std::int32_t nice;
    std::uint32_t priority;
    std::uint64_t runtime, deadline, period;
  } attributes = {};
  constexpr unsigned kBytes = 48;  // of the kernel's first version of it
  static_assert(sizeof attributes == kBytes);
  constexpr std::uint64_t kTurnNs = 100'000;
  if (::syscall(SYS_sched_getattr, 0, &attributes, kBytes, 0) != 0) return;
  if (attributes.policy != SCHED_OTHER || attributes.nice >= niceness) return;
  attributes.size = kBytes;
  attributes.nice = niceness;
  attributes.runtime = kTurnNs;
  (void)::syscall(SYS_sched_setattr, 0, &attributes, 0);
#else
  (void)niceness;
#endif
}

bool BackgroundWorker::add(std::weak_ptr<BackgroundTask> task, Clock::time_point begin) noexcept {
  {
    base::MutexLock lock(mutex_);
    if (stopping_.load(std::memory_order_relaxed)) return true;
    try {
      tasks_.push_back({std::move(task), begin});
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

bool BackgroundWorker::take_turn(std::list<Turn>& turn) {
  if (tasks_.empty()) {
    wake_.wait(mutex_);
    return false;
  }
  const Clock::time_point now = Clock::now();
  Clock::time_point earliest = Clock::time_point::max();
  for (auto task = tasks_.begin(); task != tasks_.end(); ++task) {
    if (task->begin <= now) {
      turn.splice(turn.end(), tasks_, task);
      return true;
    }
    earliest = std::min(earliest, task->begin);
  }
  wake_.wait_until(mutex_, earliest);
  return false;
}

void BackgroundWorker::work() {
  lower_own_priority(niceness_);
  Stopper stop(stopping_);
  mutex_.lock();
  while (!stopping_.load(std::memory_order_relaxed)) {
    std::list<Turn> next;
    if (!take_turn(next)) continue;
    mutex_.unlock();
    bool more = false;
    if (const std::shared_ptr<BackgroundTask> task = next.front().task.lock()) {
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
