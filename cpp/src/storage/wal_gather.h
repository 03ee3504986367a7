// SPDX-License-Identifier: MIT
// Where frames wait for the leader who writes them: one buffer for each file that they go to, in
// order. No I/O; the caller's mutex guards it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "springg/status.h"
#include "storage/wal_file.h"
#include "storage/wal_format.h"

namespace springg::storage {

// Bytes to write to a file, from an offset on.
struct WalBatch {
  std::shared_ptr<WalFile> file;  // null: nothing
  std::uint64_t offset = 0;
  std::vector<std::byte> bytes;
};

// What one leader writes.
struct WalFlight {
  std::vector<WalBatch> older;  // of files that have got their last frame
  WalBatch newest;
};

class WalGather {
 public:
  // What the first file repeats of the one before it.
  WalGather(std::uint64_t previous_bytes, std::uint32_t previous_crc)
      : offset_(previous_bytes), chain_(previous_crc) {}

  bool fits(std::uint64_t frame_bytes) const {
    return newest_.file != nullptr && newest_.file->bytes() - offset_ >= frame_bytes;
  }
  bool more_than_half_full() const {
    return newest_.file != nullptr && offset_ > newest_.file->bytes() / 2;
  }
  bool any_file() const { return newest_.file != nullptr; }
  // Of the frames that were not taken.
  std::uint64_t waiting_bytes() const { return older_bytes_ + newest_.bytes.size(); }

  // Frames go into `file` from now on; fills in what the header says of the file before. On
  // kResourceExhausted (no memory) nothing has changed.
  Status begin_file(std::shared_ptr<WalFile> file, WalFileHeader header);
  // A frame that fits. On kResourceExhausted (no memory) nothing has changed.
  Status add(const WalFrame& frame);

  // Never fails. The leader gives the buffer back when it has been written.
  WalFlight take() noexcept;
  void give_back(std::vector<std::byte> buffer) noexcept;

 private:
  std::vector<WalBatch> older_;
  std::uint64_t older_bytes_ = 0;
  WalBatch newest_;
  std::uint64_t salt_ = 0;
  std::uint64_t offset_;  // in the newest file, behind all its frames
  std::uint32_t chain_;   // checksum of the last header
  std::vector<std::byte> spare_;
};

}  // namespace springg::storage
