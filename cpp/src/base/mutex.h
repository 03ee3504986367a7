// SPDX-License-Identifier: MIT
// std::mutex and friends with the annotations of clang's -Wthread-safety, which then proves that
// guarded members are only touched with their mutex held. Other compilers see plain classes.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <shared_mutex>

#if defined(__clang__)
#define SPRINGG_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define SPRINGG_THREAD_ANNOTATION(x)
#endif

#define SPRINGG_CAPABILITY(x) SPRINGG_THREAD_ANNOTATION(capability(x))
#define SPRINGG_SCOPED_CAPABILITY SPRINGG_THREAD_ANNOTATION(scoped_lockable)
#define SPRINGG_GUARDED_BY(x) SPRINGG_THREAD_ANNOTATION(guarded_by(x))
#define SPRINGG_REQUIRES(...) SPRINGG_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define SPRINGG_RETURN_CAPABILITY(x) SPRINGG_THREAD_ANNOTATION(lock_returned(x))
#define SPRINGG_EXCLUDES(...) SPRINGG_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define SPRINGG_ACQUIRE(...) SPRINGG_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define SPRINGG_ACQUIRE_SHARED(...) \
  SPRINGG_THREAD_ANNOTATION(acquire_shared_capability(__VA_ARGS__))
#define SPRINGG_RELEASE(...) SPRINGG_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define SPRINGG_RELEASE_GENERIC(...) \
  SPRINGG_THREAD_ANNOTATION(release_generic_capability(__VA_ARGS__))

namespace springg::base {

class SPRINGG_CAPABILITY("mutex") Mutex {
 public:
  void lock() SPRINGG_ACQUIRE() { mutex_.lock(); }
  void unlock() SPRINGG_RELEASE() { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

class SPRINGG_CAPABILITY("mutex") SharedMutex {
 public:
  void lock() SPRINGG_ACQUIRE() { mutex_.lock(); }
  void unlock() SPRINGG_RELEASE() { mutex_.unlock(); }
  void lock_shared() SPRINGG_ACQUIRE_SHARED() { mutex_.lock_shared(); }
  void unlock_shared() SPRINGG_RELEASE_GENERIC() { mutex_.unlock_shared(); }

 private:
  std::shared_mutex mutex_;
};

class SPRINGG_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) SPRINGG_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() SPRINGG_RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

class SPRINGG_SCOPED_CAPABILITY WriterLock {
 public:
  explicit WriterLock(SharedMutex& mutex) SPRINGG_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~WriterLock() SPRINGG_RELEASE() { mutex_.unlock(); }
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;

 private:
  SharedMutex& mutex_;
};

class SPRINGG_SCOPED_CAPABILITY ReaderLock {
 public:
  explicit ReaderLock(SharedMutex& mutex) SPRINGG_ACQUIRE_SHARED(mutex) : mutex_(mutex) {
    mutex_.lock_shared();
  }
  ~ReaderLock() SPRINGG_RELEASE_GENERIC() { mutex_.unlock_shared(); }
  ReaderLock(const ReaderLock&) = delete;
  ReaderLock& operator=(const ReaderLock&) = delete;

 private:
  SharedMutex& mutex_;
};

// Waits without a predicate: callers loop, so that the analysis sees what they read.
class CondVar {
 public:
  void wait(Mutex& mutex) SPRINGG_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  void wait_for(Mutex& mutex, std::chrono::milliseconds time) SPRINGG_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait_for(lock, time);
    lock.release();
  }
  void wait_until(Mutex& mutex, std::chrono::steady_clock::time_point time)
      SPRINGG_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait_until(lock, time);
    lock.release();
  }
  void notify_one() noexcept { condition_.notify_one(); }
  void notify_all() noexcept { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace springg::base
