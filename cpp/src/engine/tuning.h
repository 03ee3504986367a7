// SPDX-License-Identifier: MIT
// Sizes at which the engine goes another way. Tests make them small, so that a few rows see all.
#pragma once

#include <cstddef>
#include <cstdint>

#include "springg/options.h"

namespace springg::engine {

struct Tuning {
  // Vectors of one call beyond this are written to a file of their own, which the log names: the
  // log stays short, and its buffers small.
  std::size_t logged_vector_bytes_max = std::size_t{8} << 20;
  // A call of more rows is built into a segment. At most kMemtableRowsMax.
  std::size_t memtable_call_rows_max = limits::kMemtableRowsMax;
  // A read-only database looks for what the writer did so often; 0: on refresh() alone.
  std::uint32_t follow_interval_ms = 50;
  // Vectors of a segment from so many bytes on are compared with their checksums in the background
  // and where they are read, not while the database is opened.
  std::uint64_t compare_later_bytes = std::uint64_t{64} << 20;
  bool compare_in_background = true;  // false: only where they are read
  // An index that nobody has changed for so long is put in order (merge_policy.h); 0: never.
  std::uint32_t rest_ms = 1000;
  std::uint64_t rest_rows_min = 4096;  // live rows below which it is not
  // Files of the log: see WalSettings.
  std::uint64_t log_file_bytes_min = std::uint64_t{1} << 20;
  std::uint64_t log_file_bytes_max = std::uint64_t{64} << 20;
};

}  // namespace springg::engine
