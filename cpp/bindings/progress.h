// SPDX-License-Identifier: MIT
// Signals and the user's callback during a call that runs without the GIL.
#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <type_traits>
#include <utility>

#include "errors.h"
#include "springg/progress.h"
#include "springg/status.h"

namespace springg::bindings {

// Takes the GIL at most every 100 ms, lets Python handle signals (Ctrl-C), and calls `callback`
// (done, total) unless it is None. An exception of either stops the call and is kept for `check`.
class CallProgress final : public Progress {
 public:
  explicit CallProgress(py::object callback) : callback_(std::move(callback)) {}

  bool update(std::uint64_t done, std::uint64_t total) override {
    using namespace std::chrono_literals;
    if (error_ != nullptr) return false;
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < 100ms && done != total) return true;
    last_ = now;
    const py::gil_scoped_acquire acquire;
    return tell(done, total);
  }

  // With the GIL: signals and the callback now. False when one of them raised.
  bool tell(std::uint64_t done, std::uint64_t total) {
    try {
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
      if (!callback_.is_none()) callback_(done, total);
    } catch (...) {
      error_ = std::current_exception();
    }
    return error_ == nullptr;
  }

  // With the GIL, after a call that changed something: what the callback raises now can no longer
  // stop it, so it is reported as Python reports errors of destructors.
  static void tell_end(const py::object& callback, std::uint64_t total) {
    try {
      callback(total, total);
    } catch (py::error_already_set& error) {
      error.discard_as_unraisable("progress callback");
    }
  }

  // With the GIL, after the call: raises what stopped it.
  void rethrow() const {
    if (error_ != nullptr) std::rethrow_exception(error_);
  }

 private:
  py::object callback_;
  std::exception_ptr error_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// Runs `work` without the GIL; its Result or Status becomes the value or the Python error.
template <class Work>
auto without_gil(Work&& work) {
  auto result = [&] {
    const py::gil_scoped_release release;
    return work();
  }();
  if constexpr (std::is_same_v<decltype(result), Status>) {
    check(result);
  } else {
    return take(std::move(result));
  }
}

// The same for work that reports progress: an exception of a signal or of the callback comes first.
template <class Work>
auto with_progress(CallProgress& progress, Work&& work) {
  auto result = [&] {
    const py::gil_scoped_release release;
    return work(static_cast<Progress*>(&progress));
  }();
  progress.rethrow();
  if constexpr (std::is_same_v<decltype(result), Status>) {
    check(result);
  } else {
    return take(std::move(result));
  }
}

}  // namespace springg::bindings
