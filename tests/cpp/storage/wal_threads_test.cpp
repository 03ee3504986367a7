// SPDX-License-Identifier: MIT
// Many threads at one log: few syncs, no record lost or out of order, errors reach everybody.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "catch.h"
#include "status_of.h"
#include "wal_sample.h"
#include "watched_file_system.h"

namespace springg::storage {

namespace {

struct Written {
  Lsn lsn = 0;
  Bytes payload;
};

void run_threads(std::size_t count, const std::function<void(std::size_t)>& work) {
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < count; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
}

// Each thread's records are those of its positions, and its positions grow.
void check_all_there(io::FileSystem& files, const std::vector<std::vector<Written>>& written) {
  const auto read = read_log(files);
  INFO(read.status().message());
  REQUIRE(read.ok());
  const auto& records = read.value().records;
  std::size_t count = 0;
  for (const auto& mine : written) {
    Lsn before = 0;
    for (const Written& record : mine) {
      REQUIRE(record.lsn > before);
      before = record.lsn;
      REQUIRE(record.lsn <= records.size());
      REQUIRE(records[record.lsn - 1].payload == record.payload);
    }
    count += mine.size();
  }
  CHECK(count == records.size());
}

}  // namespace

TEST_CASE("many writers share a sync") {
  constexpr std::size_t kThreads = 64;
  constexpr std::uint32_t kEach = 30;
  const auto memory = io::make_memory_file_system();
  testing::WatchedFileSystem files(*memory);
  files.before_each([](const testing::FileCall& call) {
    if (call.call == "sync") std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return Status();
  });
  WalSettings settings = sample_settings();
  settings.file_bytes_min = std::uint64_t{1} << 20;
  settings.file_bytes_max = settings.file_bytes_min;
  const auto log = std::move(WriteAheadLog::create(files, settings, sample_clock)).value();
  std::vector<std::vector<Written>> written(kThreads);
  std::atomic<int> failures = 0;
  run_threads(kThreads, [&](std::size_t thread) {
    for (std::uint32_t i = 0; i < kEach; ++i) {
      const Bytes payload = sample_payload(100 + thread, i);
      const auto lsn = append_bytes(*log, payload);
      if (!lsn.ok() || !log->wait(lsn.value(), WalProgress::kDurable).ok() ||
          log->durable_lsn() < lsn.value()) {
        ++failures;
        return;
      }
      written[thread].push_back({lsn.value(), payload});
    }
  });
  CHECK(failures == 0);
  CHECK(log->durable_lsn() == kThreads * kEach);
  CHECK(files.count("sync") < kThreads * kEach / 8);
  check_all_there(files, written);
}

TEST_CASE("writers who wait for more or less, while files change and the log is watched") {
  constexpr std::size_t kThreads = 8;
  const auto memory = io::make_memory_file_system();
  testing::WatchedFileSystem files(*memory);
  WalSettings settings = sample_settings();
  settings.sync_interval_ms = 1;
  const auto log = std::move(WriteAheadLog::create(files, settings, sample_clock)).value();
  std::vector<std::vector<Written>> written(kThreads);
  std::atomic<int> failures = 0;
  std::atomic<bool> stop = false;
  std::thread watcher([&] {
    while (!stop) {
      const Lsn durable = log->durable_lsn();
      const Lsn known = log->written_lsn();
      if (durable > log->written_lsn() || known > log->last_lsn()) ++failures;
      if (!log->failure().ok() || log->live_bytes() > std::uint64_t{1} << 30) ++failures;
      std::this_thread::yield();
    }
  });
  run_threads(kThreads, [&](std::size_t thread) {
    constexpr WalProgress kAll[] = {WalProgress::kAppended, WalProgress::kWritten,
                                    WalProgress::kDurable};
    for (std::uint32_t i = 0; i < 200; ++i) {
      const Bytes payload = sample_payload(i * 7 % 1500, i);
      const auto lsn = append_bytes(*log, payload);
      if (!lsn.ok() || !log->wait(lsn.value(), kAll[(i + thread) % 3]).ok()) ++failures;
      if (lsn.ok()) written[thread].push_back({lsn.value(), payload});
    }
  });
  CHECK(log->sync().ok());
  stop = true;
  watcher.join();
  CHECK(failures == 0);
  check_all_there(files, written);
  log->close_and_remove();
  CHECK(files.list("/").value().empty());
}

TEST_CASE("files are removed while others are written") {
  const auto files = io::make_memory_file_system();
  const auto log =
      std::move(WriteAheadLog::create(*files, sample_settings(), sample_clock)).value();
  std::atomic<bool> stop = false;
  std::thread remover([&] {
    while (!stop) log->remove_through(std::min<Lsn>(log->durable_lsn(), 750));
  });
  run_threads(4, [&](std::size_t thread) {
    for (std::uint32_t i = 0; i < 200; ++i) {
      (void)append_bytes(*log, sample_payload(900, i));
      if (i % 8 == thread) (void)log->sync();
    }
  });
  CHECK(log->sync().ok());
  stop = true;
  remover.join();
  log->remove_through(750);
  CHECK(log_names(*files).size() <= 5);
  const auto read = read_log(*files, 750);
  REQUIRE(read.ok());
  CHECK(read.value().records.size() == 50);
}

TEST_CASE("an error reaches everybody who waits") {
  const auto memory = io::make_memory_file_system();
  testing::WatchedFileSystem files(*memory);
  std::atomic<int> syncs = 0;
  files.before_each([&](const testing::FileCall& call) {
    if (call.call != "sync") return Status();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return ++syncs == 12 ? io_error("the disk is broken") : Status();
  });
  WalSettings settings = sample_settings();
  settings.file_bytes_min = std::uint64_t{1} << 20;
  settings.file_bytes_max = settings.file_bytes_min;
  const auto log = std::move(WriteAheadLog::create(files, settings, sample_clock)).value();
  std::atomic<int> told = 0;
  run_threads(16, [&](std::size_t) {
    for (int i = 0; i < 1000; ++i) {
      const auto lsn = append_bytes(*log, Bytes(50));
      const Status status = lsn.ok() ? log->wait(lsn.value(), WalProgress::kDurable) : lsn.status();
      if (status.ok()) continue;
      if (testing::says(status, "the disk is broken")) ++told;
      return;
    }
  });
  CHECK(told == 16);
  CHECK(syncs == 12);
}

TEST_CASE("what waits to be written is bounded") {
  const auto memory = io::make_memory_file_system();
  testing::WatchedFileSystem files(*memory);
  WalSettings settings = sample_settings();
  settings.sync_interval_ms = 3'600'000;
  settings.file_bytes_min = std::uint64_t{64} << 20;
  settings.file_bytes_max = settings.file_bytes_min;
  const auto log = std::move(WriteAheadLog::create(files, settings, sample_clock)).value();
  const Bytes payload(std::size_t{1} << 20);
  for (int i = 0; i < 40; ++i) REQUIRE(append_bytes(*log, payload).ok());
  CHECK(log->last_lsn() - log->written_lsn() <= 16);
  CHECK(log->durable_lsn() == 0);
  CHECK(log->sync().ok());
}

}  // namespace springg::storage
