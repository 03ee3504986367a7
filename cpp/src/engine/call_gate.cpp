// SPDX-License-Identifier: MIT
#include "engine/call_gate.h"

namespace springg::engine {

bool CallGate::enter() noexcept {
  if ((state_.fetch_add(1, std::memory_order_acq_rel) & kShut) == 0) return true;
  leave();
  return false;
}

void CallGate::leave() noexcept {
  if (state_.fetch_sub(1, std::memory_order_acq_rel) != (kShut | 1)) return;
  base::MutexLock lock(mutex_);
  empty_.notify_all();
}

void CallGate::shut() {
  state_.fetch_or(kShut, std::memory_order_acq_rel);
  base::MutexLock lock(mutex_);
  while (state_.load(std::memory_order_acquire) != kShut) empty_.wait(mutex_);
}

}  // namespace springg::engine
