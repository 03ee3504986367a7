// SPDX-License-Identifier: MIT
#include "storage/wal_inventory.h"

#include <new>

namespace springg::storage {

namespace {
// live_bytes() is right to this many bytes after a release in the middle.
constexpr std::uint64_t kMarkBytes = std::uint64_t{64} << 10;
}  // namespace

void WalInventory::add_older(std::span<const WalFileStart> files, std::uint64_t live_bytes,
                             Lsn lsn) {
  for (const WalFileStart& file : files) files_.push_back({file, true});
  position_ = live_bytes;
  marked_ = live_bytes;
  marks_.push_back({lsn, live_bytes});
}

void WalInventory::add_frame(Lsn lsn, std::uint64_t bytes) noexcept {
  position_ += bytes;
  if (position_ - marked_ < kMarkBytes) return;
  try {
    marks_.push_back({lsn, position_});
    marked_ = position_;
  } catch (const std::bad_alloc&) {
    // A coarser count until there is memory again.
  }
}

void WalInventory::release(Lsn checkpoint, Lsn last) noexcept {
  for (; !marks_.empty() && marks_.front().lsn <= checkpoint; marks_.pop_front()) {
    released_ = marks_.front().position;
  }
  if (checkpoint >= last) released_ = position_;
}

std::optional<std::uint64_t> WalInventory::take_unneeded(Lsn checkpoint, Lsn written) noexcept {
  if (files_.size() < 2) return std::nullopt;
  const File& next = files_[1];
  if (next.start.first_lsn > checkpoint && next.start.first_lsn - checkpoint > 1) {
    return std::nullopt;
  }
  if (!next.older && next.start.first_lsn > written) return std::nullopt;
  return take_any();
}

std::optional<std::uint64_t> WalInventory::take_any() noexcept {
  if (files_.empty()) return std::nullopt;
  const std::uint64_t sequence = files_.front().start.sequence;
  files_.pop_front();
  return sequence;
}

}  // namespace springg::storage
