// SPDX-License-Identifier: MIT
// The content of a manifest as JSON text (docs/format.md).
#pragma once

#include <string>
#include <string_view>

#include "springg/status.h"
#include "storage/manifest.h"

namespace springg::storage {

std::string encode_manifest(const Manifest& manifest);
// kCorruption says which field is missing or outside its range. Unknown fields are passed over.
Result<Manifest> decode_manifest(std::string_view json);

}  // namespace springg::storage
