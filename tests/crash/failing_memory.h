// SPDX-License-Identifier: MIT
// Memory that runs out on demand. A program that links this has its operator new, in all forms, and
// its mmap() in the place of the libraries': the engine asks for memory in no other way. The C
// library's own malloc(), which starts threads and throws exceptions, never fails.
#pragma once

#include <cstdint>

namespace springg::crash {

enum class Who { kCaller, kOthers };         // the thread that calls arm(), or all but that one
enum class Shortage { kOnce, kUntilLater };  // one allocation, or all from that one on

// Of the allocations from now on those by `who` are counted, and the n-th (from 1) fails.
void arm(Who who, Shortage shortage, std::uint64_t n) noexcept;
// Ends it, on the thread that armed. Whether an allocation failed.
bool disarm() noexcept;
// That were made since arm(), by `who`.
std::uint64_t allocations_counted() noexcept;

}  // namespace springg::crash
