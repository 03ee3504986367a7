// SPDX-License-Identifier: MIT
// The one function that each instruction set's object shows to the rest of the program.
#pragma once

#include "kernels/distance_table.h"

namespace springg::kernels {

const DistanceTable& sse2_table() noexcept;
const DistanceTable& avx2_table() noexcept;
const DistanceTable& avx512_table() noexcept;
const DistanceTable& avx512vnni_table() noexcept;
const DistanceTable& neon_table() noexcept;

}  // namespace springg::kernels
