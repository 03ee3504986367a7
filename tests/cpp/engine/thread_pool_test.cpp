// SPDX-License-Identifier: MIT
#include "engine/thread_pool.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "catch.h"

namespace springg::engine {

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

}  // namespace springg::engine
