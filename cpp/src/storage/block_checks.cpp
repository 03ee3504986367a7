// SPDX-License-Identifier: MIT
#include "storage/block_checks.h"

#include <algorithm>
#include <limits>
#include <new>
#include <utility>

#include "base/checksum.h"
#include "storage/section_layout.h"

namespace springg::storage {

namespace {
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

bool BlockChecks::compare(std::uint64_t begin, std::uint64_t end) noexcept {
  end = std::min<std::uint64_t>(end, extent_.size());
  if (passed() || begin >= end) return false;
  const std::uint64_t last = (end - 1) / kBlockBytes;
  bool any = false;
  for (std::uint64_t block = begin / kBlockBytes; block <= last; ++block) {
    any = compare_block(block) || any;
  }
  return any;
}

std::optional<std::uint64_t> BlockChecks::damage() const noexcept {
  const std::uint64_t offset = damage_.load(std::memory_order_acquire);
  return offset == kNone ? std::nullopt : std::optional(offset);
}

bool BlockChecks::compare_block(std::uint64_t block) noexcept {
  if (compared_[block].load(std::memory_order_acquire)) return false;
  if (!block_matches(extent_, checksums_, block)) {
    std::uint64_t known = damage_.load(std::memory_order_relaxed);
    const std::uint64_t here = block * kBlockBytes;
    while (here < known && !damage_.compare_exchange_weak(known, here, std::memory_order_acq_rel)) {
    }
    return true;  // not as compared: who asks for it again must not be told that it passed
  }
  // Of threads that compared it at the same time one counts it.
  if (!compared_[block].exchange(true, std::memory_order_acq_rel)) {
    left_.fetch_sub(1, std::memory_order_acq_rel);
  }
  return true;
}

}  // namespace springg::storage
