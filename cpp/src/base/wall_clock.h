// SPDX-License-Identifier: MIT
// The time of day, for stamps that people read. Passed in where it is needed, so that tests choose.
#pragma once

#include <cstdint>

namespace springg::base {

// Milliseconds since 1970-01-01 UTC.
using WallClock = std::uint64_t (*)();
std::uint64_t system_unix_ms();

}  // namespace springg::base
