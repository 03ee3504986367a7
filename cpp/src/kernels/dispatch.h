// SPDX-License-Identifier: MIT
// Chooses the kernels once: the best instruction set that is compiled in and that this processor
// (and operating system) has, or the one that SPRINGG_FORCE_ISA names.
#pragma once

#include <string_view>
#include <vector>

#include "kernels/distance_table.h"
#include "springg/status.h"

namespace springg::kernels {

// The table in use. Aborts nothing: when SPRINGG_FORCE_ISA is wrong this is the best table, and
// check_forced_isa() has the error, which Database::open and cpu_features() return.
const DistanceTable& active_table() noexcept;
Status check_forced_isa();
// SPRINGG_FORCE_ISA as it was at first use; empty when unset.
std::string_view forced_isa() noexcept;

// The table of `available` (slowest first) that `forced` names, the last when it is empty;
// kUnsupported, with what there is, when it names none.
Result<const DistanceTable*> select_table(const std::vector<const DistanceTable*>& available,
                                          std::string_view forced);

// Tables of every instruction set that runs here, slowest first. For cpu_features() and tests.
std::vector<const DistanceTable*> available_tables();

}  // namespace springg::kernels
