// SPDX-License-Identifier: MIT
// What springg::usable_processors() (springg/cpu.h) is made of.
#pragma once

#include <string>
#include <string_view>

namespace springg::io {

// Processors that a control group leaves this process, rounded up; 0 when there is no limit.
// `membership` is the text of /proc/self/cgroup, `root` the directory where control groups are
// mounted. Reads version 2 (cpu.max of the group and all above it) and version 1
// (cpu.cfs_quota_us).
unsigned processors_of_cgroup(const std::string& root, std::string_view membership);

}  // namespace springg::io
