// SPDX-License-Identifier: MIT
// Checks and repairs: every byte of every file changed, files gone, and what is left afterwards.
#include "engine/check.h"

#include <algorithm>
#include <map>
#include <set>

#include "engine/database_core.h"
#include "engine/repair.h"
#include "engine/store_bytes.h"
#include "engine/support.h"
#include "fault_calls.h"
#include "io/file_system.h"
#include "storage/wal_format.h"

namespace springg::test {

namespace {

engine::Tuning small_files() {
  engine::Tuning tuning;
  tuning.log_file_bytes_min = 4096;
  tuning.log_file_bytes_max = 16384;
  tuning.follow_interval_ms = 0;
  return tuning;
}

std::shared_ptr<Database> open_at(io::FileSystem& files, const std::string& path) {
  return require_value(
      engine::open_in(files, path, two_threads(), &base::system_unix_ms, small_files()));
}

// Two segments, the first with a delta, and a log with three records of five, five and one rows.
FileBytes sample() {
  io::FaultFileSystem files;
  {
    const auto database = open_at(files, "/d");
    const auto index = make_index(*database, 4, Metric::kCosine);
    const Rows rows = random_rows(400, 4);
    require_value(index->add(numbers(0, 300), rows.view(0, 300), nullptr, nullptr));
    require_ok(index->optimize(nullptr));
    require_ok(database->flush());
    require_value(index->remove(numbers(0, 7), {}));
    require_value(index->upsert(numbers(7, 10), rows.view(0, 3), nullptr, nullptr, {}));
    require_value(index->add(numbers(300, 310), rows.view(300, 10), nullptr, nullptr, {}));
    require_ok(database->flush());
    require_value(index->add(numbers(310, 315), rows.view(310, 5), nullptr, nullptr, {}));
    require_value(index->add(numbers(315, 320), rows.view(315, 5), nullptr, nullptr, {}));
    require_value(index->add(numbers(320, 321), rows.view(320, 1), nullptr, nullptr, {}));
    files.inject(testing::full_disk_after(0));  // goes as a process that is killed
  }
  files.clear_faults();
  return bytes_in(files, "/d");
}

constexpr std::size_t kSampleRows = 300 - 7 + 10 + 11;

std::string name_with(const FileBytes& all, const std::string& part, bool largest = true) {
  std::string found;
  for (const auto& [name, bytes] : all) {
    if (name.find(part) == std::string::npos) continue;
    if (found.empty() || (bytes.size() > all.at(found).size()) == largest) found = name;
  }
  REQUIRE_FALSE(found.empty());
  return found;
}

CheckReport check(io::FileSystem& files) {
  return require_value(engine::check_directory(files, "/d"));
}

CheckReport repair(io::FileSystem& files) {
  return require_value(engine::repair_directory(files, "/d", &base::system_unix_ms));
}

std::set<std::uint64_t> ids_in(io::FileSystem& files) {
  const auto database = open_at(files, "/d");
  const auto index = require_value(database->index("words"));
  const auto view = require_value(index->view());
  const IdColumn ids = view->ids(0, view->rows());
  const std::set<std::uint64_t> all(ids.integers().begin(), ids.integers().end());
  CHECK(all.size() == ids.size());
  return all;
}

// After a repair: clean, opens, and says so again.
std::set<std::uint64_t> ids_after_repair(io::FileSystem& files) {
  CHECK(check(files).ok());
  const auto all = ids_in(files);
  CHECK(check(files).ok());
  return all;
}

}  // namespace

TEST_CASE("segments that only unreadable records name are kept, by an open and by a repair") {
  const FileBytes all = sample();
  io::FaultFileSystem files;
  engine::Tuning tuning = small_files();
  tuning.logged_vector_bytes_max = 600;
  std::string beside;
  {
    const auto database =
        require_value(engine::open_in(files, "/d", two_threads(), &base::system_unix_ms, tuning));
    const auto index = make_index(*database, 4, Metric::kCosine);
    const Rows rows = random_rows(60, 4);
    require_value(index->add(numbers(0, 5), rows.view(0, 5), nullptr, nullptr, {}));
    require_value(index->add(numbers(5, 60), rows.view(5, 55), nullptr, nullptr, {}));
    files.inject(testing::full_disk_after(0));
  }
  files.clear_faults();
  FileBytes bytes = bytes_in(files, "/d");
  beside = name_with(bytes, ".segment");
  auto& log = bytes.at(name_with(bytes, "wal-"));
  log[frames_in(log).at(0) + storage::kWalFrameHeaderBytes + 20] ^= std::byte{1};
  const auto damaged = files_of(bytes);
  {
    const auto database = open_at(*damaged, "/d");
    const auto index = require_value(database->index("words"));
    CHECK_FALSE(require_value(index->stats()).read_only.empty());
    CHECK(database->flush().code() == ErrorCode::kCorruption);  // the others are on the disk
    CHECK(database->close().code() == ErrorCode::kCorruption);
  }
  CHECK(bytes_in(*damaged, "/d").at(beside) == bytes.at(beside));
  CHECK(repair(*damaged).repaired);
  CHECK(bytes_in(*damaged, "/d/damaged").at(beside) == bytes.at(beside));
}

TEST_CASE("a repair that did not come to its end loses nothing to the next one") {
  // Nothing but a log of several files, the last record damaged.
  FileBytes all;
  {
    io::FaultFileSystem files;
    {
      const auto database = open_at(files, "/d");
      const auto index = make_index(*database, 4, Metric::kCosine);
      const Rows rows = random_rows(300, 4);
      for (std::uint64_t id = 0; id < 300; id += 5) {
        require_value(index->add(numbers(id, id + 5), rows.view(id, 5), nullptr, nullptr, {}));
      }
      files.inject(testing::full_disk_after(0));
    }
    files.clear_faults();
    all = bytes_in(files, "/d");
  }
  std::vector<std::string> logs;
  for (const auto& [name, bytes] : all) {
    if (name.starts_with("wal-") && !frames_in(bytes).empty()) logs.push_back(name);
  }
  REQUIRE(logs.size() > 1);  // the first would go with the repair that was stopped
  auto& log = all.at(logs.back());
  log[frames_in(log).back() + 8] ^= std::byte{1};  // its header
  const std::set<std::uint64_t> kept = [&] {
    const auto files = files_of(all);
    REQUIRE(repair(*files).repaired);
    return ids_in(*files);
  }();
  CHECK(kept.size() == 295);
  bool ended = false;
  for (std::uint64_t call = 0; call < 100 && !ended; ++call) {
    INFO("call " << call);
    io::FaultFileSystem files;
    require_ok(files.create_directories("/d"));
    for (const auto& [name, bytes] : all) {
      const auto file = require_value(files.create("/d/" + name, 0));
      require_ok(file->append(bytes));
      require_ok(file->close());
    }
    files.inject(testing::full_disk_after(call));
    ended = engine::repair_directory(files, "/d", &base::system_unix_ms).ok();
    files.clear_faults();
    if (!check(files).ok()) REQUIRE(repair(files).repaired);
    CHECK(ids_in(files) == kept);
  }
  CHECK(ended);
}

TEST_CASE("a whole directory is ok, and a check changes nothing") {
  FileBytes all = sample();
  all["notes.txt"] = {std::byte{1}};
  all[base::Uuid::random().to_string() + ".segment"] = {std::byte{1}};
  all["manifest-0000000000000099.tmp"] = {};
  const auto files = files_of(all);
  const CheckReport report = check(*files);
  for (const Problem& problem : report.problems) FAIL(problem.what);
  CHECK(report.unknown_files == std::vector<std::string>{"notes.txt"});
  CHECK(report.leftover_files.size() == 2);
  CHECK(bytes_in(*files, "/d") == all);
  CHECK(repair(*files).ok());
  CHECK(ids_in(*files).size() == kSampleRows);
}

TEST_CASE("every byte that counts is checked") {
  const FileBytes all = sample();
  const auto must_be_found = [&](const std::string& name, std::size_t at) {
    FileBytes changed = all;
    changed[name][at] ^= std::byte{0x10};
    const auto files = files_of(changed);
    const auto report = engine::check_directory(*files, "/d");
    INFO(name << " at " << at);
    CHECK((!report.ok() || !report->ok()));
  };
  for (const auto& [name, bytes] : all) {
    if (name == "LOCK" || name.starts_with("wal-")) continue;
    const std::size_t step = std::max<std::size_t>(1, bytes.size() / 211);
    for (std::size_t at = 0; at < bytes.size(); at += step) must_be_found(name, at);
  }
  // Of the log: its header, and what later frames vouch for. Behind that damage looks like a torn
  // end; a trailer says no more than that the frame before it is whole.
  const std::string log = name_with(all, "wal-");
  const std::vector<std::size_t> frames = frames_in(all.at(log));
  REQUIRE(frames.size() >= 3);
  for (std::size_t at = 0; at < storage::kWalHeaderBytes; ++at) must_be_found(log, at);
  for (std::size_t frame = frames.size() - 3; frame + 1 < frames.size(); ++frame) {
    const std::size_t end = frames[frame + 1] - storage::kWalTrailerBytes;
    for (std::size_t at = frames[frame]; at < end; ++at) must_be_found(log, at);
  }
}

TEST_CASE("damage is named with its file and offset, and a repair drops exactly the rows") {
  const FileBytes all = sample();
  FileBytes changed = all;
  const std::string segment = name_with(all, ".segment");
  changed[segment][4096 * 2 + 5] ^= std::byte{1};
  const auto files = files_of(changed);
  const CheckReport report = check(*files);
  REQUIRE(report.problems.size() == 1);
  const Problem& problem = report.problems.front();
  CHECK(problem.file == segment);
  CHECK(problem.offset == 4096 * 2);
  CHECK(problem.index == "words");
  CHECK(problem.rows_lost == 290);
  CHECK(problem.what.find("/d/" + segment + " is damaged at byte 8192") == 0);
  const CheckReport repaired = repair(*files);
  CHECK(repaired.repaired);
  CHECK(repaired.problems.size() == 1);
  // The log as well: the repair ends with its removal.
  CHECK(repaired.kept_files ==
        std::vector<std::string>{"damaged/" + segment, "damaged/" + name_with(all, "wal-")});
  const auto kept = require_value(files->map("/d/damaged/" + segment));
  CHECK(std::ranges::equal(kept->bytes(), changed[segment]));
  CHECK(ids_after_repair(*files).size() == kSampleRows - 290);
}

TEST_CASE("a missing segment and a missing delta") {
  FileBytes all = sample();
  SECTION("segment") {
    all.erase(name_with(all, ".segment"));
    const auto files = files_of(all);
    CHECK(check(*files).problems.front().rows_lost == 290);
    repair(*files);
    CHECK(ids_after_repair(*files).size() == kSampleRows - 290);
  }
  SECTION("delta: deleted rows come back, but none twice") {
    all.erase(name_with(all, ".delta"));
    const auto files = files_of(all);
    const CheckReport report = repair(*files);
    CHECK(report.problems.front().rows_lost == 0);
    CHECK(ids_after_repair(*files).size() == kSampleRows + 7);
  }
}

TEST_CASE("what is derived is made again, and nothing is lost") {
  FileBytes all = sample();
  const std::string name = name_with(all, ".segment");
  // The id table and the graph are the last sections of it: change a byte of each page from there.
  const FileBytes before = all;
  std::size_t derived = 0;
  for (std::size_t page = 1; page * 4096 < all[name].size(); ++page) {
    FileBytes changed = before;
    changed[name][page * 4096] ^= std::byte{1};
    const auto files = files_of(changed);
    const CheckReport report = check(*files);
    REQUIRE_FALSE(report.ok());
    if (report.problems.front().rows_lost != 0) continue;
    ++derived;
    CHECK(repair(*files).repaired);
    CHECK(ids_after_repair(*files).size() == kSampleRows);
  }
  CHECK(derived >= 2);
}

TEST_CASE("damage in the log ends what can be done again there") {
  const FileBytes all = sample();
  const std::string log = name_with(all, "wal-", true);
  const std::vector<std::size_t> frames = frames_in(all.at(log));
  REQUIRE(frames.size() >= 3);
  const std::size_t second = frames[frames.size() - 2];
  const std::size_t changed_at = GENERATE(8U, 64U + 40U);  // its header, its payload
  FileBytes changed = all;
  changed[log][second + changed_at] ^= std::byte{1};
  const auto files = files_of(changed);
  const CheckReport report = check(*files);
  REQUIRE(report.problems.size() == 1);
  CHECK(report.problems.front().file == log);
  CHECK(report.problems.front().offset == second);
  const CheckReport repaired = repair(*files);
  CHECK(std::find(repaired.kept_files.begin(), repaired.kept_files.end(), "damaged/" + log) !=
        repaired.kept_files.end());
  CHECK(ids_after_repair(*files).size() == kSampleRows - 6);
}

TEST_CASE("without a whole manifest there is no repair, and nothing is changed") {
  FileBytes all = sample();
  const std::string name = name_with(all, "manifest-");
  SECTION("damaged") { all[name][5000] ^= std::byte{1}; }
  SECTION("gone") { all.erase(name); }
  const auto files = files_of(all);
  CHECK_FALSE(check(*files).ok());
  const auto repaired = engine::repair_directory(*files, "/d", &base::system_unix_ms);
  CHECK(repaired.status().code() == ErrorCode::kCorruption);
  for (const auto& [file, bytes] : all) {
    const auto mapped = require_value(files->map("/d/" + file));
    CHECK(std::ranges::equal(mapped->bytes(), bytes));
  }
}

TEST_CASE("an older manifest that is whole is a state, and the report says so") {
  FileBytes all = sample();
  const std::string name = name_with(all, "manifest-");
  const auto older = files_of(all);
  {
    const auto database = open_at(*older, "/d");
    require_ok(database->rename_index("words", "others"));
    require_ok(database->close());
  }
  FileBytes newer = bytes_in(*older, "/d");
  const std::string newest = name_with(newer, "manifest-");
  REQUIRE(newest > name);
  newer.insert(all.begin(), all.end());
  newer[newest][5000] ^= std::byte{1};
  const auto files = files_of(newer);
  const CheckReport report = repair(*files);
  CHECK(std::any_of(report.problems.begin(), report.problems.end(), [&](const Problem& problem) {
    return problem.file == newest && problem.what.find("is lost") != std::string::npos;
  }));
  CHECK(ids_after_repair(*files).size() == kSampleRows);
}

TEST_CASE("a repair needs a directory that nobody has open; a check does not") {
  FileBytes all = sample();
  const auto files = files_of(all);
  const auto database = open_at(*files, "/d");
  CHECK(require_value(database->check(false)).ok());
  CHECK(require_value(database->check(true)).ok());
  CHECK(engine::repair_directory(*files, "/d", &base::system_unix_ms).status().code() ==
        ErrorCode::kFailedPrecondition);
  CHECK(require_value(open_memory()->check(false)).ok());
}

TEST_CASE("a damaged index stays read-only, however often the database is closed") {
  const FileBytes all = sample();
  const std::string log = name_with(all, "wal-", true);
  const std::vector<std::size_t> frames = frames_in(all.at(log));
  FileBytes changed = all;
  changed[log][frames[frames.size() - 2] + 64 + 40] ^= std::byte{1};
  const auto files = files_of(changed);
  for (int i = 0; i < 3; ++i) {
    const auto database = open_at(*files, "/d");
    const auto index = require_value(database->index("words"));
    CHECK(index->remove(numbers(20, 21), {}).status().code() == ErrorCode::kCorruption);
    require_value(make_index(*database, 2, Metric::kL2, "n" + std::to_string(i))
                      ->add(numbers(0, 1), random_rows(1, 2).all(), nullptr, nullptr));
    CHECK(database->flush().code() == ErrorCode::kCorruption);  // the others are on the disk
    CHECK(database->close().code() == ErrorCode::kCorruption);
    CHECK_FALSE(check(*files).ok());
  }
  repair(*files);
  CHECK(ids_after_repair(*files).size() == kSampleRows - 6);
}

}  // namespace springg::test
