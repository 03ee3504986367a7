// SPDX-License-Identifier: MIT
// Mistakes that a build can be given on purpose (CMake's SPRINGG_SEEDED_BUG), each at one place in
// the code: a test lane that looks for lost or wrong data must find every one of them. 0, which is
// what everybody gets: none.
#pragma once

namespace springg::base {

#ifndef SPRINGG_SEEDED_BUG
#define SPRINGG_SEEDED_BUG 0
#endif

inline constexpr int kSeededBug = SPRINGG_SEEDED_BUG;

// Numbers of the list in docs/testing.md.
inline constexpr int kBugNoDataSync = 1;
inline constexpr int kBugNoDirectorySync = 2;
inline constexpr int kBugRenameBeforeSync = 3;
inline constexpr int kBugAckBeforeSync = 4;
inline constexpr int kBugShowBeforeLog = 5;
inline constexpr int kBugIgnorePayloadCrc = 6;
inline constexpr int kBugTrustLengthFirst = 7;
inline constexpr int kBugCutInTheMiddle = 8;
inline constexpr int kBugRefuseTornTail = 9;
inline constexpr int kBugReplayThatLogs = 10;
inline constexpr int kBugDropLogEarly = 11;
inline constexpr int kBugRetrySync = 12;
inline constexpr int kBugFlushOfDropped = 13;

}  // namespace springg::base
