// SPDX-License-Identifier: MIT
// Reads the log after an end of the process, clean or not, and tells a torn tail, which is cut,
// from lost history, which is refused. Reads only.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/function_ref.h"
#include "base/uuid.h"
#include "io/file_system.h"
#include "springg/status.h"
#include "storage/wal_format.h"

namespace springg::storage {

struct WalDamage {
  std::string file;
  std::uint64_t offset = 0;
  Lsn lsn = 0;
};

struct WalScan {
  bool any_file = false;
  std::uint64_t last_sequence = 0;  // of the newest file; 0 without files
  Lsn last_lsn = 0;                 // of the last whole frame, at least `after`
  Lsn durable_lsn = 0;              // the greatest that a frame or the caller knew
  // Where a new file must go on so that frames beyond durable_lsn, which may be in memory alone,
  // are written anew: bytes of the newest file that count without them.
  std::uint64_t tail_offset = 0;
  std::uint64_t torn_bytes = 0;  // cut off behind the last whole frame, up to the last non-zero
  std::string torn_file;
  std::uint64_t torn_offset = 0;
  // Indexes with a frame whose payload is damaged while its header and the chain are whole: their
  // frames from there on were not visited.
  std::map<std::uint32_t, WalDamage> damaged_indexes;
};

// Visits the frames behind `after` in order. `durable`: the manifest's. kCorruption (file, offset,
// and detail "lsn") when frames are missing, damaged in the middle, or of another store;
// kUnsupported for a newer format or an unknown record; the visitor's error ends the scan.
Result<WalScan> scan_wal(io::FileSystem& files, const std::string& directory,
                         const base::Uuid& store, Lsn after, Lsn durable,
                         base::FunctionRef<Status(const WalFrame&)> visit);

}  // namespace springg::storage
