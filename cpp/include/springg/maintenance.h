// SPDX-License-Identifier: MIT
// Copies of a database, and whether its files are whole.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "springg/status.h"

namespace springg {

// A snapshot that was taken.
struct SnapshotInfo {
  std::string path;              // of its directory
  std::uint64_t lsn = 0;         // it holds exactly what the log had up to here
  std::uint64_t generation = 0;  // of its manifest
  std::uint64_t rows = 0;        // live, of all indexes
  std::uint64_t bytes = 0;       // of its files, those included that it shares
  bool linked = false;           // it shares all segments with its source; else some were copied
};

// One thing that is not as it should be.
struct Problem {
  std::string file;                     // in the directory; empty: none in particular
  std::optional<std::uint64_t> offset;  // in the file
  std::string what;
  std::string index;                       // whose rows; empty: of no one index
  std::optional<std::uint64_t> rows_lost;  // by repairing it; none: nobody can tell
};

struct CheckReport {
  std::vector<Problem> problems;
  std::vector<std::string> unknown_files;  // not ours: left alone
  // Of a process that ended, which the next open removes; or what a writer is making just now.
  std::vector<std::string> leftover_files;
  bool repaired = false;
  std::vector<std::string> kept_files;  // originals that a repair put into damaged/

  bool ok() const noexcept { return problems.empty(); }
};

// Makes a database of a snapshot, or of any directory that nobody writes to: everything in it is
// verified, then linked or copied, and the copy is opened once. `path` must be empty or not exist;
// after an error it holds nothing of this. kCorruption (file and offset), kNotFound,
// kFailedPrecondition, kResourceExhausted, kIoError. Reads every byte.
Status restore(const std::string& snapshot, const std::string& path);

// Verifies every checksum, graph and count of the newest manifest, its segments and deltas, and the
// log behind them. Changes nothing and takes no lock: a process may be writing meanwhile. Damage is
// in the report; an error is one of reading. Reads every byte that is live.
//
// `repair`: what is derived is made again; what is lost is dropped, and the report says how many
// rows of which index, as far as anybody can tell. Nobody may have the directory open
// (kFailedPrecondition). Every damaged file is kept in damaged/. kCorruption when no manifest is
// whole: then nothing is changed, but that damaged/ has every file once more (as links).
Result<CheckReport> check(const std::string& path, bool repair);

}  // namespace springg
