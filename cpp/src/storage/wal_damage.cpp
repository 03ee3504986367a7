// SPDX-License-Identifier: MIT
#include "storage/wal_damage.h"

#include <algorithm>
#include <cstring>

#include "base/seeded_bug.h"

namespace springg::storage {

namespace {

constexpr std::size_t kWord = sizeof(std::uint64_t);

bool all_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

// A later frame that was made when this one was on the disk. Only headers that verify are believed;
// what stands behind them may be torn.
bool later_frame_knows(std::span<const std::byte> file, std::uint64_t salt,
                       const WalBadFrame& bad) {
  for (std::size_t at = bad.offset; at + kWalFrameHeaderBytes <= file.size(); at += kWord) {
    if (!starts_wal_frame(file, at)) continue;
    const auto header = decode_wal_frame_header(file.subspan(at), salt);
    if (header && header->lsn > bad.lsn && header->durable_lsn >= bad.lsn) return true;
  }
  return false;
}

// The end of the frame, from its trailer, where its header does not tell.
std::optional<std::uint64_t> end_by_trailer(std::span<const std::byte> file, std::uint64_t salt,
                                            const WalBadFrame& bad) {
  const std::uint64_t trailer = wal_trailer(bad.lsn, salt);
  for (std::size_t at = bad.offset + kWalFrameHeaderBytes; at + kWord <= file.size(); at += kWord) {
    if (load<std::uint64_t>(file, at) == trailer) return at + kWord;
  }
  return std::nullopt;
}

// The part of a sector that a whole frame covers is never zero: it starts with the marker, or ends
// with the trailer, or has a header's checksum or whitened payload.
bool has_unwritten_sector(std::span<const std::byte> file, std::uint64_t begin, std::uint64_t end) {
  while (begin < end) {
    const std::uint64_t next = std::min(end, (begin / kSectorBytes + 1) * kSectorBytes);
    if (all_zero(file.subspan(begin, next - begin))) return true;
    begin = next;
  }
  return false;
}

}  // namespace

bool was_written(std::span<const std::byte> file, std::uint64_t salt, const WalBadFrame& bad) {
  if constexpr (base::kSeededBug == base::kBugCutInTheMiddle) return false;
  if constexpr (base::kSeededBug == base::kBugRefuseTornTail) return true;
  if (bad.durable >= bad.lsn || later_frame_knows(file, salt, bad)) return true;
  if (bad.frame_bytes) {
    const auto frame = file.subspan(bad.offset, *bad.frame_bytes);
    return wal_trailer_of(frame, bad.lsn, salt) != WalTrailer::kUnfinished &&
           !has_unwritten_sector(file, bad.offset, bad.offset + frame.size());
  }
  const auto end = end_by_trailer(file, salt, bad);
  return end && !has_unwritten_sector(file, bad.offset, *end);
}

std::optional<std::uint64_t> next_whole_frame(std::span<const std::byte> file, std::uint64_t salt,
                                              std::uint64_t from, Lsn above, Lsn through) {
  for (std::size_t at = from + kWord; at + kWalFrameHeaderBytes <= file.size(); at += kWord) {
    if (!starts_wal_frame(file, at)) continue;
    const auto header = decode_wal_frame_header(file.subspan(at), salt);
    if (header && header->lsn > above && header->lsn <= through) return at;
  }
  return std::nullopt;
}

std::uint64_t end_of_bytes(std::span<const std::byte> file, std::uint64_t offset) {
  std::size_t end = file.size();
  // Zeros are skipped in large steps: most of a file may be what was written ahead.
  constexpr std::size_t kStep = 4096;
  while (end - offset >= kStep) {
    const auto step = file.subspan(end - kStep, kStep);
    if (step[0] != std::byte{0} || std::memcmp(step.data(), step.data() + 1, kStep - 1) != 0) break;
    end -= kStep;
  }
  while (end > offset && file[end - 1] == std::byte{0}) --end;
  return end;
}

}  // namespace springg::storage
