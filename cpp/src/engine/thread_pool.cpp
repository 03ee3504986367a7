// SPDX-License-Identifier: MIT
#include "engine/thread_pool.h"

#include <algorithm>
#include <system_error>

namespace springg::engine {

void ThreadPool::run_limited(std::size_t tasks, unsigned threads, Body body) {
  if (tasks == 0) return;
  threads = std::min(threads, threads_);
  if (tasks == 1 || threads <= 1) {
    for (std::size_t task = 0; task < tasks; ++task) body(task, 0);
    return;
  }
  Job job{.body = body, .tasks = tasks, .threads_max = threads};
  {
    base::MutexLock lock(mutex_);
    start_threads();
    jobs_.push_back(&job);
  }
  wake_.notify_all();
  drain(job, 0);
  base::MutexLock lock(mutex_);
  jobs_.erase(std::find(jobs_.begin(), jobs_.end(), &job));
  while (job.active != 0) left_.wait(mutex_);
}

void ThreadPool::drain(Job& job, unsigned worker) {
  for (;;) {
    const std::size_t task = job.next.fetch_add(1, std::memory_order_relaxed);
    if (task >= job.tasks) return;
    job.body(task, worker);
  }
}

void ThreadPool::start_threads() {
  if (started_ || stopping_) return;
  started_ = true;
  try {
    for (unsigned i = 1; i < threads_; ++i) workers_.emplace_back([this] { work(); });
  } catch (const std::system_error&) {
    // The system has no more threads: those that started do the work, the caller at the least.
  }
}

ThreadPool::Job* ThreadPool::next_job() {
  for (Job* job : jobs_) {
    if (job->joined < job->threads_max && job->next.load(std::memory_order_relaxed) < job->tasks) {
      return job;
    }
  }
  return nullptr;
}

void ThreadPool::work() {
  mutex_.lock();
  while (!stopping_) {
    Job* job = next_job();
    if (job == nullptr) {
      wake_.wait(mutex_);
      continue;
    }
    const unsigned worker = job->joined++;
    ++job->active;
    mutex_.unlock();
    drain(*job, worker);
    mutex_.lock();
    --job->active;
    left_.notify_all();
  }
  mutex_.unlock();
}

void ThreadPool::stop() {
  std::vector<std::thread> workers;
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    workers.swap(workers_);
  }
  wake_.notify_all();
  for (std::thread& worker : workers) worker.join();
}

}  // namespace springg::engine
