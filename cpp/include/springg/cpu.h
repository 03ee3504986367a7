// SPDX-License-Identifier: MIT
// Which instruction set the kernels use. Chosen once, at first use.
#pragma once

#include <string>
#include <vector>

#include "springg/status.h"

namespace springg {

struct CpuFeatures {
  std::string isa;                     // in use: "sse2", "avx2", "avx512", "avx512vnni", "neon"
  std::vector<std::string> available;  // compiled in and supported here, slowest first
  std::string forced;                  // value of SPRINGG_FORCE_ISA, empty when unset
};

// kUnsupported when SPRINGG_FORCE_ISA names an instruction set that is not built or not here.
Result<CpuFeatures> cpu_features();

// Processors this process may use: affinity mask and cgroup quota, at least 1.
unsigned usable_processors();

}  // namespace springg
