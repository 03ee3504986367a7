// SPDX-License-Identifier: MIT
// The threads of one database. They start at the first run() that can use them.
#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <exception>
#include <thread>
#include <vector>

#include "base/executor.h"
#include "base/mutex.h"

namespace springg::engine {

// Any number of threads may call run() at once: each call is a job, its caller works on it, and
// idle pool threads join the oldest job that has room. Nobody waits for a thread to become free.
class ThreadPool final : public base::Executor {
 public:
  using Body = base::FunctionRef<void(std::size_t task, unsigned worker)>;

  explicit ThreadPool(unsigned threads) : threads_(threads == 0 ? 1 : threads) {}
  ~ThreadPool() override { stop(); }

  unsigned concurrency() const noexcept override { return threads_; }
  void run(std::size_t tasks, Body body) override { run_limited(tasks, threads_, body); }
  // run() on at most `threads` threads, the caller included.
  void run_limited(std::size_t tasks, unsigned threads, Body body);
  // Joins the threads. run() afterwards works on the caller's thread alone.
  void stop();

 private:
  struct Job {
    Body body;
    std::size_t tasks = 0;
    unsigned threads_max = 1;
    std::atomic<std::size_t> next{0};
    unsigned joined = 1;  // threads that ever took part: their worker numbers. Guarded by mutex_
    unsigned active = 0;  // pool threads at work on it. Guarded by mutex_
    std::exception_ptr error{};  // the first that a thread left with. Guarded by mutex_
  };

  void start_threads() SPRINGG_REQUIRES(mutex_);
  void work();
  Job* next_job() SPRINGG_REQUIRES(mutex_);
  // Works on the job until no task is left. What a task throws ends it for all threads and comes
  // back: it must neither leave a pool thread nor unwind the caller, on whose stack the job is.
  static std::exception_ptr drain(Job& job, unsigned worker) noexcept;

  const unsigned threads_;
  base::Mutex mutex_;
  base::CondVar wake_;
  base::CondVar left_;  // a pool thread left its job
  std::deque<Job*> jobs_ SPRINGG_GUARDED_BY(mutex_);
  std::vector<std::thread> workers_ SPRINGG_GUARDED_BY(mutex_);
  bool started_ SPRINGG_GUARDED_BY(mutex_) = false;
  bool stopping_ SPRINGG_GUARDED_BY(mutex_) = false;
};

// The pool seen as an executor of fewer threads.
class LimitedExecutor final : public base::Executor {
 public:
  LimitedExecutor(ThreadPool& pool, unsigned threads)
      : pool_(pool),
        threads_(threads == 0 || threads > pool.concurrency() ? pool.concurrency() : threads) {}
  unsigned concurrency() const noexcept override { return threads_; }
  void run(std::size_t tasks, ThreadPool::Body body) override {
    pool_.run_limited(tasks, threads_, body);
  }

 private:
  ThreadPool& pool_;
  unsigned threads_;
};

}  // namespace springg::engine
