// SPDX-License-Identifier: MIT
// What becomes of writes when the power or the disk fails.
#include "engine/support.h"

#include <atomic>
#include <thread>

#include "engine/database_core.h"
#include "io/fault_file_system.h"

namespace springg::test {

namespace {

using engine::Tuning;
using io::FaultFileSystem;

constexpr char kPath[] = "/db";

std::shared_ptr<engine::DatabaseCore> open_core(io::FileSystem& files, const Tuning& tuning = {},
                                                DatabaseOptions options = two_threads()) {
  return require_value(
      engine::DatabaseCore::open(kPath, options, &files, &base::system_unix_ms, tuning));
}

std::shared_ptr<Index> new_index(engine::DatabaseCore& core, Metric metric = Metric::kCosine) {
  IndexOptions options;
  options.dimensions = 4;
  options.metric = metric;
  return require_value(core.create_index("words", options, false));
}

std::shared_ptr<Index> words(engine::DatabaseCore& core) {
  return require_value(core.index("words"));
}

// The rows as the index gives them, ids, vectors and metadata, in order.
std::string contents(const Index& index) {
  const auto view = require_value(index.view());
  const RecordBatch batch = view->records(0, view->rows(), {.metadata = true, .vectors = true});
  std::string all;
  for (std::size_t i = 0; i < batch.ids.size(); ++i) {
    all += describe(batch.ids[i]) + "[";
    for (std::size_t d = 0; d < 4; ++d) all += std::to_string(batch.vectors[i * 4 + d]) + " ";
    all += "]" + std::string(batch.metadata->text(i)) + "\n";
  }
  return all;
}

SearchOptions nearest(std::size_t k) {
  SearchOptions options;
  options.k = k;
  return options;
}

// A bit of everything, through every way that a write can take.
void write_all_kinds(Index& index) {
  const Rows rows = random_rows(400, 4);
  const MetadataColumn two = texts({"{\"n\":1}", ""});
  require_value(index.add(numbers(0, 100), rows.view(0, 100), nullptr, nullptr));
  require_value(index.upsert(strings({"a", "b"}), rows.view(100, 2), &two, nullptr));
  require_value(index.add(numbers(100, 120), rows.view(110, 20), nullptr, nullptr));   // beside
  require_value(index.add(numbers(200, 400), rows.view(130, 200), nullptr, nullptr));  // bulk
  require_value(index.upsert(numbers(50, 260), rows.view(50, 210), nullptr, nullptr));
  require_value(index.update(strings({"b", "a"}), nullptr, &two, nullptr));
  const MatrixView one = rows.view(7, 1);
  require_value(index.update(strings({"a"}), &one, nullptr, nullptr));
  require_value(index.remove(numbers(0, 30)));
  require_value(index.remove(numbers(290, 310)));
}

// 20 rows go beside the log, 200 become a segment.
Tuning small_sizes() {
  Tuning tuning;
  tuning.logged_vector_bytes_max = 300;
  tuning.memtable_call_rows_max = 150;
  tuning.log_file_bytes_min = 4096;
  tuning.log_file_bytes_max = 8192;
  return tuning;
}

std::size_t files_with(FaultFileSystem& files, std::string_view part) {
  std::size_t count = 0;
  for (const std::string& name : require_value(files.list(kPath))) {
    count += name.find(part) == std::string::npos ? 0 : 1;
  }
  return count;
}

}  // namespace

TEST_CASE("a power cut takes nothing that was acknowledged at disk") {
  for (const Metric metric : {Metric::kCosine, Metric::kL2}) {
    FaultFileSystem files;
    const auto core = open_core(files, small_sizes());
    const auto index = new_index(*core, metric);
    write_all_kinds(*index);
    const std::string before = contents(*index);
    const Rows query = random_rows(1, 4, 9);
    const auto hits = require_value(index->search(query.all(), nearest(20), nullptr));

    const io::CrashPoint point = files.crash_point();
    const auto disk = point.power_cut(point.prefix(0));
    const auto again = open_core(*disk, small_sizes());
    CHECK(contents(*words(*again)) == before);
    SearchOptions exact = nearest(20);
    exact.exact = true;
    const auto found =
        require_value(words(*again)->search(random_rows(1, 4, 9).all(), exact, nullptr));
    const auto wanted = require_value(index->search(random_rows(1, 4, 9).all(), exact, nullptr));
    CHECK(found.distances == wanted.distances);
    CHECK(hits.counts[0] == 20);
    core->abandon();
    again->abandon();
  }
}

TEST_CASE("writing goes on after a recovery, and after the next one") {
  auto files = std::make_unique<FaultFileSystem>();
  std::string before;
  for (std::uint64_t round = 0; round < 6; ++round) {
    const auto core = open_core(*files, small_sizes());
    const auto index = round == 0 ? new_index(*core) : words(*core);
    CHECK(contents(*index) == before);
    const Rows rows = random_rows(30, 4, static_cast<std::uint32_t>(round));
    require_value(
        index->upsert(numbers(round * 20, round * 20 + 30), rows.all(), nullptr, nullptr));
    require_value(index->remove(numbers(round * 20 + 3, round * 20 + 6)));
    if (round == 3) require_ok(core->flush());
    before = contents(*index);
    const io::CrashPoint point = files->crash_point();
    auto disk = point.power_cut(point.prefix(0));
    core->abandon();
    files = std::move(disk);
  }
}

TEST_CASE("readers see a write when it is durable, and the next writer before that") {
  FaultFileSystem files;
  const auto core = open_core(files);
  const auto index = new_index(*core);
  const Rows rows = random_rows(2, 4);
  require_value(index->add(numbers(0, 1), rows.view(0, 1), nullptr, nullptr));
  files.set_sync_delay(std::chrono::milliseconds(300));
  std::atomic<bool> done{false};
  std::thread writer([&] {
    require_value(index->add(numbers(1, 2), rows.view(1, 1), nullptr, nullptr));
    done = true;
  });
  // It is in the log, and not yet on the disk.
  REQUIRE(eventually([&] { return core->stats().at("last_lsn") == 2; }));
  CHECK_FALSE(done);
  CHECK(row_count(*index) == 1);
  const auto second = index->add(numbers(1, 2), rows.view(1, 1), nullptr, nullptr);
  CHECK(second.status().code() == ErrorCode::kAlreadyExists);
  CHECK_FALSE(done);
  writer.join();
  CHECK(row_count(*index) == 2);
  core->abandon();
}

TEST_CASE("many writers of one index share syncs") {
  FaultFileSystem files;
  const auto core = open_core(files);
  const auto index = new_index(*core);
  constexpr std::uint64_t kWriters = 16;
  constexpr std::uint64_t kWrites = 20;
  files.set_sync_delay(std::chrono::milliseconds(2));
  std::atomic<std::uint64_t> syncs{0};
  files.set_hook([&](std::uint64_t, io::Call call, const std::string&) {
    if (call == io::Call::kSync) ++syncs;
  });
  const Rows rows = random_rows(kWriters * kWrites, 4);
  std::vector<std::thread> writers;
  for (std::uint64_t w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, w] {
      for (std::uint64_t i = 0; i < kWrites; ++i) {
        const std::uint64_t id = w * kWrites + i;
        const auto added = index->add(numbers(id, id + 1), rows.view(id, 1), nullptr, nullptr);
        if (!added.ok()) std::terminate();
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  files.set_hook(nullptr);
  CHECK(row_count(*index) == kWriters * kWrites);
  CHECK(syncs < kWriters * kWrites / 3);
  core->abandon();
}

TEST_CASE("after a failed sync writes are refused, reads go on, and opening again tells") {
  FaultFileSystem files;
  auto core = open_core(files);
  const auto index = new_index(*core);
  const Rows rows = random_rows(3, 4);
  require_value(index->add(numbers(0, 1), rows.view(0, 1), nullptr, nullptr));
  files.inject({.calls = io::CallSet{io::Call::kSync}});
  const Status failed = index->add(numbers(1, 2), rows.view(1, 1), nullptr, nullptr).status();
  CHECK(failed.code() == ErrorCode::kIoError);
  files.clear_faults();
  CHECK(row_count(*index) == 1);
  CHECK_FALSE(require_value(index->contains(numbers(1, 2)[0])));
  for (const Durability durability : {Durability::kDisk, Durability::kBuffered}) {
    const auto again = index->upsert(numbers(2, 3), rows.view(2, 1), nullptr, nullptr, durability);
    CHECK(again.status().code() == ErrorCode::kIoError);
  }
  CHECK(index->remove(numbers(0, 1)).status().code() == ErrorCode::kIoError);
  CHECK(core->flush().code() == ErrorCode::kIoError);
  CHECK(core->sync().code() == ErrorCode::kIoError);
  CHECK(row_count(*index) == 1);
  CHECK(core->close().code() == ErrorCode::kIoError);  // and lets go all the same
  CHECK(core->gone());
  core = open_core(files);
  CHECK(require_value(words(*core)->contains(numbers(0, 1)[0])));
  require_value(words(*core)->upsert(numbers(2, 3), rows.view(2, 1), nullptr, nullptr));
  core->abandon();
}

TEST_CASE("a full disk refuses a write whole, and writes go on when there is space") {
  FaultFileSystem files;
  Tuning tuning = small_sizes();
  const auto core = open_core(files, tuning);
  const auto index = new_index(*core);
  const Rows rows = random_rows(400, 4);
  require_value(index->add(numbers(0, 1), rows.view(0, 1), nullptr, nullptr));
  files.set_byte_budget(files.bytes_used() + 5000);
  std::uint64_t id = 1;
  Status status;
  for (; id < 400 && status.ok(); ++id) {
    status = index->add(numbers(id, id + 1), rows.view(id, 1), nullptr, nullptr).status();
  }
  REQUIRE(status.code() == ErrorCode::kResourceExhausted);
  --id;
  CHECK(row_count(*index) == id);
  const std::string before = contents(*index);
  CHECK(index->add(numbers(id, id + 1), rows.view(id, 1), nullptr, nullptr).status().code() ==
        ErrorCode::kResourceExhausted);
  CHECK(contents(*index) == before);
  files.set_byte_budget(std::nullopt);
  require_value(index->add(numbers(id, id + 1), rows.view(id, 1), nullptr, nullptr));
  const std::string after = contents(*index);
  const io::CrashPoint point = files.crash_point();
  const auto again = open_core(*point.power_cut(point.prefix(0)), tuning);
  CHECK(contents(*words(*again)) == after);
  core->abandon();
  again->abandon();
}

TEST_CASE("on a full disk deletes and the flush still work, and give space back") {
  FaultFileSystem files;
  const Tuning tuning = small_sizes();
  auto core = open_core(files, tuning);
  const auto index = new_index(*core);
  const Rows rows = random_rows(400, 4);
  require_value(index->add(numbers(0, 150), rows.view(0, 150), nullptr, nullptr));
  require_ok(core->flush());
  files.set_byte_budget(files.bytes_used() + 5000);
  std::uint64_t id = 150;
  while (index->add(numbers(id, id + 1), rows.view(id, 1), nullptr, nullptr).ok()) ++id;
  const auto add_one = [&] {
    return index->add(numbers(id, id + 1), rows.view(id, 1), nullptr, nullptr).status().code();
  };
  CHECK(add_one() == ErrorCode::kResourceExhausted);
  // Deletes long enough for another file of the log, then the flush, which cuts it.
  for (std::uint64_t i = 0; i < 140; ++i) require_value(index->remove(numbers(i, i + 1)));
  require_ok(core->flush());
  CHECK(row_count(*index) == id - 140);
  // There is as much again as is kept in reserve.
  files.set_byte_budget(files.bytes_used() + (std::uint64_t{4} << 20) + 20'000);
  CHECK(add_one() == ErrorCode::kOk);
  const std::string before = contents(*index);
  const io::CrashPoint point = files.crash_point();
  const auto again = open_core(*point.power_cut(point.prefix(0)), tuning);
  CHECK(contents(*words(*again)) == before);
  core->abandon();
  again->abandon();
  for (const std::string& name : require_value(files.list(kPath))) {
    CHECK(name.find("reserve") == std::string::npos);
  }
}

TEST_CASE("the error of a background flush is told once by a write, and in the statistics") {
  FaultFileSystem files;
  DatabaseOptions options = two_threads();
  options.log_bytes_max = 5'000;
  const auto core = open_core(files, small_sizes(), options);
  const auto index = new_index(*core);
  const Rows rows = random_rows(400, 4);
  io::Fault fault{.calls = io::CallSet{io::Call::kCreate}, .path_suffix = ".segment.tmp"};
  fault.times = io::Fault::kForEver;
  files.inject(fault);
  std::uint64_t id = 0;
  REQUIRE(eventually([&] {
    const auto added = index->add(numbers(id, id + 1), rows.view(id % 400, 1), nullptr, nullptr);
    if (added.ok()) ++id;
    return !added.ok() && added.status().code() == ErrorCode::kIoError;
  }));
  CHECK(row_count(*index) == id);
  files.clear_faults();
  CHECK(eventually([&] {
    return index->upsert(numbers(id, id + 1), rows.view(id % 400, 1), nullptr, nullptr).ok();
  }));
  core->abandon();
}

TEST_CASE("a flush cuts the log, and a close leaves none") {
  FaultFileSystem files;
  auto core = open_core(files, small_sizes());
  const auto index = new_index(*core);
  write_all_kinds(*index);
  const std::string before = contents(*index);
  CHECK(files_with(files, ".log") >= 1);
  require_ok(core->flush());
  CHECK(files_with(files, ".log") == 1);  // the one being written
  CHECK(core->stats().at("log_bytes") == 0);
  CHECK(contents(*index) == before);
  require_ok(core->close());
  CHECK(files_with(files, "wal-") == 0);
  core = open_core(files, small_sizes());
  CHECK(contents(*words(*core)) == before);
  core->abandon();
}

TEST_CASE("files beside the log go when the log does not need them") {
  FaultFileSystem files;
  const auto core = open_core(files, small_sizes());
  const auto index = new_index(*core);
  const Rows rows = random_rows(20, 4);
  require_value(index->add(numbers(0, 20), rows.all(), nullptr, nullptr));
  CHECK(files_with(files, ".segment") == 1);
  require_ok(core->flush());
  CHECK(files_with(files, ".segment") == 1);  // that of the flush alone
  CHECK(index->add(numbers(10, 30), rows.all(), nullptr, nullptr).status().code() ==
        ErrorCode::kAlreadyExists);
  CHECK(files_with(files, ".segment") == 1);  // a refused call leaves nothing
  core->abandon();
}

TEST_CASE("a long log is cut in the background") {
  FaultFileSystem files;
  DatabaseOptions options = two_threads();
  options.log_bytes_max = 20'000;
  const auto core = open_core(files, small_sizes(), options);
  const auto index = new_index(*core);
  const Rows rows = random_rows(600, 4);
  for (std::uint64_t id = 0; id < 600; ++id) {
    require_value(index->upsert(numbers(id, id + 1), rows.view(id, 1), nullptr, nullptr));
  }
  CHECK(eventually([&] { return core->stats().at("log_bytes") <= 20'000; }));
  CHECK(core->stats().at("generation") > 1);
  CHECK(row_count(*index) == 600);
  core->abandon();
}

TEST_CASE("segments stay few while flushes go on, and deleted rows go") {
  FaultFileSystem files;
  const auto core = open_core(files);
  const auto index = new_index(*core);
  const Rows rows = random_rows(100, 4);
  for (std::uint64_t round = 0; round < 60; ++round) {
    require_value(
        index->upsert(numbers(round * 50, round * 50 + 100), rows.all(), nullptr, nullptr));
    require_ok(core->flush());
  }
  CHECK(eventually([&] { return require_value(index->stats()).segments <= 12; }));
  require_value(index->remove(numbers(0, 2000)));
  CHECK(row_count(*index) == 60 * 50 + 50 - 2000);
  require_ok(core->flush());
  const IndexStats stats = require_value(index->stats());
  CHECK(stats.deleted_rows * 5 <= stats.rows + stats.deleted_rows);
  const std::string before = contents(*index);
  core->abandon();
  const auto again = open_core(files);
  CHECK(contents(*words(*again)) == before);
  again->abandon();
}

TEST_CASE("what was cleared or dropped does not come back from the log") {
  FaultFileSystem files;
  auto core = open_core(files);
  const auto index = new_index(*core);
  const Rows rows = random_rows(10, 4);
  require_value(index->add(numbers(0, 5), rows.view(0, 5), nullptr, nullptr));
  require_ok(index->clear());
  require_value(index->add(numbers(7, 8), rows.view(7, 1), nullptr, nullptr));
  IndexOptions options;
  options.dimensions = 4;
  const auto other = require_value(core->create_index("other", options, false));
  require_value(other->add(numbers(0, 5), rows.view(0, 5), nullptr, nullptr));
  require_ok(core->drop_index("other"));
  require_value(core->create_index("other", options, false));
  core->abandon();
  core = open_core(files);
  CHECK(contents(*words(*core)).starts_with("7["));
  CHECK(row_count(*words(*core)) == 1);
  CHECK(row_count(*require_value(core->index("other"))) == 0);
  core->abandon();
}

TEST_CASE("damage to one index's rows in the log makes that index read-only, no other") {
  FaultFileSystem files;
  auto core = open_core(files);
  const auto index = new_index(*core);
  IndexOptions options;
  options.dimensions = 4;
  const auto other = require_value(core->create_index("other", options, false));
  const Rows rows = random_rows(10, 4);
  require_value(index->add(numbers(0, 1), rows.view(0, 1), nullptr, nullptr));
  require_value(index->add(numbers(1, 2), rows.view(1, 1), nullptr, nullptr));
  require_value(other->add(numbers(0, 1), rows.view(2, 1), nullptr, nullptr));
  core->abandon();
  // The second record's payload: behind the header of the file, a whole record and a header.
  const std::string log = std::string(kPath) + "/wal-0000000000000001.log";
  const auto mapped = require_value(files.map(log));
  std::vector<std::byte> bytes(mapped->bytes().begin(), mapped->bytes().end());
  const std::size_t length =
      bytes[64 + 4] == std::byte{0} ? 0 : std::to_integer<std::size_t>(bytes[64 + 4]);
  bytes[64 + (64 + length + 8) + 64 + 3] ^= std::byte{1};
  FaultFileSystem damaged;
  for (const std::string& name : require_value(files.list(kPath))) {
    const std::string path = std::string(kPath) + "/" + name;
    require_ok(damaged.create_directories(kPath));
    const auto file = require_value(damaged.create(path, 0));
    const auto from = require_value(files.map(path));
    require_ok(file->append(path == log ? std::span<const std::byte>(bytes) : from->bytes()));
  }
  core = open_core(damaged);
  CHECK(row_count(*words(*core)) == 1);
  CHECK(row_count(*require_value(core->index("other"))) == 1);
  const Status refused =
      words(*core)->add(numbers(5, 6), rows.view(5, 1), nullptr, nullptr).status();
  CHECK(refused.code() == ErrorCode::kCorruption);
  CHECK(refused.message().find("is read-only") != std::string::npos);
  CHECK(require_value(words(*core)->stats()).read_only == refused.message());
  require_value(
      require_value(core->index("other"))->add(numbers(5, 6), rows.view(5, 1), nullptr, nullptr));
  core->abandon();
}

}  // namespace springg::test
