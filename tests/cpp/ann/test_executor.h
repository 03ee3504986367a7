// SPDX-License-Identifier: MIT
// Threads that are made for each run(): slow, and simple enough to trust.
#pragma once

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

#include "base/executor.h"

namespace springg::ann::test {

class TestExecutor final : public base::Executor {
 public:
  explicit TestExecutor(unsigned threads) : threads_(threads) {}
  unsigned concurrency() const noexcept override { return threads_; }
  void run(std::size_t tasks, base::FunctionRef<void(std::size_t, unsigned)> body) override {
    std::atomic<std::size_t> next{0};
    const auto work = [&](unsigned worker) {
      for (std::size_t task = next++; task < tasks; task = next++) body(task, worker);
    };
    std::vector<std::thread> threads;
    for (unsigned w = 1; w < threads_ && w < tasks; ++w) threads.emplace_back(work, w);
    work(0);
    for (std::thread& thread : threads) thread.join();
  }

 private:
  unsigned threads_;
};

// Runs the tasks from the last to the first: what depends on their order differs from TestExecutor
// every time, not only when threads happen to race.
class BackwardsExecutor final : public base::Executor {
 public:
  unsigned concurrency() const noexcept override { return 3; }
  void run(std::size_t tasks, base::FunctionRef<void(std::size_t, unsigned)> body) override {
    for (std::size_t left = tasks; left > 0; --left) {
      body(left - 1, static_cast<unsigned>(left % 3));
    }
  }
};

}  // namespace springg::ann::test
