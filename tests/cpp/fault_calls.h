// SPDX-License-Identifier: MIT
// A disk that is full from some call on, and what was called.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/fault_file_system.h"

namespace springg::testing {

// The call after `calls` more that need space fails, and all that follow it. Removing needs none.
inline io::Fault full_disk_after(std::uint64_t calls) {
  io::Fault fault;
  fault.calls = io::kMutatingCalls.without(io::Call::kRemove).without(io::Call::kLockDirectory);
  fault.skip = calls;
  fault.times = io::Fault::kForEver;
  fault.error = io::FaultError::kNoSpace;
  return fault;
}

inline std::vector<std::string> call_names(const io::FaultFileSystem& files) {
  std::vector<std::string> names;
  for (const io::Call call : files.calls()) names.emplace_back(to_string(call));
  return names;
}

}  // namespace springg::testing
