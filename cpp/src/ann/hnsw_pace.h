// SPDX-License-Identifier: MIT
// Asks the caller's Progress from time to time while tasks run, on the caller's thread alone.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

#include "springg/progress.h"

namespace springg::ann {

class Pace {
 public:
  // `total` steps; made on the calling thread.
  Pace(Progress* progress, std::uint64_t total)
      : progress_(progress), total_(total), caller_(std::this_thread::get_id()) {}

  // Any thread, after each task: counts steps, and asks when it is time and this is the caller.
  void advance(std::uint64_t steps) {
    const std::uint64_t done = done_.fetch_add(steps, std::memory_order_relaxed) + steps;
    if (progress_ == nullptr || std::this_thread::get_id() != caller_) return;
    const auto now = std::chrono::steady_clock::now();
    if (now - asked_ < kInterval) return;
    asked_ = now;
    if (!progress_->update(done < total_ ? done : total_, total_)) {
      stopped_.store(true, std::memory_order_relaxed);
    }
  }
  bool stopped() const noexcept { return stopped_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::chrono::milliseconds kInterval{50};

  Progress* progress_;
  std::uint64_t total_;
  std::thread::id caller_;
  std::atomic<std::uint64_t> done_{0};
  std::atomic<bool> stopped_{false};
  std::chrono::steady_clock::time_point asked_ = std::chrono::steady_clock::now();
};

}  // namespace springg::ann
