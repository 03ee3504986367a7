// SPDX-License-Identifier: MIT
// What is wrong with a directory, without changing anything.
#pragma once

#include <string>

#include "io/file_system.h"
#include "springg/maintenance.h"
#include "springg/status.h"

namespace springg::engine {

// See springg::check(). Somebody may be writing: what seems to be missing because the writer went
// on is looked for in the newer state.
Result<CheckReport> check_directory(io::FileSystem& files, const std::string& directory);

// An error about a file of the directory as a problem.
Problem problem_of(const std::string& directory, const Status& status);

}  // namespace springg::engine
