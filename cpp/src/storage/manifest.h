// SPDX-License-Identifier: MIT
// The immutable list of what is live: `manifest-<generation, 16 digits>`. The highest generation is
// the state of the database; becoming it is one rename.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/uuid.h"
#include "io/file_system.h"
#include "springg/options.h"
#include "springg/status.h"

namespace springg::storage {

struct SegmentEntry {
  base::Uuid uuid;
  std::uint64_t rows = 0;
  std::uint64_t file_bytes = 0;
  std::optional<base::Uuid> delta;
};

struct IndexEntry {
  std::string name;
  base::Uuid uuid;                // stays when the index is renamed
  std::uint64_t incarnation = 0;  // grows with clear(); rows of older ones are void
  IndexOptions options;
  std::uint64_t next_sequence = 1;
  std::vector<SegmentEntry> segments;  // by first sequence
};

struct Manifest {
  base::Uuid store;
  std::uint64_t generation = 0;
  std::uint64_t lsn = 0;  // position in a write-ahead log; 0: there is none
  std::uint64_t created_at_unix_ms = 0;
  std::vector<IndexEntry> indexes;  // by name
};

// Writes the file of manifest.generation atomically and syncs the directory.
Status publish_manifest(io::FileSystem& files, const std::string& directory,
                        const Manifest& manifest);
// The highest generation in the directory; none when there is no manifest. kCorruption when it is
// damaged (an older one is not taken: it would silently lose what was published since),
// kUnsupported when its min_reader is above this release's.
Result<std::optional<Manifest>> read_newest_manifest(io::FileSystem& files,
                                                     const std::string& directory);
std::string manifest_file_name(std::uint64_t generation);

}  // namespace springg::storage
