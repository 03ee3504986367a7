// SPDX-License-Identifier: MIT
// What all indexes of one open database share.
#pragma once

#include <memory>
#include <new>
#include <stdexcept>
#include <utility>

#include "engine/background_worker.h"
#include "engine/call_gate.h"
#include "engine/memory_budget.h"
#include "engine/process.h"
#include "engine/thread_pool.h"
#include "engine/tuning.h"
#include "springg/options.h"
#include "springg/status.h"
#include "storage/segment.h"
#include "storage/write_ahead_log.h"

namespace springg::engine {

struct Runtime {
  Runtime(const DatabaseOptions& options, const Tuning& sizes, unsigned threads)
      : durability(options.durability),
        read_only(options.read_only),
        tuning(sizes),
        budget(std::make_shared<MemoryBudget>(options.memory_limit_bytes)),
        pool(threads) {}

  const ProcessStamp process;
  const Durability durability;  // of writes that do not say
  const bool read_only;         // graphs are extended; no part is made or replaced
  const Tuning tuning;
  CallGate gate;
  std::shared_ptr<MemoryBudget> budget;
  ThreadPool pool;
  // Graphs of memtables, and memtables into segments: writers need it. A quarter of a processor
  // that others keep busy.
  BackgroundWorker builder{5};
  // Merges and flushes, which take long; a tenth.
  BackgroundWorker keeper{10};
  storage::Residency residency() const noexcept {
    return budget->limit().has_value() ? storage::Residency::kLean : storage::Residency::kMapped;
  }

  // Null in memory alone, and while the database is being recovered.
  std::unique_ptr<storage::WriteAheadLog> log;
};

// Held by every public call while it runs.
class CallScope {
 public:
  explicit CallScope(Runtime& runtime)
      : runtime_(runtime), status_(runtime.process.check()), outer_(innermost_) {
    if (status_.ok()) {
      inside_ = runtime_.gate.enter();
      if (!inside_) status_ = failed_precondition("database is closed");
    }
    innermost_ = this;  // last: a constructor that throws has no destructor to take it back
  }
  ~CallScope() {
    innermost_ = outer_;
    if (inside_) runtime_.gate.leave();
  }
  CallScope(const CallScope&) = delete;
  CallScope& operator=(const CallScope&) = delete;

  bool ok() const noexcept { return status_.ok(); }
  const Status& status() const noexcept { return status_; }

  // An error when this thread is inside a call of the same database: user code that a call runs (a
  // progress callback, a signal handler) would wait for a lock that its own call holds. Reading
  // takes none of these.
  static Status check_not_nested(const Runtime& runtime) {
    for (const CallScope* scope = innermost_; scope != nullptr; scope = scope->outer_) {
      if (scope->inside_ && &scope->runtime_ == &runtime) {
        return failed_precondition(
            "a progress callback or signal handler may not change or close the database whose "
            "call it interrupts");
      }
    }
    return {};
  }

 private:
  inline static thread_local const CallScope* innermost_ = nullptr;

  Runtime& runtime_;
  Status status_;
  const CallScope* outer_;
  bool inside_ = false;
};

// Runs a public call's body: the standard library's way to say "no memory" becomes a Status here.
template <class Body>
auto guarded(Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  } catch (const std::length_error&) {
    return out_of_memory();
  }
}

// Runs what does no harm when it is left undone: for what comes after the point from which a call
// must not fail any more, and for destructors.
template <class Body>
void if_memory_allows(Body&& body) noexcept {
  static_cast<void>(guarded([&]() -> Status {
    body();
    return {};
  }));
}

// One public call: its scope, then its body.
template <class Body>
auto call(Runtime& runtime, Body&& body) -> decltype(body()) {
  return guarded([&]() -> decltype(body()) {
    const CallScope scope(runtime);
    if (!scope.ok()) return scope.status();
    return body();
  });
}

// The same for a call that takes locks: one that changes something, or waits.
template <class Body>
auto locking_call(Runtime& runtime, Body&& body) -> decltype(body()) {
  return guarded([&]() -> decltype(body()) {
    SPRINGG_RETURN_IF_ERROR(CallScope::check_not_nested(runtime));
    return call(runtime, std::forward<Body>(body));
  });
}

}  // namespace springg::engine
