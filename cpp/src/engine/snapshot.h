// SPDX-License-Identifier: MIT
// Copies of directories that nobody has open here; DatabaseCore::snapshot() is for one that is.
#pragma once

#include <string>

#include "base/wall_clock.h"
#include "io/file_system.h"
#include "springg/maintenance.h"
#include "springg/status.h"

namespace springg::engine {

// The newest state in `from`, which another process may be writing: then an error says that files
// went while they were being copied. The copy is opened once, which verifies it.
Result<SnapshotInfo> copy_directory(io::FileSystem& files, const std::string& from,
                                    const std::string& to, base::WallClock clock);
// See springg::restore().
Status restore_directory(io::FileSystem& files, const std::string& snapshot,
                         const std::string& path, base::WallClock clock);

}  // namespace springg::engine
