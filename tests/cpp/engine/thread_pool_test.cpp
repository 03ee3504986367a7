// SPDX-License-Identifier: MIT
#include "engine/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "catch.h"

namespace springg::engine {

namespace {

void sleep_a_little() { std::this_thread::sleep_for(std::chrono::milliseconds(1)); }

// Whether the pool does all of a job, with every thread that it has.
bool works(ThreadPool& pool) {
  std::vector<std::atomic<int>> runs(100);
  std::atomic<unsigned> met{0};
  pool.run(runs.size(), [&](std::size_t task, unsigned) {
    if (task < pool.concurrency()) {
      // Nobody goes on before all are here: a thread that was lost would be missed.
      ++met;
      for (int i = 0; i < 10'000 && met < pool.concurrency(); ++i) sleep_a_little();
    }
    ++runs[task];
  });
  return met == pool.concurrency() &&
         std::all_of(runs.begin(), runs.end(), [](const auto& count) { return count == 1; });
}

}  // namespace

TEST_CASE("every task runs once, and no two at once under one worker number") {
  ThreadPool pool(4);
  std::vector<std::thread> callers;
  std::atomic<int> faults{0};
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (const unsigned threads : {1U, 2U, 4U, 9U}) {
        std::vector<int> runs(500);
        std::vector<std::atomic<int>> busy(4);
        pool.run_limited(runs.size(), threads, [&](std::size_t task, unsigned worker) {
          if (worker >= std::min(threads, 4U) || busy[worker].fetch_add(1) != 0) ++faults;
          ++runs[task];
          busy[worker].fetch_sub(1);
        });
        if (std::count(runs.begin(), runs.end(), 1) != 500) ++faults;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(faults == 0);
}

TEST_CASE("a stopped pool works on the caller's thread") {
  ThreadPool pool(3);
  int runs = 0;
  pool.run(10, [&](std::size_t, unsigned) {});
  pool.stop();
  pool.run(10, [&](std::size_t, unsigned worker) { runs += worker == 0 ? 1 : 100; });
  CHECK(runs == 10);
}

TEST_CASE("what a task throws on the caller's thread comes out when no thread is at work") {
  for (const unsigned threads : {1U, 2U, 3U, 4U}) {
    ThreadPool pool(threads);
    constexpr std::size_t kTasks = 10'000;
    std::atomic<std::size_t> runs{0};
    std::atomic<int> inside{0};
    std::atomic<bool> thrown{false};
    const auto body = [&](std::size_t, unsigned worker) {
      ++runs;
      if (worker == 0) {
        // With a pool thread in the middle of a task, when there is one.
        while (threads > 1 && inside == 0) sleep_a_little();
        thrown = true;
        throw std::bad_alloc();
      }
      ++inside;
      while (!thrown) sleep_a_little();
      for (int i = 0; i < 20; ++i) sleep_a_little();
      --inside;
    };
    CHECK_THROWS_AS(pool.run(kTasks, body), std::bad_alloc);
    CHECK(inside == 0);
    CHECK(runs < kTasks);  // the rest is left out
    CHECK(works(pool));
  }
}

TEST_CASE("what a task throws on a pool thread comes out of the caller's run") {
  for (const unsigned threads : {2U, 3U, 4U}) {
    ThreadPool pool(threads);
    constexpr std::size_t kTasks = 10'000;
    std::atomic<std::size_t> runs{0};
    std::atomic<bool> thrown{false};
    const auto body = [&](std::size_t, unsigned worker) {
      ++runs;
      if (worker != 0) {
        thrown = true;
        throw std::bad_alloc();
      }
      while (!thrown) sleep_a_little();
      sleep_a_little();
    };
    for (int round = 0; round < 3; ++round) {
      runs = 0;
      thrown = false;
      CHECK_THROWS_AS(pool.run(kTasks, body), std::bad_alloc);
      CHECK(runs < kTasks);
    }
    CHECK(works(pool));
  }
}

TEST_CASE("one of several exceptions comes out, and other callers' jobs go on") {
  ThreadPool pool(4);
  std::atomic<bool> stop{false};
  std::atomic<int> faults{0};
  std::thread other([&] {
    while (!stop) {
      std::vector<std::atomic<int>> runs(200);
      pool.run(runs.size(), [&](std::size_t task, unsigned) { ++runs[task]; });
      for (const auto& count : runs) faults += count == 1 ? 0 : 1;
    }
  });
  for (int round = 0; round < 50; ++round) {
    std::string message;
    try {
      pool.run(100, [](std::size_t task, unsigned) {
        sleep_a_little();  // so that pool threads come too
        throw std::runtime_error("task " + std::to_string(task));
      });
    } catch (const std::runtime_error& error) {
      message = error.what();
    }
    if (!message.starts_with("task ")) ++faults;
  }
  stop = true;
  other.join();
  CHECK(faults == 0);
  CHECK(works(pool));
}

}  // namespace springg::engine
