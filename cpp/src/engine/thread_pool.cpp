// SPDX-License-Identifier: MIT
#include "engine/thread_pool.h"

#include <algorithm>
#include <new>
#include <system_error>
#include <utility>

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
  std::exception_ptr error = drain(job, 0);
  {
    base::MutexLock lock(mutex_);
    jobs_.erase(std::find(jobs_.begin(), jobs_.end(), &job));
    if (job.error == nullptr) job.error = std::move(error);
    while (job.active != 0) left_.wait(mutex_);
    error = std::move(job.error);
  }
  if (error != nullptr) std::rethrow_exception(std::move(error));
}

std::exception_ptr ThreadPool::drain(Job& job, unsigned worker) noexcept {
  try {
    for (;;) {
      const std::size_t task = job.next.fetch_add(1, std::memory_order_relaxed);
      if (task >= job.tasks) return nullptr;
      job.body(task, worker);
    }
  } catch (...) {
    job.next.store(job.tasks, std::memory_order_relaxed);
    return std::current_exception();
  }
}

void ThreadPool::start_threads() {
  if (started_ || stopping_) return;
  started_ = true;
  try {
    for (unsigned i = 1; i < threads_; ++i) workers_.emplace_back([this] { work(); });
  } catch (const std::system_error&) {
    // The system has no more threads: those that started do the work, the caller at the least.
  } catch (const std::bad_alloc&) {
    // Nor memory for them: likewise.
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
    std::exception_ptr error = drain(*job, worker);
    mutex_.lock();
    if (job->error == nullptr) job->error = std::move(error);
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
