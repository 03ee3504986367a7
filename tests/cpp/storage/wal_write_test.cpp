// SPDX-License-Identifier: MIT
#include <algorithm>
#include <chrono>
#include <thread>

#include "catch.h"
#include "status_of.h"
#include "storage/write_ahead_log.h"
#include "temporary_directory.h"
#include "wal_sample.h"
#include "watched_file_system.h"

namespace springg::storage {

namespace {

using testing::FileCall;
using testing::WatchedFileSystem;

constexpr std::uint32_t kNever = 3'600'000;

WalSettings quiet_settings(const std::string& directory = "/") {
  WalSettings settings = sample_settings(directory);
  settings.sync_interval_ms = kNever;
  return settings;
}

std::unique_ptr<WriteAheadLog> make_log(io::FileSystem& files,
                                        const WalSettings& settings = quiet_settings()) {
  auto log = WriteAheadLog::create(files, settings, sample_clock);
  REQUIRE(log.ok());
  return std::move(log).value();
}

Lsn must_append(WriteAheadLog& log, std::size_t size, std::uint32_t number = 1) {
  const auto lsn = append_bytes(log, sample_payload(size, number));
  INFO(lsn.status().message());
  REQUIRE(lsn.ok());
  return lsn.value();
}

std::vector<ReadRecord> records_of(io::FileSystem& files, Lsn after = 0) {
  const auto log = read_log(files, after);
  INFO(log.status().message());
  REQUIRE(log.ok());
  return log.value().records;
}

template <class Condition>
bool comes_true(Condition condition) {
  for (int i = 0; i < 2000 && !condition(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return condition();
}

Status disk_error() { return io_error("the disk is broken").with("errno", 5); }

}  // namespace

TEST_CASE("a file's header and zeros are on the disk before its name, its name before a frame") {
  const auto memory = io::make_memory_file_system();
  WatchedFileSystem files(*memory);
  const auto log = make_log(files);
  CHECK(files.calls().empty());
  must_append(*log, 100);
  REQUIRE(log->sync().ok());
  const std::string name = wal_file_name(1);
  const std::string temporary = name + ".tmp";
  const std::vector<FileCall> expected{
      {"create", temporary},   {"append", temporary},   {"sync", temporary},
      {"write_at", temporary}, {"sync", temporary},     {"rename", name},
      {"sync_directory", ""},  {"write_at", temporary}, {"sync", temporary}};
  CHECK(files.calls() == expected);
  CHECK(memory->map("/" + name).value()->bytes().size() == 8 * kSectorBytes);
  files.forget_calls();
  must_append(*log, 100);
  must_append(*log, 100);
  REQUIRE(log->sync().ok());
  CHECK(files.calls() == std::vector<FileCall>{{"write_at", temporary}, {"sync", temporary}});
  files.forget_calls();
  REQUIRE(log->sync().ok());
  CHECK(files.calls().empty());
}

TEST_CASE("a record goes as far as it is waited for") {
  const auto memory = io::make_memory_file_system();
  WatchedFileSystem files(*memory);
  const auto log = make_log(files);
  const Lsn lsn = must_append(*log, 10);
  CHECK(lsn == 1);
  CHECK(log->wait(lsn, WalProgress::kAppended).ok());
  CHECK(log->last_lsn() == 1);
  CHECK(log->written_lsn() == 0);
  REQUIRE(log->wait(lsn, WalProgress::kWritten).ok());
  CHECK(log->written_lsn() == 1);
  CHECK(log->durable_lsn() == 0);
  CHECK(files.count("sync") == 2);  // of the file itself
  CHECK(records_of(files).size() == 1);
  REQUIRE(log->wait(lsn, WalProgress::kDurable).ok());
  CHECK(log->durable_lsn() == 1);
  CHECK(files.count("sync") == 3);
  CHECK(log->wait(2, WalProgress::kAppended).code() == ErrorCode::kInvalidArgument);
  CHECK(log->wait(2, WalProgress::kDurable).code() == ErrorCode::kInvalidArgument);
}

TEST_CASE("files grow fourfold up to the limit, and one record may need a larger one") {
  const auto files = io::make_memory_file_system();
  const auto log = make_log(*files);
  const auto bytes_of = [&](std::uint64_t sequence) {
    return files->map("/" + wal_file_name(sequence)).value()->bytes().size();
  };
  for (int i = 0; i < 120; ++i) must_append(*log, 1000);
  must_append(*log, 100'000);
  must_append(*log, 1000);
  REQUIRE(log->sync().ok());
  CHECK(bytes_of(1) == 8 * kSectorBytes);
  CHECK(bytes_of(2) == 32 * kSectorBytes);
  CHECK(bytes_of(3) == 64 * kSectorBytes);
  CHECK(bytes_of(4) == 64 * kSectorBytes);
  CHECK(bytes_of(7) == 100'352);  // whole sectors
  CHECK(bytes_of(8) == 64 * kSectorBytes);
  CHECK(records_of(*files).size() == 122);
}

TEST_CASE("a file gets its name when the one before it is on the disk") {
  const auto memory = io::make_memory_file_system();
  WatchedFileSystem files(*memory);
  const auto log = make_log(files);
  for (int i = 0; i < 30; ++i) {
    REQUIRE(log->wait(must_append(*log, 700), WalProgress::kWritten).ok());
  }
  // A rename without a sync of the file before it since that was last written would be wrong.
  const auto calls = files.calls();
  std::size_t renames = 0;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    if (calls[i].call != "rename" || calls[i].name == wal_file_name(1)) continue;
    ++renames;
    const std::string before = wal_file_name(*wal_file_sequence(calls[i].name) - 1) + ".tmp";
    std::string last;
    for (std::size_t j = 0; j < i; ++j) {
      if (calls[j].name == before) last = calls[j].call;
    }
    CHECK(last == "sync");
  }
  CHECK(renames == 2);
}

TEST_CASE("a log on the disk comes back") {
  const testing::TemporaryDirectory directory;
  io::FileSystem& files = io::posix_file_system();
  const auto log = make_log(files, quiet_settings(directory.path()));
  for (std::uint32_t i = 0; i < 50; ++i) must_append(*log, i * 50, i);
  REQUIRE(log->sync().ok());
  const auto read = read_log(files, 0, 0, directory.path());
  REQUIRE(read.ok());
  REQUIRE(read.value().records.size() == 50);
  for (std::uint32_t i = 0; i < 50; ++i) {
    CHECK(read.value().records[i].payload == sample_payload(i * 50, i));
  }
}

TEST_CASE("a full disk is an error with nothing changed, and heals by itself") {
  const auto memory = io::make_memory_file_system();
  WatchedFileSystem files(*memory);
  const auto log = make_log(files);
  Lsn last = must_append(*log, 1000);
  files.before_each([](const FileCall& call) {
    return call.call == "create" ? resource_exhausted("the disk is full") : Status();
  });
  last = must_append(*log, 1000);
  last = must_append(*log, 1000);  // fits
  for (int i = 0; i < 3; ++i) {
    CHECK(append_bytes(*log, Bytes(1000)).status().code() == ErrorCode::kResourceExhausted);
    CHECK(log->last_lsn() == last);
    CHECK(log->failure().ok());
    CHECK(log->sync().ok());
  }
  must_append(*log, 100);  // what is left of the file is of use
  files.before_each(nullptr);
  CHECK(must_append(*log, 1000) == last + 2);
  REQUIRE(log->sync().ok());
  CHECK(records_of(files).size() == last + 2);
}

TEST_CASE("where a large file has no space a small one may") {
  const auto memory = io::make_memory_file_system();
  WatchedFileSystem files(*memory);
  int creations = 0;
  files.before_each([&](const FileCall& call) {
    // The first of each two tries.
    const bool full =
        call.call == "create" && call.name != wal_file_name(1) + ".tmp" && ++creations % 2 == 1;
    return full ? resource_exhausted("the disk is full") : Status();
  });
  const auto log = make_log(files);
  for (int i = 0; i < 6; ++i) must_append(*log, 1000);
  REQUIRE(log->sync().ok());
  CHECK(memory->map("/" + wal_file_name(2)).value()->bytes().size() == 8 * kSectorBytes);
  CHECK(records_of(files).size() == 6);
}

TEST_CASE("the first error of any call stays, and no file is synced again after it") {
  const std::vector<std::pair<std::string, int>> faults{
      {"sync", 1},     {"sync", 2},     {"sync", 3},   {"sync", 4},           {"write_at", 1},
      {"write_at", 2}, {"write_at", 3}, {"rename", 1}, {"sync_directory", 1}, {"append", 1}};
  for (const auto& [fault, nth] : faults) {
    INFO(fault << " number " << nth);
    const auto memory = io::make_memory_file_system();
    WatchedFileSystem files(*memory);
    int left = nth;
    files.before_each([&, name = fault](const FileCall& call) {
      return call.call == name && --left == 0 ? disk_error() : Status();
    });
    const auto log = make_log(files);
    Lsn acked = 0;
    Status first;
    for (int i = 0; i < 3 && first.ok(); ++i) {
      const auto lsn = append_bytes(*log, sample_payload(50, 1));
      if (!lsn.ok()) {
        first = lsn.status();
      } else if (Status status = log->wait(lsn.value(), WalProgress::kDurable); !status.ok()) {
        first = status;
      } else {
        acked = lsn.value();
      }
    }
    CHECK(first.code() == ErrorCode::kIoError);
    CHECK(testing::says(first, "the disk is broken"));
    CHECK(testing::integer_detail(first, "errno") == 5);
    CHECK(log->durable_lsn() == acked);
    CHECK(log->wait(acked, WalProgress::kDurable).ok());
    files.forget_calls();
    CHECK(log->failure().message() == first.message());
    CHECK(append_bytes(*log, {}).status().message() == first.message());
    if (log->last_lsn() > acked) {
      CHECK(log->sync().message() == first.message());
      CHECK(log->wait(log->last_lsn(), WalProgress::kWritten).message() == first.message());
      CHECK(log->wait(log->last_lsn(), WalProgress::kAppended).message() == first.message());
    }
    CHECK(files.calls().empty());
    CHECK(records_of(files).size() >= acked);
  }
}

TEST_CASE("what waits for nobody is synced within the interval") {
  const auto files = io::make_memory_file_system();
  WalSettings settings = sample_settings();
  settings.sync_interval_ms = 5;
  const auto log = make_log(*files, settings);
  for (Lsn round = 1; round <= 3; ++round) {
    must_append(*log, 100);
    CHECK(comes_true([&] { return log->durable_lsn() == round; }));
  }
  CHECK(records_of(*files).size() == 3);
}

TEST_CASE("an error of the log's thread is the log's") {
  const auto memory = io::make_memory_file_system();
  WatchedFileSystem files(*memory);
  int syncs = 0;
  files.before_each([&](const FileCall& call) {
    return call.call == "sync" && ++syncs == 3 ? disk_error() : Status();
  });
  WalSettings settings = sample_settings();
  settings.sync_interval_ms = 1;
  const auto log = make_log(files, settings);
  must_append(*log, 100);
  CHECK(comes_true([&] { return !log->failure().ok(); }));
  CHECK(log->durable_lsn() == 0);
  CHECK(log->sync().code() == ErrorCode::kIoError);
}

TEST_CASE("the next file is made ahead of time, once") {
  const auto memory = io::make_memory_file_system();
  WatchedFileSystem files(*memory);
  const auto log = make_log(files);
  must_append(*log, 1000);
  CHECK(files.count("create") == 1);
  must_append(*log, 1000);                                      // more than half
  CHECK(comes_true([&] { return files.count("sync") == 2; }));  // of both, when they were made
  must_append(*log, 1000);
  must_append(*log, 1000);
  CHECK(files.count("create") == 2);
  // A full disk there is no error as long as the file is not needed.
  const auto other = io::make_memory_file_system();
  WatchedFileSystem full(*other);
  full.before_each([](const FileCall& call) {
    return call.call == "create" && call.name == wal_file_name(2) + ".tmp"
               ? resource_exhausted("the disk is full")
               : Status();
  });
  const auto second = make_log(full);
  must_append(*second, 1000);
  must_append(*second, 1000);
  CHECK(comes_true([&] { return full.count("create") == 3; }));  // the large one, the small one
  CHECK(second->failure().ok());
  CHECK(second->sync().ok());
}

TEST_CASE("files before a checkpoint are removed, but for the one being written") {
  const auto files = io::make_memory_file_system();
  const auto log = make_log(*files);
  for (std::uint32_t i = 0; i < 40; ++i) must_append(*log, 1000, i);
  REQUIRE(log->sync().ok());
  const auto all = std::move(read_log(*files)).value();
  const auto& starts = all.scan.files;
  REQUIRE(starts.size() == 3);
  CHECK(log->live_bytes() == 40 * wal_frame_bytes(1000));
  log->remove_through(starts[1].first_lsn - 2);
  CHECK(log_names(*files).size() == 3);
  log->remove_through(starts[1].first_lsn - 1);
  CHECK(log_names(*files).size() == 2);
  CHECK(records_of(*files, starts[1].first_lsn - 1).size() == 40 - starts[1].first_lsn + 1);
  log->remove_through(40);
  CHECK(log_names(*files).size() == 1);
  CHECK(log->live_bytes() == 0);
  must_append(*log, 10);
  REQUIRE(log->sync().ok());
  CHECK(log->live_bytes() == wal_frame_bytes(10));
  CHECK(records_of(*files, 40).size() == 1);
}

TEST_CASE("live bytes follow a checkpoint in the middle to 64 KiB") {
  const auto files = io::make_memory_file_system();
  const auto log = make_log(*files);
  const std::uint64_t size = wal_frame_bytes(1000);
  for (std::uint32_t i = 0; i < 1000; ++i) must_append(*log, 1000, i);
  REQUIRE(log->sync().ok());
  for (Lsn checkpoint = 1; checkpoint < 1000; checkpoint += 111) {
    log->remove_through(checkpoint);
    CHECK(log->live_bytes() >= (1000 - checkpoint) * size);
    CHECK(log->live_bytes() <= (1000 - checkpoint) * size + (std::uint64_t{64} << 10) + size);
  }
}

TEST_CASE("a file that is not written yet is not removed") {
  const auto files = io::make_memory_file_system();
  const auto log = make_log(*files);
  for (std::uint32_t i = 0; i < 20; ++i) must_append(*log, 1000, i);
  log->remove_through(20);
  REQUIRE(log->sync().ok());
  CHECK(log_names(*files).size() == 3);
  log->remove_through(20);
  CHECK(log_names(*files).size() == 1);
}

TEST_CASE("closing removes all files") {
  const auto files = io::make_memory_file_system();
  for (const bool synced : {false, true}) {
    const auto log = make_log(*files);
    for (std::uint32_t i = 0; i < 20; ++i) must_append(*log, 1000, i);
    if (synced) REQUIRE(log->sync().ok());
    log->close_and_remove();
    CHECK(files->list("/").value().empty());
    CHECK(append_bytes(*log, {}).status().code() == ErrorCode::kFailedPrecondition);
  }
}

TEST_CASE("what a log refuses") {
  const auto files = io::make_memory_file_system();
  WalSettings settings = sample_settings();
  settings.file_bytes_max = settings.file_bytes_min - 1;
  CHECK(WriteAheadLog::create(*files, settings, sample_clock).status().code() ==
        ErrorCode::kInvalidArgument);
  settings.file_bytes_max = kWalFileBytesMax + 1;
  CHECK(WriteAheadLog::create(*files, settings, sample_clock).status().code() ==
        ErrorCode::kInvalidArgument);
  const auto log = make_log(*files);
  const Bytes none;
  const WalRecord large{1, WalType::kRows, {none.data(), kWalPayloadBytesMax + 1}};
  CHECK(log->append(large).status().code() == ErrorCode::kInvalidArgument);
  CHECK(log->last_lsn() == 0);
}

}  // namespace springg::storage
