// SPDX-License-Identifier: MIT
// A thread for work that no call waits for. It starts when there is something to do, at low
// priority.
#pragma once

#include <atomic>
#include <chrono>
#include <list>
#include <memory>
#include <thread>
#include <utility>

#include "base/mutex.h"
#include "springg/progress.h"

namespace springg::engine {

// Of the calling thread, where the system has one for each; else nothing. Never raises it.
void lower_own_priority(int niceness) noexcept;

// Something with work in steps: some 100 ms for a growing graph, minutes for a merge.
class BackgroundTask {
 public:
  virtual ~BackgroundTask() = default;
  // Does a step of it, or less when `stop` says stop. True when more is to be done.
  virtual bool background_step(Progress& stop) = 0;
};

class BackgroundWorker {
 public:
  using Clock = std::chrono::steady_clock;

  explicit BackgroundWorker(int niceness) : niceness_(niceness) {}
  ~BackgroundWorker() { stop(); }
  // Takes turns with the other tasks until it has no more work. False when there is no memory or no
  // thread for it: callers have done what they were asked to, and must not fail for this.
  bool add(std::weak_ptr<BackgroundTask> task) noexcept { return add(std::move(task), {}); }
  // The same from `begin` on.
  bool add(std::weak_ptr<BackgroundTask> task, Clock::time_point begin) noexcept;
  // Asks the running step to stop and joins. Tasks added afterwards are ignored.
  void stop();

 private:
  class Stopper final : public Progress {
   public:
    explicit Stopper(const std::atomic<bool>& stopping) : stopping_(stopping) {}
    bool update(std::uint64_t, std::uint64_t) override {
      return !stopping_.load(std::memory_order_relaxed);
    }

   private:
    const std::atomic<bool>& stopping_;
  };

  struct Turn {
    std::weak_ptr<BackgroundTask> task;
    Clock::time_point begin;
  };

  void work();
  // Moves the first task whose time has come into `turn`. Else waits: for a task, or for that time.
  bool take_turn(std::list<Turn>& turn) SPRINGG_REQUIRES(mutex_);

  const int niceness_;
  std::atomic<bool> stopping_{false};
  base::Mutex mutex_;
  base::CondVar wake_;
  // A list, since a task that takes its next turn must not need memory for it.
  std::list<Turn> tasks_ SPRINGG_GUARDED_BY(mutex_);
  std::thread thread_ SPRINGG_GUARDED_BY(mutex_);
};

}  // namespace springg::engine
