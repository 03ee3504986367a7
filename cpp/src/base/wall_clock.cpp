// SPDX-License-Identifier: MIT
#include "base/wall_clock.h"

#include <chrono>

namespace springg::base {

std::uint64_t system_unix_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

}  // namespace springg::base
