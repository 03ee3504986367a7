// SPDX-License-Identifier: MIT
// Where parallel work runs. Code below the engine takes an Executor and owns no threads.
#pragma once

#include <cstddef>

#include "base/function_ref.h"

namespace springg::base {

class Executor {
 public:
  virtual ~Executor() = default;
  // Threads that run() uses at most, the caller included; at least 1.
  virtual unsigned concurrency() const noexcept = 0;
  // Calls body(task, worker) for every task in [0, tasks), each once, in any order; the caller
  // takes part and run() returns when all are done. worker < concurrency(), and no two calls with
  // one worker number overlap. Writes made by a task are visible to the caller afterwards. body
  // must not call run() on the same executor.
  // body may throw, since nearly all bodies allocate: tasks that have not begun are left out, and
  // once no thread is inside body any more, run() throws the first exception to the caller. run()
  // itself throws std::bad_alloc at most, before any task.
  virtual void run(std::size_t tasks,
                   base::FunctionRef<void(std::size_t task, unsigned worker)> body) = 0;
};

// Everything on the calling thread.
class InlineExecutor final : public Executor {
 public:
  unsigned concurrency() const noexcept override { return 1; }
  void run(std::size_t tasks, base::FunctionRef<void(std::size_t, unsigned)> body) override {
    for (std::size_t task = 0; task < tasks; ++task) body(task, 0);
  }
};

}  // namespace springg::base
