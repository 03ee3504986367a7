// SPDX-License-Identifier: MIT
// Going on after an end of the process: the tail is written anew before it is served.
#include <algorithm>

#include "catch.h"
#include "fault_calls.h"
#include "wal_sample.h"
#include "watched_file_system.h"

namespace springg::storage {

namespace {

WalSettings quiet_settings() {
  WalSettings settings = sample_settings();
  settings.sync_interval_ms = 3'600'000;
  return settings;
}

// Two synced groups, of three records and of five.
std::vector<ReadRecord> write_sample(io::FileSystem& files) {
  auto log = std::move(WriteAheadLog::create(files, quiet_settings(), sample_clock)).value();
  for (std::uint32_t i = 0; i < 8; ++i) {
    REQUIRE(append_bytes(*log, sample_payload(i * 90, i), i % 2 + 1).ok());
    if (i == 2) REQUIRE(log->sync().ok());
  }
  REQUIRE(log->sync().ok());
  return std::move(read_log(files)).value().records;
}

std::vector<ReadRecord> records_of(io::FileSystem& files) {
  auto log = read_log(files);
  INFO(log.status().message());
  REQUIRE(log.ok());
  REQUIRE(log.value().scan.damaged_indexes.empty());
  return std::move(log).value().records;
}

}  // namespace

TEST_CASE("the tail is what no later frame vouches for") {
  const auto files = io::make_memory_file_system();
  const auto written = write_sample(*files);
  const WalScan scan = std::move(read_log(*files)).value().scan;
  CHECK(scan.durable_lsn == 3);
  CHECK(scan.last_lsn == 8);
  REQUIRE(scan.tail.size() == 5);
  std::uint64_t before = kWalHeaderBytes;
  for (std::size_t i = 0; i < 3; ++i) before += wal_frame_bytes(written[i].payload.size());
  CHECK(scan.tail_offset == before);
  CHECK(scan.live_bytes == before - kWalHeaderBytes);
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(scan.tail[i].payload == written[3 + i].payload);
    CHECK(scan.tail[i].index_ref == written[3 + i].index_ref);
    CHECK(scan.tail[i].stamp == written[3 + i].stamp);
  }
  // The manifest, and what is checkpointed, vouch too.
  CHECK(std::move(read_log(*files, 0, 6)).value().scan.tail.size() == 2);
  CHECK(std::move(read_log(*files, 8, 0)).value().scan.tail.empty());
}

TEST_CASE("a tail is on the disk when the log is open, and the log goes on behind it") {
  const auto memory = io::make_memory_file_system();
  const auto written = write_sample(*memory);
  testing::WatchedFileSystem files(*memory);
  auto log = std::move(reopen_log(files, quiet_settings())).value();
  const std::string temporary = wal_file_name(2) + ".tmp";
  CHECK(files.calls() == std::vector<testing::FileCall>{{"create", temporary},
                                                        {"append", temporary},
                                                        {"sync", temporary},
                                                        {"write_at", temporary},
                                                        {"write_at", temporary},
                                                        {"sync", temporary},
                                                        {"rename", wal_file_name(2)},
                                                        {"sync_directory", ""}});
  CHECK(log->last_lsn() == 8);
  CHECK(log->durable_lsn() == 8);
  CHECK(records_of(files) == written);
  REQUIRE(append_bytes(*log, sample_payload(20, 20)).value() == 9);
  REQUIRE(log->sync().ok());
  const auto read = std::move(read_log(files)).value();
  REQUIRE(read.records.size() == 9);
  CHECK(read.records[8].payload == sample_payload(20, 20));
  CHECK(read.records[8].stamp > written[7].stamp);
  CHECK(read.scan.last_sequence == 2);
  CHECK(read.scan.durable_lsn == 8);
  CHECK(log->live_bytes() == 9 * wal_frame_bytes(0) + [&] {
    std::uint64_t bytes = 0;
    for (const ReadRecord& record : read.records) bytes += (record.payload.size() + 7) / 8 * 8;
    return bytes;
  }());
}

TEST_CASE("opening again and again changes no record") {
  const auto files = io::make_memory_file_system();
  const auto written = write_sample(*files);
  for (std::uint64_t round = 0; round < 20; ++round) {
    REQUIRE(reopen_log(*files, quiet_settings()).ok());
    CHECK(records_of(*files) == written);
    CHECK(log_names(*files).size() == round + 2);
  }
  // Behind a checkpoint all but the newest go.
  auto log = std::move(reopen_log(*files, quiet_settings(), 8)).value();
  REQUIRE(append_bytes(*log, {}).value() == 9);
  REQUIRE(log->sync().ok());
  log->remove_through(8);
  CHECK(log_names(*files).size() == 1);
  CHECK(std::move(read_log(*files, 8)).value().records.size() == 1);
}

