// SPDX-License-Identifier: MIT
// A directory with damage becomes one without, as far as there is something left.
#pragma once

#include <string>

#include "base/wall_clock.h"
#include "io/file_system.h"
#include "springg/maintenance.h"
#include "springg/status.h"

namespace springg::engine {

// See springg::check() with `repair`. The originals get a second name in damaged/ first; then the
// directory is opened without what is lost, flushed, closed, and checked again. Dying in it leaves
// the damage as it was, or none; what is in damaged/ stays.
Result<CheckReport> repair_directory(io::FileSystem& files, const std::string& directory,
                                     base::WallClock clock);

}  // namespace springg::engine
