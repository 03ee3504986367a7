// SPDX-License-Identifier: MIT
#include "storage/wal_reader.h"

#include <algorithm>

#include "base/crc32c.h"
#include "catch.h"
#include "status_of.h"
#include "wal_sample.h"

namespace springg::storage {

namespace {

// Records of growing sizes, synced in groups of three; two indexes in turn.
void write_records(io::FileSystem& files, std::size_t count, std::size_t size_step = 37) {
  auto log = std::move(WriteAheadLog::create(files, sample_settings(), sample_clock)).value();
  for (std::size_t i = 0; i < count; ++i) {
    const auto number = static_cast<std::uint32_t>(i);
    REQUIRE(append_bytes(*log, sample_payload(i * size_step, number), number % 2 + 1).ok());
    if (i % 3 == 2) REQUIRE(log->sync().ok());
  }
  REQUIRE(log->sync().ok());
}

ReadLog must_read(io::FileSystem& files, Lsn after = 0, Lsn durable = 0) {
  auto log = read_log(files, after, durable);
  INFO(log.status().message());
  REQUIRE(log.ok());
  return std::move(log).value();
}

ErrorCode code_of(io::FileSystem& files, Lsn after = 0, Lsn durable = 0) {
  return read_log(files, after, durable).status().code();
}

}  // namespace

TEST_CASE("an empty directory is an empty log") {
  const auto files = io::make_memory_file_system();
  const ReadLog log = must_read(*files, 7);
  CHECK_FALSE(log.scan.any_file);
  CHECK(log.scan.last_lsn == 7);
  CHECK(log.scan.durable_lsn == 7);
  CHECK(log.scan.tail_offset == 0);
  CHECK(code_of(*files, 7, 8) == ErrorCode::kCorruption);
}

TEST_CASE("records of many sizes come back in order, over many files") {
  const auto files = io::make_memory_file_system();
  write_records(*files, 100);
  CHECK(log_names(*files).size() > 4);
  const ReadLog log = must_read(*files);
  REQUIRE(log.records.size() == 100);
  for (std::uint32_t i = 0; i < 100; ++i) {
    CHECK(log.records[i].lsn == i + 1);
    CHECK(log.records[i].index_ref == i % 2 + 1);
    CHECK(log.records[i].payload == sample_payload(std::size_t{i} * 37, i));
    if (i > 0) CHECK(log.records[i].stamp > log.records[i - 1].stamp);
  }
  CHECK(log.scan.last_lsn == 100);
  CHECK(log.scan.last_stamp == log.records.back().stamp);
  CHECK(log.scan.torn_bytes == 0);
  CHECK(log.scan.damaged_indexes.empty());
  CHECK(log.scan.tail.size() == log.scan.last_lsn - log.scan.durable_lsn);
}

TEST_CASE("what lies at or before `after` is not visited, nor read where a file ends there") {
  const auto files = io::make_memory_file_system();
  write_records(*files, 60);
  const ReadLog all = must_read(*files);
  for (Lsn after = 0; after <= 60; ++after) {
    const ReadLog log = must_read(*files, after, after);
    REQUIRE(log.records.size() == 60 - after);
    CHECK(std::equal(log.records.begin(), log.records.end(),
                     all.records.begin() + static_cast<std::ptrdiff_t>(after)));
  }
  ChangedFiles changed(*files);
  changed.bytes.begin()->second.assign(100, std::byte{1});
  const Lsn second = all.scan.files[1].first_lsn;
  CHECK(must_read(changed, second - 1).records.size() == 60 - second + 1);
  CHECK(code_of(changed, second - 2) == ErrorCode::kCorruption);
}

TEST_CASE("a log that ends before `after` is not gone on with") {
  const auto files = io::make_memory_file_system();
  write_records(*files, 5);
  const ReadLog log = must_read(*files, 20);
  CHECK(log.scan.last_lsn == 20);
  CHECK(log.scan.tail_offset == 0);
  CHECK(log.scan.live_bytes == 0);
  CHECK(code_of(*files, 20, 21) == ErrorCode::kCorruption);
}

TEST_CASE("a missing file is refused unless all in it are at or before `after`") {
  const auto files = io::make_memory_file_system();
  write_records(*files, 60);
  const ReadLog all = must_read(*files);
  const auto& starts = all.scan.files;
  REQUIRE(starts.size() > 3);
  for (std::size_t i = 0; i + 1 < starts.size(); ++i) {
    ChangedFiles changed(*files);
    changed.bytes.erase(wal_file_name(starts[i].sequence));
    const Lsn next = starts[i + 1].first_lsn;
    const Status status = read_log(changed, next - 2).status();
    CHECK(status.code() == ErrorCode::kCorruption);
    CHECK(testing::integer_detail(status, "lsn") == static_cast<std::int64_t>(next - 1));
    CHECK(must_read(changed, next - 1).records.size() == 60 - next + 1);
  }
  // The newest: nothing but the manifest can tell.
  ChangedFiles changed(*files);
  changed.bytes.erase(wal_file_name(starts.back().sequence));
  CHECK(code_of(changed, 0, 60) == ErrorCode::kCorruption);
}

TEST_CASE("files of another store, under another name or of another size are refused") {
  const auto files = io::make_memory_file_system();
  write_records(*files, 12);
  const ChangedFiles original(*files);
  const auto visit = [](const WalFrame&) { return Status(); };
  CHECK(scan_wal(*files, "/", base::Uuid{}, 0, 0, visit).status().code() == ErrorCode::kCorruption);
  ChangedFiles renamed = original;
  auto node = renamed.bytes.extract(renamed.bytes.begin());
  node.key() = wal_file_name(99);
  renamed.bytes.insert(std::move(node));
  CHECK(code_of(renamed) == ErrorCode::kCorruption);
  ChangedFiles cut = original;
  Bytes& last = cut.bytes.rbegin()->second;
  while (!last.empty()) {
    last.pop_back();
    REQUIRE(code_of(cut) == ErrorCode::kCorruption);
  }
}

TEST_CASE("a temporary file is no part of the log") {
  const auto files = io::make_memory_file_system();
  write_records(*files, 3);
  ChangedFiles changed(*files);
  changed.bytes[wal_file_name(2) + ".tmp"] = Bytes(700, std::byte{9});
  CHECK(must_read(changed).records.size() == 3);
}

TEST_CASE("a newer format is refused as that") {
  const auto files = io::make_memory_file_system();
  write_records(*files, 3);
  ChangedFiles changed(*files);
  const std::span<std::byte> file(changed.bytes.begin()->second);
  store(file, 4, std::uint16_t{2});
  store(file, 60, base::crc32c(0, file.first(60)));
  CHECK(code_of(changed) == ErrorCode::kUnsupported);
}

TEST_CASE("an unknown record is passed over where its type says so, else refused") {
  const auto files = io::make_memory_file_system();
  auto log = std::move(WriteAheadLog::create(*files, sample_settings(), sample_clock)).value();
  const auto append = [&](int type) {
    REQUIRE(log->append({1, static_cast<WalType>(type), {}}).ok());
    REQUIRE(log->sync().ok());
  };
  append(0x8005);
  append(1);
  CHECK(must_read(*files).records.size() == 1);
  append(5);
  const Status status = read_log(*files).status();
  CHECK(status.code() == ErrorCode::kUnsupported);
  CHECK(testing::integer_detail(status, "lsn") == 3);
  CHECK(code_of(*files, 3) == ErrorCode::kOk);
}

TEST_CASE("the visitor's error ends the scan") {
  const auto files = io::make_memory_file_system();
  write_records(*files, 6);
  int visits = 0;
  const auto visit = [&](const WalFrame&) {
    return ++visits == 4 ? invalid_argument("enough") : Status();
  };
  CHECK(scan_wal(*files, "/", kSampleStore, 0, 0, visit).status().message() == "enough");
  CHECK(visits == 4);
}

TEST_CASE("a damaged payload costs its index the frames from there on, and no other index") {
  const auto files = io::make_memory_file_system();
  write_records(*files, 40);
  const ReadLog all = must_read(*files);
  // The second frame of a file in the middle: of index 1 when its position is odd.
  ChangedFiles changed(*files);
  const WalFileStart& start = all.scan.files[2];
  Bytes& file = changed.bytes[wal_file_name(start.sequence)];
  const std::size_t offset = kWalHeaderBytes;
  file[offset + kWalFrameHeaderBytes + 5] ^= std::byte{4};
  const ReadLog log = must_read(changed);
  const std::uint32_t index_ref = static_cast<std::uint32_t>(start.first_lsn - 1) % 2 + 1;
  REQUIRE(log.scan.damaged_indexes.size() == 1);
  const auto& [damaged_ref, damage] = *log.scan.damaged_indexes.begin();
  CHECK(damaged_ref == index_ref);
  CHECK(damage.lsn == start.first_lsn);
  CHECK(damage.offset == offset);
  CHECK(damage.file == "//" + wal_file_name(start.sequence));
  std::vector<ReadRecord> expected;
  for (const ReadRecord& record : all.records) {
    if (record.lsn < damage.lsn || record.index_ref != index_ref) expected.push_back(record);
  }
  CHECK(log.records == expected);
  CHECK(log.scan.last_lsn == 40);
}

TEST_CASE("frames that changed places do not follow one another") {
  const auto files = io::make_memory_file_system();
  auto log = std::move(WriteAheadLog::create(*files, sample_settings(), sample_clock)).value();
  for (std::uint32_t i = 0; i < 4; ++i) {
    REQUIRE(append_bytes(*log, sample_payload(40, i)).ok());
    REQUIRE(log->sync().ok());
  }
  ChangedFiles changed(*files);
  Bytes& file = changed.bytes.begin()->second;
  const auto size = static_cast<std::ptrdiff_t>(wal_frame_bytes(40));
  const auto second = file.begin() + kWalHeaderBytes + size;
  std::swap_ranges(second, second + size, second + size);
  const Status status = read_log(changed).status();
  CHECK(status.code() == ErrorCode::kCorruption);
  CHECK(testing::integer_detail(status, "lsn") == 2);
}

}  // namespace springg::storage
