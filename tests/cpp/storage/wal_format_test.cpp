// SPDX-License-Identifier: MIT
#include "storage/wal_format.h"

#include <algorithm>

#include "catch.h"
#include "status_of.h"
#include "wal_sample.h"

namespace springg::storage {

namespace {

constexpr std::uint64_t kSalt = 0x8f5a3c11d2e4b697;

Bytes encoded(const WalFrame& frame, std::uint64_t salt = kSalt) {
  Bytes bytes(wal_frame_bytes(frame.record.payload.size()), std::byte{0xee});
  (void)encode_wal_frame(bytes, salt, frame, 77);
  return bytes;
}

WalFileHeader sample_header() {
  return {kSampleStore, 5, 1000, kSalt, 4096, 0xabcdef01, std::uint64_t{20} << 30};
}

}  // namespace

TEST_CASE("names of log files hold the sequence and nothing else") {
  CHECK(wal_file_name(7) == "wal-0000000000000007.log");
  CHECK(wal_file_sequence("wal-0000000000000007.log") == 7);
  CHECK(wal_file_sequence(wal_file_name(9'999'999'999'999'999)) == 9'999'999'999'999'999);
  for (const char* name :
       {"", "wal-7.log", "wal-0000000000000007.log.tmp", "wal-000000000000000x.log",
        "wal-0000000000000000.log", "val-0000000000000007.log", "wal-+000000000000007.log"}) {
    INFO(name);
    CHECK_FALSE(wal_file_sequence(name));
  }
}

TEST_CASE("a salt has no zero byte") {
  for (const base::RandomSource random :
       {+[] { return std::uint64_t{0}; }, +[] { return std::uint64_t{0xff00ff00000000ff}; }}) {
    const std::uint64_t salt = make_wal_salt(random);
    for (int shift = 0; shift < 64; shift += 8) CHECK((salt >> shift & 0xff) != 0);
  }
  CHECK(make_wal_salt([] { return kSalt; }) == kSalt);
}

TEST_CASE("a file header goes there and back, and no changed byte passes") {
  auto header = sample_header();
  header.file_bytes = 4096;
  Bytes file(4096);
  const auto bytes = encode_wal_header(header);
  std::copy(bytes.begin(), bytes.end(), file.begin());
  const auto read = decode_wal_header("f", file);
  REQUIRE(read.ok());
  CHECK(read.value().store == header.store);
  CHECK(read.value().sequence == 5);
  CHECK(read.value().first_lsn == 1000);
  CHECK(read.value().salt == kSalt);
  CHECK(read.value().previous_bytes == 4096);
  CHECK(read.value().previous_crc == 0xabcdef01);
  for (std::size_t i = 0; i < kWalHeaderBytes; ++i) {
    file[i] ^= std::byte{0x10};
    CHECK(decode_wal_header("f", file).status().code() == ErrorCode::kCorruption);
    file[i] ^= std::byte{0x10};
  }
  for (std::size_t size = 0; size < file.size(); ++size) {
    const auto cut = std::span<const std::byte>(file).first(size);
    CHECK(decode_wal_header("f", cut).status().code() == ErrorCode::kCorruption);
  }
}

TEST_CASE("sizes above 32 bits fit into a file header") {
  const auto bytes = encode_wal_header(sample_header());
  const auto status = decode_wal_header("f", bytes).status();
  CHECK(testing::says(status, "expected 21474836480, got 64"));
}

TEST_CASE("frames of all sizes go there and back") {
  for (std::size_t size = 0; size < 1200; size += size < 40 ? 1 : 37) {
    const Bytes payload = sample_payload(size, static_cast<std::uint32_t>(size));
    const WalFrame frame{9, 4, 123456789, {3, WalType::kMetadata, payload}};
    const Bytes bytes = encoded(frame);
    REQUIRE(bytes.size() % 8 == 0);
    const auto header = decode_wal_frame_header(bytes, kSalt);
    REQUIRE(header);
    CHECK(header->lsn == 9);
    CHECK(header->durable_lsn == 4);
    CHECK(header->stamp == 123456789);
    CHECK(header->index_ref == 3);
    CHECK(header->type == static_cast<std::uint16_t>(WalType::kMetadata));
    CHECK(header->previous_crc == 77);
    CHECK(header->payload_bytes == size);
    CHECK(wal_payload_holds(*header, bytes, kSalt));
    Bytes decoded(size);
    decode_wal_payload(decoded, bytes, kSalt);
    CHECK(decoded == payload);
  }
}

TEST_CASE("no changed byte of a frame passes, nor does another file's frame") {
  const Bytes payload = sample_payload(45, 1);
  Bytes bytes = encoded({9, 4, 5, {3, WalType::kRows, payload}});
  CHECK_FALSE(decode_wal_frame_header(bytes, kSalt + 1));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] ^= std::byte{1};
    const auto header = decode_wal_frame_header(bytes, kSalt);
    CHECK(header.has_value() == (i >= kWalFrameHeaderBytes));
    if (header) CHECK_FALSE(wal_payload_holds(*header, bytes, kSalt));
    bytes[i] ^= std::byte{1};
  }
}

TEST_CASE("a trailer is whole, unfinished or damaged") {
  Bytes bytes = encoded({9, 4, 5, {}});
  CHECK(wal_trailer_of(bytes, 9, kSalt) == WalTrailer::kWhole);
  for (std::size_t i = 1; i <= kWalTrailerBytes; ++i) {
    bytes[bytes.size() - i] = std::byte{0};
    CHECK(wal_trailer_of(bytes, 9, kSalt) == WalTrailer::kUnfinished);
  }
  bytes.back() = std::byte{1};
  CHECK(wal_trailer_of(bytes, 9, kSalt) == WalTrailer::kDamaged);
}

TEST_CASE("zeros are not zeros on the disk") {
  const Bytes zeros(5000);
  const Bytes bytes = encoded({1, 0, 0, {1, WalType::kRows, zeros}});
  for (std::size_t i = kWalFrameHeaderBytes; i < kWalFrameHeaderBytes + zeros.size(); ++i) {
    REQUIRE(bytes[i] != std::byte{0});
  }
}

}  // namespace springg::storage
