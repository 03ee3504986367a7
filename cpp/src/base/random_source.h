// SPDX-License-Identifier: MIT
// Random numbers that nobody can guess. Passed in where they are needed, so that tests choose.
#pragma once

#include <cstdint>

namespace springg::base {

using RandomSource = std::uint64_t (*)();
// From the operating system's generator.
std::uint64_t system_random();

}  // namespace springg::base
