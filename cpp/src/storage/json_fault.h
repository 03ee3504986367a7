// SPDX-License-Identifier: MIT
// Says what is wrong with a JSON text that the parser refused, and where. Slow path only.
#pragma once

#include <optional>
#include <string_view>

#include "storage/bytes.h"

namespace springg::storage {

// The first fault of a text that has to be one JSON object nested at most `depth_max` deep.
std::optional<Defect> find_json_fault(std::string_view text, std::size_t depth_max);

}  // namespace springg::storage
