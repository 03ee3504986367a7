// SPDX-License-Identifier: MIT
// Where a segment lies that was made of others: in memory until a flush writes it, or, under a
// memory limit, in a file from the beginning (docs/adr/0017).
#pragma once

#include <cstdint>
#include <memory>

#include "base/uuid.h"
#include "engine/memory_budget.h"
#include "io/file_system.h"
#include "storage/segment.h"
#include "storage/write_ahead_log.h"

namespace springg::engine {

// What those who make segments ask of the database.
class SegmentHome {
 public:
  virtual ~SegmentHome() = default;
  // Writes a segment into a file of its own, durably, and maps it; null in memory alone. No
  // manifest names it yet: it stays until the log does not need it (keep_file) or forget_file().
  virtual Result<std::shared_ptr<const storage::Segment>> write_file(
      const storage::Segment& segment) = 0;
  virtual void keep_file(const base::Uuid& segment, storage::Lsn lsn) noexcept = 0;
  virtual void forget_file(const base::Uuid& segment) noexcept = 0;
  // Null: there is none, and memory of the process has to do.
  virtual std::unique_ptr<io::ScratchMemory> make_scratch(std::uint64_t bytes) = 0;
};

// A file that goes unless the segment in it enters a view.
class PlacedFile {
 public:
  PlacedFile(SegmentHome& home, const base::Uuid& segment) : home_(home), segment_(segment) {}
  ~PlacedFile() {
    if (!kept_) home_.forget_file(segment_);
  }
  PlacedFile(const PlacedFile&) = delete;
  PlacedFile& operator=(const PlacedFile&) = delete;

  // `last`: the log's last record when the segment entered the view. A manifest that holds a later
  // one was made of that view or its successors, and names the file or does without it.
  void keep(storage::Lsn last) noexcept {
    home_.keep_file(segment_, last + 1);
    kept_ = true;
  }

 private:
  SegmentHome& home_;
  const base::Uuid segment_;
  bool kept_ = false;
};

struct SegmentPlace {
  std::shared_ptr<MemoryBudget> budget;
  SegmentHome* home = nullptr;  // null: in memory
};

}  // namespace springg::engine
