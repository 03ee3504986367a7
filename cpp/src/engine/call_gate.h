// SPDX-License-Identifier: MIT
// Lets close() wait for the calls that are running and turn later ones away.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/mutex.h"

namespace springg::engine {

class CallGate {
 public:
  // False when shut; else leave() must follow.
  bool enter() noexcept;
  void leave() noexcept;
  // Turns new calls away and waits until those inside have left.
  void shut();
  void reopen() noexcept { state_.fetch_and(~kShut, std::memory_order_acq_rel); }

 private:
  static constexpr std::uint64_t kShut = std::uint64_t{1} << 63;

  std::atomic<std::uint64_t> state_{0};  // calls inside, and kShut
  base::Mutex mutex_;
  base::CondVar empty_;
};

}  // namespace springg::engine
