// SPDX-License-Identifier: MIT
// Metadata documents: one JSON object a row, kept as compact UTF-8 text.
#pragma once

#include <string>
#include <string_view>

#include "springg/status.h"

namespace springg::storage {

// Checks that `text` is one JSON object within limits (bytes after compaction, depth), valid UTF-8
// without lone surrogates, integers within [-2^63, 2^64), numbers finite; appends it without
// insignificant white space to `out`. On an error `out` is as it was. kInvalidArgument says what
// and at which byte. Key order, duplicate keys and number spellings are kept as they are.
Status append_compact_object(std::string_view text, std::string& out);

}  // namespace springg::storage
