// SPDX-License-Identifier: MIT
// Asks the caller's Progress, from inside parallel work, whether to stop: on the caller's thread
// alone, about ten times a second.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

#include "springg/progress.h"
#include "springg/status.h"

namespace springg::engine {

inline Status stopped_by_caller() { return failed_precondition("stopped by the caller"); }

class Poller {
 public:
  Poller(Progress* progress, std::uint64_t total)
      : progress_(progress),
        total_(total),
        caller_(std::this_thread::get_id()),
        next_(Clock::now() + kInterval) {}

  // Any thread. `done` more units are done; false when the work should end.
  bool advance(std::uint64_t done) {
    if (progress_ == nullptr) return true;
    done_.fetch_add(done, std::memory_order_relaxed);
    if (stopped()) return false;
    if (std::this_thread::get_id() != caller_ || Clock::now() < next_) return true;
    next_ = Clock::now() + kInterval;
    if (progress_->update(done_.load(std::memory_order_relaxed), total_)) return true;
    stopped_.store(true, std::memory_order_relaxed);
    return false;
  }
  bool stopped() const noexcept { return stopped_.load(std::memory_order_relaxed); }
  Status status() const { return stopped() ? stopped_by_caller() : Status(); }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kInterval{50};

  Progress* progress_;
  std::uint64_t total_;
  std::thread::id caller_;
  Clock::time_point next_;  // the caller's thread only
  std::atomic<std::uint64_t> done_{0};
  std::atomic<bool> stopped_{false};
};

// Stops background work for its worker, or for a flag that another thread sets.
class StopEither final : public Progress {
 public:
  StopEither(Progress& stop, const std::atomic<bool>& unwanted)
      : stop_(stop), unwanted_(unwanted) {}
  bool update(std::uint64_t done, std::uint64_t total) override {
    return !unwanted_.load(std::memory_order_relaxed) && stop_.update(done, total);
  }

 private:
  Progress& stop_;
  const std::atomic<bool>& unwanted_;
};

}  // namespace springg::engine
