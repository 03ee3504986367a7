// SPDX-License-Identifier: MIT
// A thread of low priority that does something again and again.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

#include "base/mutex.h"
#include "springg/status.h"

namespace springg::engine {

class PeriodicThread {
 public:
  ~PeriodicThread() { stop(); }
  // Runs `body`, which must not throw, `interval` after it ended last. Once. kResourceExhausted
  // when there is no thread to be had.
  Status start(std::chrono::milliseconds interval, std::function<void()> body);
  // Waits for a run that is under way. Not from `body`.
  void stop();

 private:
  void work(std::chrono::milliseconds interval, const std::function<void()>& body);

  base::Mutex mutex_;
  base::CondVar wake_;
  bool stopping_ SPRINGG_GUARDED_BY(mutex_) = false;
  std::thread thread_ SPRINGG_GUARDED_BY(mutex_);
};

}  // namespace springg::engine
