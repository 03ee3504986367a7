// SPDX-License-Identifier: MIT
#include "storage/wal_format.h"

#include <algorithm>
#include <charconv>

#include "base/crc32c.h"
#include "base/seeded_bug.h"

namespace springg::storage {

namespace {

constexpr std::uint32_t kFileMagic = 0x4c415753;    // "SWAL"
constexpr std::uint32_t kFrameMarker = 0x4d415246;  // "FRAM"
constexpr std::uint16_t kWalFormat = 1;
constexpr Lsn kLsnMax = Lsn{1} << 62;

// Offsets in the header of a file.
namespace file_at {
constexpr std::size_t kMagic = 0;
constexpr std::size_t kMinReader = 4;
constexpr std::size_t kFormat = 6;
constexpr std::size_t kStore = 8;
constexpr std::size_t kSequence = 24;
constexpr std::size_t kFirstLsn = 32;
constexpr std::size_t kSalt = 40;
constexpr std::size_t kPreviousWords = 48;
constexpr std::size_t kFileWords = 52;
constexpr std::size_t kPreviousCrc = 56;
constexpr std::size_t kHeaderCrc = 60;
}  // namespace file_at

// Offsets in the header of a frame.
namespace frame_at {
constexpr std::size_t kMarker = 0;
constexpr std::size_t kPayloadBytes = 4;
constexpr std::size_t kLsn = 8;
constexpr std::size_t kDurableLsn = 16;
constexpr std::size_t kStamp = 24;
constexpr std::size_t kOrigin = 32;
constexpr std::size_t kIndexRef = 40;
constexpr std::size_t kType = 44;
constexpr std::size_t kFlags = 46;
constexpr std::size_t kPreviousCrc = 48;
constexpr std::size_t kPayloadCrc = 52;
constexpr std::size_t kReserved = 56;
constexpr std::size_t kHeaderCrc = 60;
}  // namespace frame_at

constexpr std::string_view kPrefix = "wal-";
constexpr std::string_view kSuffix = ".log";
constexpr std::size_t kDigits = 16;
constexpr std::size_t kWord = sizeof(std::uint64_t);

std::uint32_t seed_of(std::uint64_t salt) noexcept {
  return static_cast<std::uint32_t>(salt) ^ static_cast<std::uint32_t>(salt >> 32);
}

// The same both ways.
void whiten(std::byte* out, const std::byte* in, std::size_t size, std::uint64_t salt) noexcept {
  std::size_t i = 0;
  for (; i + kWord <= size; i += kWord) {
    std::uint64_t word;
    std::memcpy(&word, in + i, kWord);
    word ^= salt;
    std::memcpy(out + i, &word, kWord);
  }
  for (std::size_t shift = 0; i < size; ++i, shift += 8) {
    out[i] = in[i] ^ static_cast<std::byte>(salt >> shift);
  }
}

Status differs(const std::string& path, std::size_t offset, const char* what,
               std::uint64_t expected, std::uint64_t actual) {
  return damaged(path, offset,
                 std::string(what) + ": expected " + std::to_string(expected) + ", got " +
                     std::to_string(actual));
}

// What a sealed header says, against the file and against sense.
Status check_header(const std::string& path, const WalFileHeader& header, std::size_t file_bytes) {
  if (header.file_bytes != file_bytes) {
    return differs(path, file_at::kFileWords, "file size", header.file_bytes, file_bytes);
  }
  if (header.first_lsn == 0 || header.first_lsn > kLsnMax) {
    return damaged(path, file_at::kFirstLsn,
                   "first position is " + std::to_string(header.first_lsn));
  }
  if (header.previous_bytes != 0 && header.previous_bytes < kWalHeaderBytes) {
    return damaged(path, file_at::kPreviousWords,
                   "the file before has " + std::to_string(header.previous_bytes) + " bytes");
  }
  return {};
}

}  // namespace

std::string wal_file_name(std::uint64_t sequence) {
  const std::string digits = std::to_string(sequence);
  std::string name(kPrefix);
  if (digits.size() < kDigits) name.append(kDigits - digits.size(), '0');
  return name.append(digits).append(kSuffix);
}

std::optional<std::uint64_t> wal_file_sequence(std::string_view name) {
  if (name.size() != kPrefix.size() + kDigits + kSuffix.size() || !name.starts_with(kPrefix) ||
      !name.ends_with(kSuffix)) {
    return std::nullopt;
  }
  const std::string_view digits = name.substr(kPrefix.size(), kDigits);
  std::uint64_t sequence = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + kDigits, sequence);
  if (error != std::errc() || end != digits.data() + kDigits || sequence == 0) return std::nullopt;
  return sequence;
}

