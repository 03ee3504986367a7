// SPDX-License-Identifier: MIT
// Torn tails are cut and nothing else is; no byte of a log that is not zero can change unnoticed.
#include <algorithm>
#include <optional>

#include "catch.h"
#include "status_of.h"
#include "wal_sample.h"

namespace springg::storage {

namespace {

WalSettings one_file() {
  WalSettings settings = sample_settings();
  settings.file_bytes_min = 16 * kSectorBytes;
  return settings;
}

// `groups`: records of each sync.
std::vector<ReadRecord> write_groups(io::FileSystem& files, const WalSettings& settings,
                                     const std::vector<std::vector<std::size_t>>& groups) {
  auto log = std::move(WriteAheadLog::create(files, settings, sample_clock)).value();
  std::uint32_t number = 0;
  for (const auto& group : groups) {
    for (const std::size_t size : group) {
      REQUIRE(append_bytes(*log, sample_payload(size, number), number % 2 + 1).ok());
      ++number;
    }
    REQUIRE(log->sync().ok());
  }
  return std::move(read_log(files)).value().records;
}

bool is_prefix(const std::vector<ReadRecord>& part, const std::vector<ReadRecord>& whole) {
  return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}

std::uint64_t end_of(const std::vector<ReadRecord>& records, std::size_t count) {
  std::uint64_t end = kWalHeaderBytes;
  for (std::size_t i = 0; i < count; ++i) end += wal_frame_bytes(records[i].payload.size());
  return end;
}

// What a scan may say of a log to which damage was done: the truth, a refusal, or the truth about
// some and the name of the index that lacks the others.
void check_no_wrong_record(io::FileSystem& files, const std::vector<ReadRecord>& written) {
  const auto read = read_log(files);
  if (!read.ok()) {
    REQUIRE(read.status().code() == ErrorCode::kCorruption);
    REQUIRE_FALSE(testing::text_detail(read.status(), "file").empty());
    return;
  }
  const ReadLog& log = read.value();
  if (log.scan.damaged_indexes.empty()) {
    REQUIRE(log.records == written);
    return;
  }
  std::vector<ReadRecord> expected;
  for (const ReadRecord& record : written) {
    const auto damage = log.scan.damaged_indexes.find(record.index_ref);
    if (damage == log.scan.damaged_indexes.end() || record.lsn < damage->second.lsn) {
      expected.push_back(record);
    }
  }
  REQUIRE(log.records == expected);
}

}  // namespace

TEST_CASE("a write that ended at any byte leaves the records before it") {
  const auto files = io::make_memory_file_system();
  // The last group is larger than some sectors, and small frames share one.
  const auto written = write_groups(*files, one_file(), {{0, 100}, {3}, {9, 700, 0, 0, 1300, 20}});
  const std::size_t acked = 3;
  ChangedFiles changed(*files);
  Bytes& file = changed.bytes.begin()->second;
  for (std::uint64_t end = end_of(written, 9); end > end_of(written, acked); --end) {
    file[end - 1] = std::byte{0};
    const auto read = read_log(changed, 0, acked);
    INFO("cut at " << end - 1 << ": " << read.status().message());
    REQUIRE(read.ok());
    const ReadLog& log = read.value();
    REQUIRE(log.scan.damaged_indexes.empty());
    REQUIRE(is_prefix(log.records, written));
    // A frame without its trailer has all its bytes. Its last ones may be zeros anyway.
    std::size_t whole = 0;
    while (end_of(written, whole + 1) <= end - 1) ++whole;
    REQUIRE(log.records.size() >= whole);
    REQUIRE(log.records.size() <= whole + 1);
    if (log.records.size() > whole) {
      REQUIRE(end_of(written, whole + 1) - (end - 1) <= kWalTrailerBytes + 7 + 2);
    }
    REQUIRE(log.scan.last_lsn == log.records.size());
    if (log.scan.torn_bytes != 0) {
      REQUIRE(log.scan.torn_offset == end_of(written, log.records.size()));
    }
    // The manifest knows better than the bytes.
    if (whole < 8) REQUIRE_FALSE(read_log(changed, 0, 9).ok());
  }
}

TEST_CASE("whatever sectors of the last group were lost, a prefix with all acked remains") {
  const auto files = io::make_memory_file_system();
  const auto written = write_groups(*files, one_file(), {{600}, {9, 700, 0, 0, 1300, 480}});
  const ChangedFiles original(*files);
  const std::uint64_t begin = end_of(written, 1);
  const std::uint64_t end = end_of(written, written.size());
  const std::uint64_t first = begin / kSectorBytes;
  const std::uint64_t sectors = (end - 1) / kSectorBytes + 1 - first;
  REQUIRE(sectors >= 5);
  REQUIRE(sectors <= 10);
  std::size_t torn = 0;
  for (std::uint64_t lost = 1; lost < std::uint64_t{1} << sectors; ++lost) {
    ChangedFiles changed = original;
    Bytes& file = changed.bytes.begin()->second;
    for (std::uint64_t i = 0; i < sectors; ++i) {
      if ((lost >> i & 1) == 0) continue;
      const auto from = std::max(begin, (first + i) * kSectorBytes);
      const auto to = std::min<std::uint64_t>(file.size(), (first + i + 1) * kSectorBytes);
      std::fill(file.begin() + static_cast<std::ptrdiff_t>(from),
                file.begin() + static_cast<std::ptrdiff_t>(to), std::byte{0});
    }
    const auto read = read_log(changed, 0, 1);
    INFO("lost sectors " << lost << ": " << read.status().message());
    REQUIRE(read.ok());
    REQUIRE(read.value().scan.damaged_indexes.empty());
    REQUIRE(!read.value().records.empty());
    REQUIRE(is_prefix(read.value().records, written));
    if (read.value().scan.torn_bytes != 0) ++torn;
  }
  CHECK(torn > 20);
}

TEST_CASE("garbage in the sectors of the last group never makes a record") {
  const auto files = io::make_memory_file_system();
  const auto written = write_groups(*files, one_file(), {{600}, {9, 700, 0, 0, 1300, 480}});
  const ChangedFiles original(*files);
  const std::uint64_t begin = end_of(written, 1);
  std::mt19937 random(3);
  for (int round = 0; round < 400; ++round) {
    ChangedFiles changed = original;
    Bytes& file = changed.bytes.begin()->second;
    const std::uint64_t sector = begin / kSectorBytes + random() % 6;
    for (std::uint64_t i = std::max(begin, sector * kSectorBytes); i < (sector + 1) * kSectorBytes;
         ++i) {
      file[i] = static_cast<std::byte>(random());
    }
    const auto read = read_log(changed, 0, 1);
    if (!read.ok()) {
      REQUIRE(read.status().code() == ErrorCode::kCorruption);
      continue;
    }
    for (const ReadRecord& record : read.value().records) {
      REQUIRE(record == written[record.lsn - 1]);
    }
  }
}

TEST_CASE("every changed byte of a log is found or is in the zeros behind it") {
  const auto files = io::make_memory_file_system();
  WalSettings settings = sample_settings();
  settings.file_bytes_max = settings.file_bytes_min;
  const auto written = write_groups(
      *files, settings, {{0, 100}, {3, 900, 800}, {1000, 40}, {1100, 1, 900}, {9, 700, 5}, {30}});
  ChangedFiles changed(*files);
  REQUIRE(changed.bytes.size() == 2);
  const std::uint8_t kinds[] = {0x01, 0x80, 0x10};
  for (auto& [name, file] : changed.bytes) {
    for (std::size_t i = 0; i < file.size(); ++i) {
      const std::byte before = file[i];
      INFO(name << " byte " << i);
      for (const std::uint8_t kind : kinds) {
        file[i] = before ^ std::byte{kind};
        check_no_wrong_record(changed, written);
      }
      for (const std::byte other : {std::byte{0x00}, std::byte{0xff}}) {
        file[i] = other;
        check_no_wrong_record(changed, written);
      }
      file[i] = before;
    }
  }
}

TEST_CASE("every sector of zeros in what was acked and followed is found") {
  const auto files = io::make_memory_file_system();
  const auto written =
      write_groups(*files, one_file(), {{0, 100}, {3, 900, 800}, {1000, 40}, {300}, {20}});
  const ChangedFiles original(*files);
  // The frame before the last one knows that all before it are on the disk.
  const std::uint64_t known = end_of(written, written.size() - 2);
  for (std::uint64_t at = 0; at + kSectorBytes <= known; at += kSectorBytes) {
    ChangedFiles changed = original;
    Bytes& file = changed.bytes.begin()->second;
    std::fill_n(file.begin() + static_cast<std::ptrdiff_t>(at), kSectorBytes, std::byte{0});
    check_no_wrong_record(changed, written);
    const auto read = read_log(changed);
    CHECK((!read.ok() || !read.value().scan.damaged_indexes.empty()));
  }
}

TEST_CASE("what is behind the frames of an older file was cut and is not looked at") {
  const auto files = io::make_memory_file_system();
  const auto written = write_groups(*files, one_file(), {{600}, {9, 700}});
  {
    ChangedFiles torn(*files);
    Bytes& file = torn.bytes.begin()->second;
    const auto end = static_cast<std::ptrdiff_t>(end_of(written, 2));
    std::fill(file.begin() + end + 70, file.end(), std::byte{0});
    const auto read = read_log(torn);
    REQUIRE(read.ok());
    REQUIRE(read.value().scan.torn_bytes > 0);
    REQUIRE(read.value().records.size() == 2);
    // The same bytes as files that can be written to.
    const auto again = io::make_memory_file_system();
    auto copy = std::move(again->create("/" + torn.bytes.begin()->first, 0)).value();
    REQUIRE(copy->append(file).ok());
    auto log = std::move(reopen_log(*again, one_file())).value();
    REQUIRE(append_bytes(*log, sample_payload(50, 8)).value() == 3);
    REQUIRE(log->sync().ok());
    const auto after = read_log(*again);
    REQUIRE(after.ok());
    CHECK(after.value().records.size() == 3);
    CHECK(after.value().scan.torn_bytes == 0);
    CHECK(after.value().records.back().payload == sample_payload(50, 8));
  }
}

}  // namespace springg::storage