TEST_CASE("a log without a tail makes no file until it is written to") {
  const auto memory = io::make_memory_file_system();
  write_sample(*memory);
  testing::WatchedFileSystem files(*memory);
  auto log = std::move(reopen_log(files, quiet_settings(), 3, 8)).value();
  CHECK(files.calls().empty());
  CHECK(log->last_lsn() == 8);
  CHECK(log->live_bytes() > 0);
  log->remove_through(8);
  CHECK(log->live_bytes() == 0);
  CHECK(log_names(files).size() == 1);
  REQUIRE(append_bytes(*log, {}).value() == 9);
  REQUIRE(log->sync().ok());
  CHECK(records_of(files).size() == 9);
  log->remove_through(8);
  CHECK(log_names(files).size() == 1);
}

TEST_CASE("a log whose frames end before the checkpoint goes on behind it") {
  const auto files = io::make_memory_file_system();
  write_sample(*files);
  auto log = std::move(reopen_log(*files, quiet_settings(), 50, 50)).value();
  REQUIRE(append_bytes(*log, {}).value() == 51);
  REQUIRE(log->sync().ok());
  const auto read = read_log(*files, 50, 50);
  REQUIRE(read.ok());
  CHECK(read.value().records.size() == 1);
  CHECK(read_log(*files, 49, 49).status().code() == ErrorCode::kCorruption);
}

TEST_CASE("a crash at any call of opening loses nothing") {
  for (std::uint64_t call = 0; call < 9; ++call) {
    io::FaultFileSystem files;
    const auto written = write_sample(files);
    files.inject(testing::full_disk_after(call));
    const bool opened = reopen_log(files, quiet_settings()).ok();
    files.clear_faults();
    CHECK(opened == (call >= 8));
    CHECK(records_of(files) == written);
    REQUIRE(reopen_log(files, quiet_settings()).ok());
    CHECK(records_of(files) == written);
  }
}

TEST_CASE("the tail of a torn log is written anew without what was torn") {
  const auto files = io::make_memory_file_system();
  const auto written = write_sample(*files);
  ChangedFiles torn(*files);
  Bytes& file = torn.bytes.begin()->second;
  std::uint64_t end = kWalHeaderBytes;
  for (std::size_t i = 0; i < 6; ++i) end += wal_frame_bytes(written[i].payload.size());
  std::fill(file.begin() + static_cast<std::ptrdiff_t>(end) + 70,
            file.begin() + static_cast<std::ptrdiff_t>(end) + 2 * kSectorBytes, std::byte{0});
  const auto again = io::make_memory_file_system();
  auto copy = std::move(again->create("/" + torn.bytes.begin()->first, 0)).value();
  REQUIRE(copy->append(file).ok());
  const auto read = std::move(read_log(*again)).value();
  CHECK(read.scan.torn_bytes > 0);
  CHECK(read.scan.torn_offset == end);
  CHECK(read.scan.tail.size() == 3);
  auto log = std::move(reopen_log(*again, quiet_settings())).value();
  REQUIRE(append_bytes(*log, sample_payload(5, 5)).value() == 7);
  REQUIRE(log->sync().ok());
  const auto records = records_of(*again);
  REQUIRE(records.size() == 7);
  CHECK(std::equal(records.begin(), records.begin() + 6, written.begin()));
}

TEST_CASE("a damaged record of the tail stays where it is, and damaged") {
  const auto files = io::make_memory_file_system();
  const auto written = write_sample(*files);
  ChangedFiles changed(*files);
  Bytes& file = changed.bytes.begin()->second;
  std::uint64_t offset = kWalHeaderBytes;
  for (std::size_t i = 0; i < 5; ++i) offset += wal_frame_bytes(written[i].payload.size());
  file[offset + kWalFrameHeaderBytes] ^= std::byte{1};
  const auto again = io::make_memory_file_system();
  auto copy = std::move(again->create("/" + changed.bytes.begin()->first, 0)).value();
  REQUIRE(copy->append(file).ok());
  for (int round = 0; round < 3; ++round) {
    const auto read = std::move(read_log(*again)).value();
    REQUIRE(read.scan.damaged_indexes.size() == 1);
    CHECK(read.scan.damaged_indexes.at(written[5].index_ref).lsn == 6);
    CHECK(read.scan.last_lsn == 8);
    CHECK(read.records.size() == 6);  // without 6 and 8
    CHECK(read.scan.tail.size() == 2);
    REQUIRE(reopen_log(*again, quiet_settings()).ok());
  }
}

}  // namespace springg::storage
