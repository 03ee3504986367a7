// SPDX-License-Identifier: MIT
// errno as a Status.
#pragma once

#include <string>
#include <string_view>

#include "springg/status.h"

namespace springg::io {

// "cannot <action> <path>: <the system's text>" with details "file" and "errno". kNotFound,
// kAlreadyExists, kResourceExhausted (disk, quota, file size limit, memory), else kIoError.
Status posix_status(int error, std::string_view action, const std::string& path);

}  // namespace springg::io
