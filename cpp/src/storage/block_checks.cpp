// SPDX-License-Identifier: MIT
#include "storage/block_checks.h"

#include <algorithm>
#include <array>
#include <limits>
#include <new>
#include <utility>

#include "base/checksum.h"
#include "storage/section_layout.h"

namespace springg::storage {

namespace {
// Asked for when one has to be read from the disk: mostly all are compared, one after another.
constexpr std::size_t kBlocksAhead = 4;
constexpr std::uint64_t kNone = std::numeric_limits<std::uint64_t>::max();
}  // namespace

bool block_matches(std::span<const std::byte> extent, std::span<const std::byte> checksums,
                   std::uint64_t block) noexcept {
  const std::uint64_t begin = block * kBlockBytes;
  const auto bytes =
      extent.subspan(begin, std::min<std::uint64_t>(kBlockBytes, extent.size() - begin));
  return base::xxh3(bytes) == load<std::uint64_t>(checksums, block * sizeof(std::uint64_t));
}

Result<std::unique_ptr<BlockChecks>> BlockChecks::create(std::span<const std::byte> extent,
                                                         std::span<const std::byte> checksums) {
  std::unique_ptr<std::atomic<bool>[]> compared(new (std::nothrow)
                                                    std::atomic<bool>[blocks_of(extent.size())]());
  if (compared != nullptr) {
    std::unique_ptr<BlockChecks> checks(new (std::nothrow)
                                            BlockChecks(extent, checksums, std::move(compared)));
    if (checks != nullptr) return checks;
  }
  return resource_exhausted("out of memory");
}

BlockChecks::BlockChecks(std::span<const std::byte> extent, std::span<const std::byte> checksums,
                         std::unique_ptr<std::atomic<bool>[]> compared) noexcept
    : extent_(extent),
      checksums_(checksums),
      compared_(std::move(compared)),
      left_(blocks_of(extent.size())),
      damage_(kNone) {}

void BlockChecks::compare(std::uint64_t begin, std::uint64_t end) noexcept {
  end = std::min<std::uint64_t>(end, extent_.size());
  if (passed() || begin >= end) return;
  const std::uint64_t last = (end - 1) / kBlockBytes;
  for (std::uint64_t block = begin / kBlockBytes; block <= last; ++block) compare_block(block);
}

std::optional<std::uint64_t> BlockChecks::damage() const noexcept {
  const std::uint64_t offset = damage_.load(std::memory_order_acquire);
  return offset == kNone ? std::nullopt : std::optional(offset);
}

bool BlockChecks::matches(std::uint64_t block) const noexcept {
  if (reader_ == nullptr) return block_matches(extent_, checksums_, block);
  static thread_local std::unique_ptr<std::byte[]> memory;
  if (memory == nullptr) memory.reset(new (std::nothrow) std::byte[kBlockBytes]);
  if (memory == nullptr) return block_matches(extent_, checksums_, block);
  std::array<io::FileRange, 1 + kBlocksAhead> ranges;
  std::size_t count = 0;
  for (std::uint64_t at = block * kBlockBytes; count < ranges.size() && at < extent_.size();) {
    const std::uint64_t bytes = std::min<std::uint64_t>(kBlockBytes, extent_.size() - at);
    ranges[count++] = {offset_ + at, {memory.get(), bytes}};
    at += bytes;
  }
  const std::span<const io::FileRange> all(ranges.data(), count);
  if (!reader_->read(all.first(1), all.subspan(1))) {
    return block_matches(extent_, checksums_, block);
  }
  return base::xxh3(ranges[0].to) == load<std::uint64_t>(checksums_, block * sizeof(std::uint64_t));
}

void BlockChecks::compare_block(std::uint64_t block) noexcept {
  if (compared_[block].load(std::memory_order_acquire)) return;
  if (!matches(block)) {
    std::uint64_t known = damage_.load(std::memory_order_relaxed);
    const std::uint64_t here = block * kBlockBytes;
    while (here < known && !damage_.compare_exchange_weak(known, here, std::memory_order_acq_rel)) {
    }
    return;  // not as compared: who asks for it again must not be told that it passed
  }
  // Of threads that compared it at the same time one counts it.
  if (!compared_[block].exchange(true, std::memory_order_acq_rel)) {
    left_.fetch_sub(1, std::memory_order_acq_rel);
  }
}

}  // namespace springg::storage
