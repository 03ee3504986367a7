// SPDX-License-Identifier: MIT
// What History and CrashPoint share, and how FaultFileSystem hands it over and takes it back.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "io/disk_model.h"

namespace springg::io {

// Immutable once History has it.
struct RecordedRun {
  std::uint64_t first = 0;  // number of operations.front()
  DiskModel start;          // before it
  std::vector<std::shared_ptr<const Operation>> operations;
  Inode next_inode = 1;
  std::shared_ptr<MappingMemory> memory;
  // The model after each `spacing` operations.
  std::vector<DiskModel> checkpoints;
  std::size_t spacing = 0;

  std::uint64_t end() const noexcept { return first + operations.size(); }
  void make_checkpoints();
  DiskModel model_at(std::uint64_t number) const;
};

}  // namespace springg::io
