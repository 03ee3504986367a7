// SPDX-License-Identifier: MIT
// What changed in a segment since it was written: deleted rows and replaced metadata. A small
// immutable file `<uuid>.delta`, written anew by each flush that finds changes, named by the
// manifest beside its segment.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/uuid.h"
#include "io/file_system.h"
#include "springg/status.h"

namespace springg::storage {

struct Delta {
  std::uint32_t rows = 0;              // of the segment
  std::vector<std::uint32_t> deleted;  // ascending
  // Ascending by row; none = the row has no metadata any more.
  std::vector<std::pair<std::uint32_t, std::optional<std::string>>> metadata;
};

std::string delta_file_name(const base::Uuid& uuid);
// Temporary file, sync, rename; the caller syncs the directory.
Status write_delta(io::FileSystem& files, const std::string& directory, const base::Uuid& uuid,
                   const Delta& delta);
// kCorruption when damaged or when its rows differ from `segment_rows`.
Result<Delta> read_delta(io::FileSystem& files, const std::string& directory,
                         const base::Uuid& uuid, std::uint32_t segment_rows);

}  // namespace springg::storage
