// SPDX-License-Identifier: MIT
// What recovery does when it repairs: it goes on without what is lost, and keeps count of that.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/uuid.h"
#include "engine/stored_index.h"
#include "springg/maintenance.h"
#include "storage/manifest.h"
#include "storage/wal_format.h"

namespace springg::engine {

// One thread.
class Salvage {
 public:
  // Of a segment that does not open as it is: with its delta left out when it is that which is
  // damaged, and none when the rows are lost.
  Result<std::optional<PartView>> part(const StoredFiles& from, const storage::SegmentEntry& entry,
                                       const IndexOptions& options);
  // Rows of a part without its delta whose ids came again later are deleted once more: an id has
  // one row. Call it with all parts of an index.
  void settle(IndexState& state) const;

  // Whether a record of this index may still be done again; those behind one that could not are
  // lost, and counted.
  bool wants(const storage::WalFrame& frame);
  void lose(const storage::WalFrame& frame);
  void passed(storage::Lsn lsn) { last_lsn_ = std::max(last_lsn_, lsn); }
  storage::Lsn last_lsn() const { return last_lsn_; }
  // Rows that records of the log had which were dropped, by log_ref.
  const std::map<std::uint32_t, std::uint64_t>& lost_log_rows() const { return lost_log_rows_; }

 private:
  std::set<const Part*> without_delta_;
  std::map<std::uint32_t, std::uint64_t> lost_log_rows_;
  storage::Lsn last_lsn_ = 0;
};

}  // namespace springg::engine
