// SPDX-License-Identifier: MIT
// The lock of a database directory against other processes and against this one.
#pragma once

#include <memory>
#include <string>

#include "io/file_system.h"
#include "springg/status.h"

namespace springg::io {

Result<std::unique_ptr<DirectoryLock>> lock_posix_directory(const std::string& directory);

}  // namespace springg::io
