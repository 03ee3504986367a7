// SPDX-License-Identifier: MIT
#include "springg/cpu.h"

#include "kernels/dispatch.h"

namespace springg {

Result<CpuFeatures> cpu_features() {
  SPRINGG_RETURN_IF_ERROR(kernels::check_forced_isa());
  CpuFeatures features;
  features.isa = kernels::active_table().isa;
  for (const kernels::DistanceTable* table : kernels::available_tables()) {
    features.available.emplace_back(table->isa);
  }
  features.forced = kernels::forced_isa();
  return features;
}

}  // namespace springg
