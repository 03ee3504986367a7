// SPDX-License-Identifier: MIT
// Reads the log after an end of the process, clean or not, and tells a torn tail, which is cut,
// from lost history, which is refused. Reads only.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/function_ref.h"
#include "base/uuid.h"
#include "io/file_system.h"
#include "springg/status.h"
#include "storage/manifest.h"
#include "storage/wal_format.h"

namespace springg::storage {

struct WalDamage {
  std::string file;
  std::uint64_t offset = 0;
  Lsn lsn = 0;
};

// Positions up to which an index has its records in segments already, by log_ref; an index that is
// not in it needs all of its records.
using WalCovered = std::map<std::uint32_t, Lsn>;
// Indexes are flushed at different positions: all but the last are ahead of manifest.lsn.
WalCovered covered_by(const Manifest& manifest);

struct WalScan {
  bool any_file = false;
  std::vector<WalFileStart> files;  // all there are, by sequence
  std::uint64_t last_sequence = 0;  // of the newest file; 0 without files
  Lsn last_lsn = 0;                 // of the last whole frame, at least `after`
  std::uint64_t last_stamp = 0;     // the greatest of a frame that was read
  // Of what need not be written anew: `after` or the caller's `durable`, what a frame knew, what
  // lies before the newest file or is damaged there.
  Lsn durable_lsn = 0;
  // Where a new file must go on so that frames beyond durable_lsn, which may be in memory alone,
  // are written anew: bytes of the newest file that count without them, and the checksum of the
  // last header in them. 0: nothing of it counts, its frames end before `after`.
  std::uint64_t tail_offset = 0;
  std::uint32_t tail_crc = 0;
  std::vector<WalTailRecord> tail;  // those frames: all from durable_lsn + 1 to last_lsn
  std::uint64_t live_bytes = 0;     // of the frames behind `after` and up to durable_lsn
  std::uint64_t torn_bytes = 0;     // cut off behind the last whole frame, up to the last non-zero
  std::uint64_t torn_offset = 0;    // in the newest file
  // Indexes with a frame whose payload is damaged while its header and the chain are whole: their
  // frames from there on were not visited.
  std::map<std::uint32_t, WalDamage> damaged_indexes;
};

// Visits the frames behind `after` in order, but for those that are `covered`. `durable`: the
// manifest's. Payloads up to `after` and of covered frames are not looked at, nor are files that
// end at `after`; all else is checked. kCorruption (file, offset, and
// detail "lsn") when frames are missing, damaged in the middle, or of another store; kUnsupported
// for a newer format or an unknown record; the visitor's error ends the scan. One pass over the
// bytes, one copy of each payload; in memory besides: the longest payload and the tail.
Result<WalScan> scan_wal(io::FileSystem& files, const std::string& directory,
                         const base::Uuid& store, Lsn after, Lsn durable,
                         base::FunctionRef<Status(const WalFrame&)> visit,
                         const WalCovered& covered = {});

// The greatest position of a frame anywhere in the log whose header verifies, whatever lies before
// it; 0: none. For going on behind all there ever was. Reads every byte; files whose own header is
// damaged, which no scan goes into, are passed over.
Result<Lsn> greatest_lsn(io::FileSystem& files, const std::string& directory);

}  // namespace springg::storage
