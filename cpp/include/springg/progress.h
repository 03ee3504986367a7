// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace springg {

// Told of long work, on the thread that made the call and no other, at least every 100 ms and not
// much more often. Returning false asks the call to stop: it then leaves the index as it was and
// returns kFailedPrecondition ("stopped by the caller").
class Progress {
 public:
  virtual ~Progress() = default;
  virtual bool update(std::uint64_t done, std::uint64_t total) = 0;
};

}  // namespace springg
