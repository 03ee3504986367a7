// SPDX-License-Identifier: MIT
#include "engine/process.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <string>

namespace springg::engine {

namespace {

// Forks that lie between this process and the first one that used springg.
std::atomic<std::uint64_t> generation{0};

void in_child() noexcept { generation.fetch_add(1, std::memory_order_relaxed); }

std::uint64_t watched_generation() {
  static const int kWatching = ::pthread_atfork(nullptr, nullptr, &in_child);
  (void)kWatching;
  return generation.load(std::memory_order_relaxed);
}

}  // namespace

ProcessStamp::ProcessStamp() : generation_(watched_generation()), pid_(::getpid()) {}

bool ProcessStamp::foreign() const noexcept {
  return generation.load(std::memory_order_relaxed) != generation_;
}

Status ProcessStamp::check() const {
  if (!foreign()) return {};
  return failed_precondition("opened in process " + std::to_string(pid_) + "; open it again here")
      .with("pid", static_cast<std::int64_t>(pid_));
}

}  // namespace springg::engine
