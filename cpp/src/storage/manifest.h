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
#include "storage/wal_format.h"

namespace springg::storage {

struct SegmentEntry {
  base::Uuid uuid;
  std::uint64_t rows = 0;
  std::uint64_t file_bytes = 0;
  std::optional<base::Uuid> delta;

  bool operator==(const SegmentEntry&) const = default;
};

struct IndexEntry {
  std::string name;
  base::Uuid uuid;  // stays when the index is renamed
  // What the log calls it. clear() gives another one: records with the old one are void.
  std::uint32_t log_ref = 0;
  Lsn lsn = 0;  // records of it up to here are in the segments
  IndexOptions options;
  std::uint64_t next_sequence = 1;
  std::vector<SegmentEntry> segments;  // by first sequence
  std::optional<SearchTuning> tuning = std::nullopt;
};

struct Manifest {
  base::Uuid store;
  std::uint64_t generation = 0;
  Lsn lsn = 0;                     // records up to here are in the segments, or void
  Lsn durable_lsn = 0;             // the log was on the disk up to here
  std::uint32_t next_log_ref = 1;  // every index ever made has a lower one
  std::uint64_t created_at_unix_ms = 0;
  std::vector<IndexEntry> indexes;  // by name
};

// Writes the file of manifest.generation atomically and syncs the directory. After an error it may
// have its name all the same: whether the disk has that is unknown then.
Status publish_manifest(io::FileSystem& files, const std::string& directory,
                        const Manifest& manifest);
// The highest generation in the directory; none when there is no manifest. kCorruption when it is
// damaged (an older one is not taken: it would silently lose what was published since),
// kUnsupported when its min_reader is above this release's.
Result<std::optional<Manifest>> read_newest_manifest(io::FileSystem& files,
                                                     const std::string& directory);
// The manifest of one generation; errors as above, and kNotFound when it is not there.
Result<Manifest> read_manifest(io::FileSystem& files, const std::string& directory,
                               std::uint64_t generation);

// Tells one manifest from another without reading it: a generation whose publication failed may
// come again with other contents.
struct ManifestStamp {
  std::uint64_t generation = 0;
  std::uint64_t checksum = 0;  // of its header page, which has that of the rest

  bool operator==(const ManifestStamp&) const = default;
};
// Of the newest one, while somebody may be publishing; none when there is no manifest. Nothing is
// verified. I/O of a listing and a page.
Result<std::optional<ManifestStamp>> newest_manifest_stamp(io::FileSystem& files,
                                                           const std::string& directory);
std::string manifest_file_name(std::uint64_t generation);

}  // namespace springg::storage
