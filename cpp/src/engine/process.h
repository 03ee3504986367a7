// SPDX-License-Identifier: MIT
// Fork detection. A child has the parent's memory but not its threads and locks, so whatever was
// opened before the fork is dead there: its calls fail and its destructors leave it alone.
#pragma once

#include <cstdint>

#include "springg/status.h"

namespace springg::engine {

// Remembers the process that made it.
class ProcessStamp {
 public:
  ProcessStamp();
  // One relaxed load: cheap enough for every call.
  bool foreign() const noexcept;
  // kFailedPrecondition naming the process when foreign().
  Status check() const;

 private:
  std::uint64_t generation_;
  long pid_;
};

}  // namespace springg::engine
