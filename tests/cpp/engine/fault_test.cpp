// SPDX-License-Identifier: MIT
// Disks that fail: whatever call it is, the old state stays whole.
#include "engine/support.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "engine/database_core.h"
#include "io/fault_file_system.h"

namespace springg::test {

namespace {

constexpr io::CallSet kCalls{io::Call::kCreate, io::Call::kAppend, io::Call::kWriteAt,
                             io::Call::kSync,   io::Call::kRename, io::Call::kSyncDirectory,
                             io::Call::kLink};

// The n-th call that needs the disk fails, and all after it when `for_good`.
void fail_at(io::FaultFileSystem& files, std::uint64_t call, bool for_good) {
  io::Fault fault;
  fault.calls = kCalls;
  fault.skip = call;
  fault.times = for_good ? io::Fault::kForEver : 1;
  fault.error = io::FaultError::kNoSpace;
  files.clear_faults();
  files.inject(fault);
}

// Calls that need the disk, since the operation `first`.
std::uint64_t disk_calls(const io::FaultFileSystem& files, std::size_t first) {
  const std::vector<io::Call> calls = files.calls();
  return static_cast<std::uint64_t>(
      std::count_if(calls.begin() + static_cast<std::ptrdiff_t>(first), calls.end(),
                    [](io::Call call) { return kCalls.contains(call); }));
}

std::vector<std::string> data_files(io::FileSystem& files) {
  std::vector<std::string> names = require_value(files.list("db"));
  std::erase(names, "LOCK");
  std::erase(names, "reserve");
  return names;
}

// After a manifest that has its name and may not be on the disk: reads go on, writes do not, and
// both disks that a power cut may leave have one of these numbers of rows.
void check_in_doubt(io::FaultFileSystem& files, Database& database, Index& index,
                    const std::vector<std::size_t>& allowed) {
  files.clear_faults();
  const std::size_t shown = row_count(index);
  const Rows one = random_rows(1, 4);
  CHECK(index.add(numbers(99, 100), one.all(), nullptr, nullptr).status().code() ==
        ErrorCode::kIoError);
  CHECK(database.flush().code() == ErrorCode::kIoError);
  CHECK(row_count(index) == shown);
  const io::CrashPoint point = files.crash_point();
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const auto disk = point.power_cut(point.random(seed));
    const auto again = require_value(engine::open_in(*disk, "db", two_threads()));
    const std::vector<std::string> names = require_value(again->index_names());
    std::size_t rows = 0;
    for (const std::string& name : names) rows += row_count(*require_value(again->index(name)));
    CHECK(std::find(allowed.begin(), allowed.end(), rows) != allowed.end());
  }
  CHECK(database.close().code() == ErrorCode::kIoError);
  CHECK(database.closed());
}

}  // namespace

TEST_CASE("a flush that fails at any call leaves the state on disk and in memory") {
  for (const bool for_good : {false, true}) {
    bool ended = false;
    int doubts = 0;
    for (std::uint64_t call = 0; call < 200 && !ended; ++call) {
      io::FaultFileSystem files;
      auto database = require_value(engine::open_in(files, "db", two_threads()));
      const auto index = make_index(*database, 4);
      const Rows rows = random_rows(30, 4);
      require_value(index->add(numbers(0, 10), rows.view(0, 10), nullptr, nullptr));
      require_ok(database->flush());
      const auto old_files = data_files(files);
      require_value(index->add(numbers(10, 30), rows.view(10, 20), nullptr, nullptr));
      require_value(index->remove(numbers(3, 5)));

      fail_at(files, call, for_good);
      const std::size_t before = files.calls().size();
      const Status status = database->flush();
      ended = disk_calls(files, before) <= call;
      files.clear_faults();
      if (ended) {
        require_ok(status);
        CHECK(call > 10);
        continue;
      }
      INFO("call " << call << (for_good ? " and all after it" : " alone"));
      CHECK(row_count(*index) == 28);
      if (status.code() == ErrorCode::kIoError) {
        check_in_doubt(files, *database, *index, {28});
        ++doubts;
        continue;
      }
      // One call that found no space: tried again with what is kept in reserve.
      if (for_good || !status.ok()) {
        CHECK(status.code() == ErrorCode::kResourceExhausted);
        CHECK(data_files(files) == old_files);
      }
      require_ok(database->flush());
      require_ok(database->close());
      database = require_value(engine::open_in(files, "db", two_threads()));
      CHECK(row_count(*require_value(database->index("words"))) == 28);
      CHECK_FALSE(
          require_value(require_value(database->index("words"))->contains(numbers(3, 4)[0])));
    }
    REQUIRE(ended);  // else the last calls of a flush were not tried
    CHECK(doubts == 1);
  }
}

