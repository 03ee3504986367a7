// SPDX-License-Identifier: MIT
// What a repair does not lose: intact records of the log, wherever the damage is; and damage that
// is of no consequence.
#include "engine/repair.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "engine/check.h"
#include "engine/database_core.h"
#include "engine/snapshot.h"
#include "engine/store_bytes.h"
#include "engine/support.h"
#include "fault_calls.h"
#include "io/file_system.h"
#include "storage/segment.h"
#include "storage/wal_format.h"

namespace springg::test {

namespace {

engine::Tuning small_files() {
  engine::Tuning tuning;
  tuning.log_file_bytes_min = std::size_t{64} << 10;
  tuning.log_file_bytes_max = std::size_t{64} << 10;
  tuning.logged_vector_bytes_max = 600;  // what is larger goes beside the log
  tuning.follow_interval_ms = 0;
  return tuning;
}

std::shared_ptr<Database> open_at(io::FileSystem& files) {
  return require_value(
      engine::open_in(files, "/d", two_threads(), &base::system_unix_ms, small_files()));
}

// What a process leaves that is killed at the end of `work`.
template <class Work>
FileBytes killed_after(Work work) {
  io::FaultFileSystem files;
  {
    const auto database = open_at(files);
    work(*database);
    files.inject(testing::full_disk_after(0));
  }
  files.clear_faults();
  return bytes_in(files, "/d");
}

std::vector<std::string> names_with(const FileBytes& all, const std::string& part) {
  std::vector<std::string> names;
  for (const auto& [name, bytes] : all) {
    if (name.find(part) != std::string::npos) names.push_back(name);
  }
  return names;
}

std::string only_name(const FileBytes& all, const std::string& part) {
  const auto names = names_with(all, part);
  REQUIRE(names.size() == 1);
  return names.front();
}

void damage_header(FileBytes& all, std::size_t frame) {
  auto& log = all.at(only_name(all, "wal-"));
  log[frames_in(log).at(frame) + 8] ^= std::byte{1};
}
void damage_payload(FileBytes& all, std::size_t frame) {
  auto& log = all.at(only_name(all, "wal-"));
  log[frames_in(log).at(frame) + storage::kWalFrameHeaderBytes + 4] ^= std::byte{1};
}

// The first page behind the header: of ids, or vectors.
void damage_segment(FileBytes& all, const std::string& name) {
  all.at(name)[std::size_t{4096} * 2 + 5] ^= std::byte{1};
}

CheckReport check(io::FileSystem& files) {
  return require_value(engine::check_directory(files, "/d"));
}
CheckReport repair(io::FileSystem& files) {
  return require_value(engine::repair_directory(files, "/d", &base::system_unix_ms));
}

bool tells(const CheckReport& report, const std::string& what) {
  return std::any_of(report.problems.begin(), report.problems.end(), [&](const Problem& problem) {
    return problem.what.find(what) != std::string::npos && problem.index == "words";
  });
}

std::set<std::uint64_t> ids_in(Database& database, const std::string& name = "words") {
  const auto view = require_value(require_value(database.index(name))->view());
  const IdColumn ids = view->ids(0, view->rows());
  const std::set<std::uint64_t> all(ids.integers().begin(), ids.integers().end());
  CHECK(all.size() == ids.size());
  return all;
}

std::set<std::uint64_t> set_of(std::uint64_t begin, std::uint64_t end) {
  const IdColumn ids = numbers(begin, end);
  return {ids.integers().begin(), ids.integers().end()};
}

std::string metadata_of(Database& database, std::uint64_t id) {
  const auto index = require_value(database.index("words"));
  const auto batch = require_value(index->get(numbers(id, id + 1), {.metadata = true}));
  return std::string(batch.metadata->text(0));
}

float first_value_of(Database& database, std::uint64_t id) {
  const auto index = require_value(database.index("words"));
  return require_value(index->get(numbers(id, id + 1), {.vectors = true})).vectors.at(0);
}

void add(Index& index, std::uint64_t begin, std::uint64_t end, std::size_t at_once = 10) {
  const Rows rows = random_rows(end - begin, 4);
  for (std::uint64_t id = begin; id < end; id += at_once) {
    const std::size_t count = std::min<std::size_t>(at_once, end - id);
    require_value(
        index.add(numbers(id, id + count), rows.view(id - begin, count), nullptr, nullptr, {}));
  }
}

// A segment with the rows 0 to 99, one of another 100, and in the log metadata of two rows, one of
// each segment, then 300 rows in records of ten.
FileBytes metadata_then_rows() {
  return killed_after([](Database& database) {
    const auto index = make_index(database, 4);
    add(*index, 0, 100, 100);
    require_ok(index->optimize(nullptr));
    require_ok(database.flush());
    IdColumn ids = numbers(7, 8);
    ids.append_integer(105);
    add(*index, 100, 110);
    const MetadataColumn changed = texts({R"({"a":7})", R"({"a":105})"});
    require_value(index->update(ids, nullptr, &changed, nullptr, {}));
    add(*index, 110, 400);
  });
}

}  // namespace

TEST_CASE("repair: rows behind metadata of rows that are lost are all there") {
  FileBytes all = metadata_then_rows();
  const std::string segment = only_name(all, ".segment");
  const std::string log = only_name(all, "wal-");
  damage_segment(all, segment);
  const auto files = files_of(all);
  CHECK(check(*files).problems.size() == 1);
  const CheckReport report = repair(*files);
  CHECK(report.repaired);
  CHECK(tells(report, "changes of metadata were dropped, since their rows are lost: 1"));
  CHECK_FALSE(tells(report, "and those behind them"));
  // The original of all that the repair removes.
  CHECK(report.kept_files == std::vector<std::string>{"damaged/" + segment, "damaged/" + log});
  const FileBytes kept = bytes_in(*files, "/d/damaged");
  CHECK(kept.at(segment) == all.at(segment));
  CHECK(kept.at(log) == all.at(log));
  CHECK(check(*files).ok());
  const auto database = open_at(*files);
  CHECK(ids_in(*database) == set_of(100, 400));
  CHECK(metadata_of(*database, 105) == R"({"a":105})");
}

TEST_CASE("repair: records behind a lost file beside the log are done again") {
  const Rows rows = random_rows(60, 4);
  FileBytes all = killed_after([&](Database& database) {
    const auto index = make_index(database, 4);
    add(*index, 0, 20);
    // Beside the log: new rows, and some that replace older ones.
    require_value(index->upsert(numbers(10, 70), rows.all(), nullptr, nullptr, {}));
    require_value(index->remove(numbers(12, 14), {}));
    require_value(index->upsert(numbers(14, 15), rows.view(3, 1), nullptr, nullptr, {}));
    const MetadataColumn changed = texts({R"({"a":1})", R"({"a":2})"});
    IdColumn ids = numbers(5, 6);
    ids.append_integer(60);
    require_value(index->update(ids, nullptr, &changed, nullptr, {}));
    require_value(index->remove(numbers(0, 2), {}));
    add(*index, 100, 200);
  });
  const std::string segment = only_name(all, ".segment");
  SECTION("damaged") { damage_segment(all, segment); }
  SECTION("gone") { all.erase(segment); }
  const auto files = files_of(all);
  const CheckReport report = repair(*files);
  CHECK(report.problems.front().rows_lost == 60);
  CHECK(tells(report, "segments that the log names are lost: 1"));
  CHECK(tells(report, "changes of metadata were dropped, since their rows are lost: 1"));
  std::uint64_t lost = 0;
  for (const Problem& problem : report.problems) lost += problem.rows_lost.value_or(0);
  CHECK(lost == 60);  // none of them twice
  const auto database = open_at(*files);
  // What was deleted behind the lost record is not back, and what was stored there is new.
  std::set<std::uint64_t> expected = set_of(2, 20);
  for (const std::uint64_t id : set_of(12, 14)) expected.erase(id);
  expected.merge(set_of(100, 200));
  CHECK(ids_in(*database) == expected);
  CHECK(first_value_of(*database, 14) == rows.values[12]);
  CHECK(metadata_of(*database, 5) == R"({"a":1})");
}

TEST_CASE("repair: a second one keeps its originals beside those of the first") {
  const auto files = [] {
    FileBytes all = metadata_then_rows();
    damage_segment(all, only_name(all, ".segment"));
    return files_of(all);
  }();
  REQUIRE(repair(*files).repaired);
  const FileBytes first = bytes_in(*files, "/d/damaged");
  {
    const auto database = open_at(*files);
    const auto index = require_value(database->index("words"));
    add(*index, 1000, 1010);  // into a log that has its first name again
    require_ok(database->sync());
    FileBytes all = bytes_in(*files, "/d");
    damage_segment(all, names_with(all, ".segment").back());
    const auto again = files_of(all);
    require_ok(again->create_directories("/d/damaged"));
    for (const auto& [name, bytes] : first) {
      const auto file = require_value(again->create("/d/damaged/" + name, 0));
      require_ok(file->append(bytes));
      require_ok(file->close());
    }
    const std::string log = only_name(all, "wal-");
    REQUIRE(first.contains(log));
    const CheckReport report = repair(*again);
    const std::set<std::string> kept(report.kept_files.begin(), report.kept_files.end());
    CHECK(kept.contains("damaged/" + log + ".1"));
    CHECK(bytes_in(*again, "/d/damaged").at(log) == first.at(log));
    CHECK(bytes_in(*again, "/d/damaged").at(log + ".1") == all.at(log));
    CHECK(ids_in(*open_at(*again)).contains(1009));
  }
}

namespace {

// Two indexes of which "words" was flushed with its first two records and "others", empty, was not:
// the manifest begins before these. Then three records more of "words".
FileBytes one_index_ahead() {
  FileBytes all = killed_after([](Database& database) {
    make_index(database, 4, Metric::kL2, "others");
    const auto index = make_index(database, 4);
    add(*index, 0, 20);
    require_ok(database.flush());
    add(*index, 20, 50);
  });
  const auto files = files_of(all);
  auto manifest = require_value(storage::read_newest_manifest(*files, "/d"));
  const std::string before = storage::manifest_file_name(manifest->generation++);
  REQUIRE(manifest->lsn == 2);
  manifest->lsn = 0;
  for (storage::IndexEntry& index : manifest->indexes) {
    if (index.name == "others") index.lsn = 0;
  }
  require_ok(storage::publish_manifest(*files, "/d", *manifest));
  require_ok(files->remove("/d/" + before));
  all = bytes_in(*files, "/d");
  REQUIRE(check(*files).ok());
  return all;
}

}  // namespace

TEST_CASE("repair: damage to a record that is in a segment hides none behind it") {
  FileBytes all = one_index_ahead();
  damage_payload(all, 0);
  SECTION("one") {}
  SECTION("both") { damage_payload(all, 1); }
  const auto files = files_of(all);
  CHECK(check(*files).ok());
  CHECK(repair(*files).ok());
  {
    DatabaseOptions options = two_threads();
    options.read_only = true;
    const auto reader =
        require_value(engine::open_in(*files, "/d", options, &base::system_unix_ms, small_files()));
    require_ok(reader->refresh());
    CHECK(ids_in(*reader) == set_of(0, 50));
  }
  {
    const auto database = open_at(*files);
    CHECK(ids_in(*database) == set_of(0, 50));
    const auto index = require_value(database->index("words"));
    CHECK(require_value(index->stats()).read_only.empty());
    add(*index, 50, 60);
    require_ok(database->close());
  }
  const auto database = open_at(*files);
  CHECK(ids_in(*database) == set_of(0, 60));
}

TEST_CASE("repair: a copy passes over a damaged record that is in a segment") {
  FileBytes all = one_index_ahead();
  damage_payload(all, 0);
  SECTION("one") {}
  SECTION("both") { damage_payload(all, 1); }
  const auto files = files_of(all);
  require_value(engine::copy_directory(*files, "/d", "/copy", &base::system_unix_ms));
  const auto copy = require_value(
      engine::open_in(*files, "/copy", two_threads(), &base::system_unix_ms, small_files()));
  CHECK(ids_in(*copy) == set_of(0, 50));
}

TEST_CASE("repair: damage that counts is found behind damage that does not") {
  FileBytes all = one_index_ahead();
  damage_payload(all, 0);
  damage_payload(all, 3);
  const auto files = files_of(all);
  const CheckReport report = check(*files);
  REQUIRE(report.problems.size() == 1);
  CHECK(report.problems.front().offset == frames_in(all.at(only_name(all, "wal-"))).at(3));
  CHECK(engine::copy_directory(*files, "/d", "/copy", &base::system_unix_ms).status().code() ==
        ErrorCode::kCorruption);
  CHECK(repair(*files).repaired);
  const auto database = open_at(*files);
  CHECK(ids_in(*database) == set_of(0, 30));
}

TEST_CASE("repair: dying in one never shows records behind a hole") {
  // The manifest knows that records up to the tenth were on the disk; the sixth is damaged.
  FileBytes all = killed_after([](Database& database) {
    const auto index = make_index(database, 4);
    add(*index, 0, 100);
    make_index(database, 4, Metric::kL2, "others");
    add(*index, 100, 150);
  });
  damage_header(all, 5);
  bool ended = false;
  for (std::uint64_t call = 0; call < 100 && !ended; ++call) {
    INFO("call " << call);
    io::FaultFileSystem files;
    fill(files, all);
    io::Fault fault = testing::full_disk_after(call);
    fault.calls = io::kMutatingCalls.without(io::Call::kLockDirectory);
    files.inject(fault);
    const auto report = engine::repair_directory(files, "/d", &base::system_unix_ms);
    files.clear_faults();
    // Files that cannot be removed are no error.
    ended = report.ok() && names_with(bytes_in(files, "/d"), "wal-").empty();
    if (!check(files).ok()) REQUIRE(repair(files).repaired);
    CHECK(ids_in(*open_at(files)) == set_of(0, 50));
  }
  CHECK(ended);
}

}  // namespace springg::test
