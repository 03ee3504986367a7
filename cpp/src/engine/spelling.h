// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace springg::engine {

// Up to three of `names` that differ from `wanted` by few edits, nearest first.
std::vector<std::string> near_spellings(std::string_view wanted,
                                        const std::vector<std::string>& names);

}  // namespace springg::engine
