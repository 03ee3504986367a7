// SPDX-License-Identifier: MIT
// Which files of the log there are and how many bytes of frames are still needed. The caller's
// mutex guards it.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "storage/wal_format.h"

namespace springg::storage {

class WalInventory {
 public:
  // Files that recovery found; `live_bytes` of frames in them, up to `lsn`, are needed.
  void add_older(std::span<const WalFileStart> files, std::uint64_t live_bytes, Lsn lsn);
  void add_file(const WalFileStart& file) { files_.push_back({file, false}); }
  // The file that was added last is not used after all.
  void take_back() noexcept { files_.pop_back(); }
  // A frame was appended.
  void add_frame(Lsn lsn, std::uint64_t bytes) noexcept;

  std::uint64_t live_bytes() const { return position_ - released_; }
  // Frames up to `checkpoint` are needed no more.
  void release(Lsn checkpoint, Lsn last) noexcept;
  // The oldest file, taken out, if it holds no frame behind `checkpoint` and the one after it has
  // been written, that is to say, its first frame is at or below `written`.
  std::optional<std::uint64_t> take_unneeded(Lsn checkpoint, Lsn written) noexcept;
  std::optional<std::uint64_t> take_any() noexcept;

 private:
  struct File {
    WalFileStart start;
    bool older = false;
  };
  // Frames up to `lsn` end at this many bytes.
  struct Mark {
    Lsn lsn = 0;
    std::uint64_t position = 0;
  };

  std::deque<File> files_;
  std::deque<Mark> marks_;
  std::uint64_t position_ = 0;  // bytes of all frames so far
  std::uint64_t marked_ = 0;
  std::uint64_t released_ = 0;
};

}  // namespace springg::storage
