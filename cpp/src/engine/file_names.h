// SPDX-License-Identifier: MIT
// Which of a directory's files are ours, by their names (docs/format.md).
#pragma once

#include <string_view>

namespace springg::engine {

inline constexpr char kLockName[] = "LOCK";
// Space for a full disk. Removed by the next open, should the process end.
inline constexpr char kReserveName[] = "reserve";

enum class NameKind { kForeign, kLock, kSegment, kDelta, kManifest, kLog, kReserve, kTemporary };

// Only names that springg itself would give are springg's to remove.
NameKind kind_of_name(std::string_view name);

}  // namespace springg::engine
