// SPDX-License-Identifier: MIT
// What recovery does when it repairs: it goes on without what is lost, and keeps count of that.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/uuid.h"
#include "engine/index_impl.h"
#include "engine/stored_index.h"
#include "springg/maintenance.h"
#include "storage/manifest.h"
#include "storage/wal_format.h"

namespace springg::engine {

// Of the records of one index.
struct LostRecords {
  bool ended = false;          // none behind a certain one was done again
  std::uint64_t rows = 0;      // in the records from there on
  std::uint64_t segments = 0;  // records whose segment is lost; those behind them were done again
  std::uint64_t metadata = 0;  // changes of metadata whose rows are lost
  std::uint64_t unreadable_metadata = 0;  // records
};

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

  // Whether a record of this index may still be done again; those behind one that ended that are
  // lost, and counted.
  bool wants(const storage::WalFrame& frame);
  // Does the record again, for the rows that are there. kCorruption: it is lost.
  Status replay(const storage::WalFrame& frame, IndexImpl& index, const SegmentOpener& open);
  // The record could not be done again. Decides what becomes of those behind it.
  void lose(const storage::WalFrame& frame);
  void passed(storage::Lsn lsn) { last_lsn_ = std::max(last_lsn_, lsn); }
  storage::Lsn last_lsn() const { return last_lsn_; }
  // What was dropped of the log, by log_ref.
  const std::map<std::uint32_t, LostRecords>& lost_records() const { return lost_records_; }

 private:
  std::set<const Part*> without_delta_;
  std::map<std::uint32_t, LostRecords> lost_records_;
  storage::Lsn last_lsn_ = 0;
};

}  // namespace springg::engine