TEST_CASE("changes of the catalogue that fail leave it as it was") {
  io::FaultFileSystem files;
  auto database = require_value(engine::open_in(files, "db", two_threads()));
  const auto index = make_index(*database, 4);
  require_value(index->add(numbers(0, 10), random_rows(10, 4).all(), nullptr, nullptr));
  require_ok(database->flush());
  // Creating the file, its bytes, its sync, its name; the sync of the directory is the next test.
  for (std::uint64_t call = 0; call < 4; ++call) {
    fail_at(files, call, false);
    CHECK(database->create_index("new", index->options(), false).status().code() ==
          ErrorCode::kResourceExhausted);
    fail_at(files, call, false);
    CHECK_FALSE(database->rename_index("words", "terms").ok());
    fail_at(files, call, false);
    CHECK_FALSE(database->drop_index("words").ok());
    fail_at(files, call, false);
    CHECK_FALSE(index->clear().ok());
    fail_at(files, call, false);
    CHECK_FALSE(index->tune(nullptr, 0.9, 10, nullptr).ok());
    files.clear_faults();
    CHECK_FALSE(require_value(index->stats()).search.tuning.has_value());
    CHECK(require_value(database->index_names()) == std::vector<std::string>{"words"});
    CHECK(row_count(*index) == 10);
  }
  require_ok(database->close());
  database = require_value(engine::open_in(files, "db", two_threads()));
  CHECK(row_count(*require_value(database->index("words"))) == 10);
}

TEST_CASE("a change of the catalogue whose name may not be on the disk leaves all in doubt") {
  using Change = std::function<Status(Database&, Index&)>;
  const std::pair<Change, std::vector<std::size_t>> changes[] = {
      {[](Database& in, Index& index) {
         return in.create_index("new", index.options(), false).status();
       },
       {10}},
      {[](Database& in, Index&) { return in.rename_index("words", "terms"); }, {10}},
      {[](Database& in, Index&) { return in.drop_index("words"); }, {10, 0}},
      {[](Database&, Index& index) { return index.clear(); }, {10, 0}},
      {[](Database&, Index& index) { return index.tune(nullptr, 0.9, 10, nullptr).status(); },
       {10}},
  };
  for (const auto& [change, allowed] : changes) {
    io::FaultFileSystem files;
    const auto database = require_value(engine::open_in(files, "db", two_threads()));
    const auto index = make_index(*database, 4);
    require_value(index->add(numbers(0, 10), random_rows(10, 4).all(), nullptr, nullptr));
    require_ok(database->flush());
    files.inject({.calls = io::CallSet{io::Call::kSyncDirectory}});
    CHECK(change(*database, *index).code() == ErrorCode::kIoError);
    CHECK(row_count(*index) == 10);
    check_in_doubt(files, *database, *index, allowed);
  }
}

TEST_CASE("a close that cannot flush says so and the database stays open") {
  io::FaultFileSystem files;
  const auto database = require_value(engine::open_in(files, "db", two_threads()));
  const auto index = make_index(*database, 4);
  require_value(index->add(numbers(0, 10), random_rows(10, 4).all(), nullptr, nullptr));
  fail_at(files, 0, true);
  CHECK(database->close().code() == ErrorCode::kResourceExhausted);
  CHECK_FALSE(database->closed());
  CHECK(row_count(*index) == 10);
  files.clear_faults();
  require_ok(database->close());
  const auto again = require_value(engine::open_in(files, "db", two_threads()));
  CHECK(row_count(*require_value(again->index("words"))) == 10);
}

}  // namespace springg::test