std::uint64_t make_wal_salt(base::RandomSource random) {
  std::uint64_t salt = random();
  for (int shift = 0; shift < 64; shift += 8) {
    if ((salt >> shift & 0xff) == 0) salt |= std::uint64_t{0xa5} << shift;
  }
  return salt;
}

WalHeaderBytes encode_wal_header(const WalFileHeader& header) {
  WalHeaderBytes bytes{};
  const std::span<std::byte> out(bytes);
  store(out, file_at::kMagic, kFileMagic);
  store(out, file_at::kMinReader, kWalFormat);
  store(out, file_at::kFormat, kWalFormat);
  store(out, file_at::kStore, header.store.bytes);
  store(out, file_at::kSequence, header.sequence);
  store(out, file_at::kFirstLsn, header.first_lsn);
  store(out, file_at::kSalt, header.salt);
  store(out, file_at::kPreviousWords, static_cast<std::uint32_t>(header.previous_bytes / kWord));
  store(out, file_at::kFileWords, static_cast<std::uint32_t>(header.file_bytes / kWord));
  store(out, file_at::kPreviousCrc, header.previous_crc);
  store(out, file_at::kHeaderCrc, base::crc32c(0, out.first(file_at::kHeaderCrc)));
  return bytes;
}

std::uint32_t wal_header_crc(std::span<const std::byte> header) noexcept {
  return load<std::uint32_t>(header, file_at::kHeaderCrc);
}

Result<WalFileHeader> decode_wal_header(const std::string& path, std::span<const std::byte> file) {
  if (file.size() < kWalHeaderBytes) {
    return damaged(path, file.size(),
                   "file ends within its header: expected 64, got " + std::to_string(file.size()));
  }
  if (load<std::uint32_t>(file, file_at::kMagic) != kFileMagic) {
    return damaged(path, 0, "not a log of springg (magic bytes differ)");
  }
  if (base::crc32c(0, file.first(file_at::kHeaderCrc)) != wal_header_crc(file)) {
    return damaged(path, 0, "header checksum differs");
  }
  const auto min_reader = load<std::uint16_t>(file, file_at::kMinReader);
  if (min_reader > kWalFormat) {
    return unsupported(path + " was written by a newer release of springg: it needs a reader of " +
                       "format " + std::to_string(min_reader) + ", this one reads up to " +
                       std::to_string(kWalFormat))
        .with("file", path);
  }
  WalFileHeader header;
  header.store.bytes = load<decltype(header.store.bytes)>(file, file_at::kStore);
  header.sequence = load<std::uint64_t>(file, file_at::kSequence);
  header.first_lsn = load<Lsn>(file, file_at::kFirstLsn);
  header.salt = load<std::uint64_t>(file, file_at::kSalt);
  header.previous_bytes = kWord * load<std::uint32_t>(file, file_at::kPreviousWords);
  header.previous_crc = load<std::uint32_t>(file, file_at::kPreviousCrc);
  header.file_bytes = kWord * load<std::uint32_t>(file, file_at::kFileWords);
  SPRINGG_RETURN_IF_ERROR(check_header(path, header, file.size()));
  return header;
}

std::uint32_t encode_wal_frame(std::span<std::byte> out, std::uint64_t salt, const WalFrame& frame,
                               std::uint32_t previous_crc) noexcept {
  const std::span<const std::byte> payload = frame.record.payload;
  const std::uint32_t seed = seed_of(salt);
  const auto body = out.subspan(kWalFrameHeaderBytes, payload.size());
  whiten(body.data(), payload.data(), payload.size(), salt);
  store(out, frame_at::kMarker, kFrameMarker);
  store(out, frame_at::kPayloadBytes, static_cast<std::uint32_t>(payload.size()));
  store(out, frame_at::kLsn, frame.lsn);
  store(out, frame_at::kDurableLsn, frame.durable_lsn);
  store(out, frame_at::kStamp, frame.stamp);
  store(out, frame_at::kOrigin, std::uint64_t{0});
  store(out, frame_at::kIndexRef, frame.record.index_ref);
  store(out, frame_at::kType, static_cast<std::uint16_t>(frame.record.type));
  store(out, frame_at::kFlags, std::uint16_t{0});
  store(out, frame_at::kPreviousCrc, previous_crc);
  store(out, frame_at::kPayloadCrc, base::crc32c(seed, body));
  store(out, frame_at::kReserved, std::uint32_t{0});
  const std::uint32_t crc = base::crc32c(seed, out.first(frame_at::kHeaderCrc));
  store(out, frame_at::kHeaderCrc, crc);
  const std::size_t end = wal_frame_bytes(payload.size());
  const auto padding = out.subspan(kWalFrameHeaderBytes + payload.size(),
                                   end - kWalTrailerBytes - kWalFrameHeaderBytes - payload.size());
  std::fill(padding.begin(), padding.end(), std::byte{0});
  store(out, end - kWalTrailerBytes, wal_trailer(frame.lsn, salt));
  return crc;
}

bool starts_wal_frame(std::span<const std::byte> bytes, std::size_t offset) noexcept {
  return offset <= bytes.size() && bytes.size() - offset >= kWalFrameHeaderBytes &&
         load<std::uint32_t>(bytes, offset + frame_at::kMarker) == kFrameMarker;
}

std::optional<WalFrameHeader> decode_wal_frame_header(std::span<const std::byte> bytes,
                                                      std::uint64_t salt) noexcept {
  if (!starts_wal_frame(bytes, 0)) return std::nullopt;
  if constexpr (base::kSeededBug == base::kBugTrustLengthFirst) {
    // Reads as far as an unverified length says.
    const auto length = load<std::uint32_t>(bytes, frame_at::kPayloadBytes);
    const std::span<const std::byte> body(bytes.data() + kWalFrameHeaderBytes, length);
    const auto payload_crc = load<std::uint32_t>(bytes, frame_at::kPayloadCrc);
    if (base::crc32c(seed_of(salt), body) != payload_crc) return std::nullopt;
  }
  WalFrameHeader header;
  header.header_crc = load<std::uint32_t>(bytes, frame_at::kHeaderCrc);
  if (base::crc32c(seed_of(salt), bytes.first(frame_at::kHeaderCrc)) != header.header_crc) {
    return std::nullopt;
  }
  header.payload_bytes = load<std::uint32_t>(bytes, frame_at::kPayloadBytes);
  header.lsn = load<Lsn>(bytes, frame_at::kLsn);
  header.durable_lsn = load<Lsn>(bytes, frame_at::kDurableLsn);
  header.stamp = load<std::uint64_t>(bytes, frame_at::kStamp);
  header.origin = load<std::uint64_t>(bytes, frame_at::kOrigin);
  header.index_ref = load<std::uint32_t>(bytes, frame_at::kIndexRef);
  header.type = load<std::uint16_t>(bytes, frame_at::kType);
  header.flags = load<std::uint16_t>(bytes, frame_at::kFlags);
  header.previous_crc = load<std::uint32_t>(bytes, frame_at::kPreviousCrc);
  header.payload_crc = load<std::uint32_t>(bytes, frame_at::kPayloadCrc);
  header.reserved = load<std::uint32_t>(bytes, frame_at::kReserved);
  return header;
}

bool wal_payload_holds(const WalFrameHeader& header, std::span<const std::byte> frame,
                       std::uint64_t salt) noexcept {
  if constexpr (base::kSeededBug == base::kBugIgnorePayloadCrc) return true;
  const std::size_t end = kWalFrameHeaderBytes + header.payload_bytes;
  const auto body = frame.subspan(kWalFrameHeaderBytes, header.payload_bytes);
  const auto padding = frame.subspan(end, frame.size() - kWalTrailerBytes - end);
  return base::crc32c(seed_of(salt), body) == header.payload_crc &&
         std::all_of(padding.begin(), padding.end(),
                     [](std::byte b) { return b == std::byte{0}; }) &&
         wal_trailer_of(frame, header.lsn, salt) != WalTrailer::kDamaged;
}

WalTrailer wal_trailer_of(std::span<const std::byte> frame, Lsn lsn, std::uint64_t salt) noexcept {
  const std::uint64_t expected = wal_trailer(lsn, salt);
  const auto actual = load<std::uint64_t>(frame, frame.size() - kWalTrailerBytes);
  if (actual == expected) return WalTrailer::kWhole;
  std::uint64_t first_bytes = 0;
  for (std::size_t shift = 0; shift < 64; shift += 8) {
    if (actual == (expected & first_bytes)) return WalTrailer::kUnfinished;
    first_bytes |= std::uint64_t{0xff} << shift;
  }
  return WalTrailer::kDamaged;
}

void decode_wal_payload(std::span<std::byte> out, std::span<const std::byte> frame,
                        std::uint64_t salt) noexcept {
  whiten(out.data(), frame.data() + kWalFrameHeaderBytes, out.size(), salt);
}

}  // namespace springg::storage
