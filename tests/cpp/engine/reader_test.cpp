// SPDX-License-Identifier: MIT
// Read-only databases: beside a writer that adds, flushes, makes and drops indexes, crashes.
#include "engine/support.h"

#include <algorithm>
#include <atomic>
#include <map>

#include "engine/database_core.h"
#include "fault_calls.h"
#include "io/file_system.h"

namespace springg::test {

namespace {

engine::Tuning small_files(std::uint32_t follow_interval_ms = 0) {
  engine::Tuning tuning;
  tuning.log_file_bytes_min = 4096;
  tuning.log_file_bytes_max = 16384;
  tuning.memtable_call_rows_max = 50;
  tuning.logged_vector_bytes_max = 4096;
  tuning.follow_interval_ms = follow_interval_ms;
  return tuning;
}

std::shared_ptr<Database> open_writer(io::FileSystem& files) {
  return require_value(
      engine::open_in(files, "/d", two_threads(), &base::system_unix_ms, small_files()));
}

Result<std::shared_ptr<Database>> try_reader(io::FileSystem& files, std::uint32_t interval = 0) {
  DatabaseOptions options = two_threads();
  options.read_only = true;
  return engine::open_in(files, "/d", options, &base::system_unix_ms, small_files(interval));
}

std::shared_ptr<Database> open_reader(io::FileSystem& files, std::uint32_t interval = 0) {
  return require_value(try_reader(files, interval));
}

// Every id with the bits of its vector and its metadata, in insertion order.
std::string contents(const Database& database, const std::string& name) {
  const auto index = require_value(database.index(name));
  const auto view = require_value(index->view());
  const auto records = view->records(0, view->rows(), {.metadata = true, .vectors = true});
  std::string text;
  for (std::size_t i = 0; i < records.ids.size(); ++i) {
    text += describe(records.ids[i]) + ":";
    for (std::size_t j = 0; j < index->options().dimensions; ++j) {
      text += std::to_string(records.vectors[i * index->options().dimensions + j]) + ",";
    }
    if (records.metadata->has(i)) text += records.metadata->text(i);
    text += "\n";
  }
  return text;
}

void require_same(Database& reader, const Database& writer) {
  require_ok(reader.refresh());
  const auto names = require_value(writer.index_names());
  CHECK(require_value(reader.index_names()) == names);
  for (const std::string& name : names) CHECK(contents(reader, name) == contents(writer, name));
}

// The same object as before: the index was not read anew.
std::shared_ptr<const engine::View> state_of(Database& reader, const std::string& name) {
  return dynamic_cast<engine::IndexImpl&>(*require_value(reader.index(name))).current();
}

// What may happen to a row between two flushes before it is deleted.
enum class Before { kNothing, kMetadata, kVector };

void change_row(Index& index, std::uint64_t id, Before before) {
  const MetadataColumn one = texts({"{\"a\":1}"});
  const Rows other = random_rows(1, 3, 7);
  if (before == Before::kMetadata) {
    require_value(index.update(numbers(id, id + 1), nullptr, &one, {}));
  }
  if (before == Before::kVector) {
    require_value(index.upsert(numbers(id, id + 1), other.all(), &one, nullptr, {}));
  }
}

}  // namespace

TEST_CASE("a reader follows every kind of write") {
  const auto files = io::make_memory_file_system();
  const auto writer = open_writer(*files);
  const auto index = make_index(*writer, 4, Metric::kCosine);
  const auto reader = open_reader(*files);
  require_same(*reader, *writer);
  const Rows rows = random_rows(400, 4);
  require_value(index->add(numbers(0, 20), rows.view(0, 20), nullptr, nullptr));
  require_same(*reader, *writer);
  const MetadataColumn one = texts({"{\"a\":1}"});
  require_value(index->upsert(numbers(3, 4), rows.view(50, 1), &one, nullptr, {}));
  require_value(index->update(numbers(4, 5), nullptr, &one, {}));
  require_value(index->remove(numbers(5, 8), {}));
  require_same(*reader, *writer);
  // Beside the log: into a memtable, and as a segment with its graph.
  require_value(index->add(numbers(100, 145), rows.view(100, 45), nullptr, nullptr));
  require_value(index->add(numbers(200, 330), rows.view(200, 130), nullptr, nullptr));
  require_same(*reader, *writer);
  require_ok(writer->flush());
  require_same(*reader, *writer);
  require_ok(index->optimize(nullptr));
  require_ok(writer->flush());
  require_value(index->remove(numbers(100, 120), {}));
  require_same(*reader, *writer);
  require_ok(writer->flush());
  require_same(*reader, *writer);
}

TEST_CASE("a reader does not keep a row that came and went between two flushes") {
  const auto before = GENERATE(Before::kNothing, Before::kMetadata, Before::kVector);
  const std::uint64_t flushed = GENERATE(0U, 5U);
  INFO("change " << static_cast<int>(before) << ", rows in a segment " << flushed);
  const auto files = io::make_memory_file_system();
  const auto writer = open_writer(*files);
  const auto index = make_index(*writer, 3);
  const Rows rows = random_rows(20, 3);
  if (flushed > 0) {
    require_value(index->add(numbers(0, flushed), rows.view(0, flushed), nullptr, nullptr));
    require_ok(writer->flush());
  }
  const auto reader = open_reader(*files);
  const auto shown = require_value(reader->index("words"));
  for (int round = 0; round < 3; ++round) {
    require_value(index->add(numbers(7, 8), rows.view(7, 1), nullptr, nullptr));
    require_same(*reader, *writer);
    change_row(*index, 7, before);
    if (round == 1) require_same(*reader, *writer);
    require_value(index->remove(numbers(7, 8), {}));
    require_ok(writer->flush());
    require_same(*reader, *writer);
    CHECK(row_count(*shown) == flushed);
  }
  require_value(index->add(numbers(7, 9), rows.view(9, 2), nullptr, nullptr));
  require_same(*reader, *writer);
}

TEST_CASE("a reader shows what a flush has of rows in segments, seen before it or not") {
  const auto files = io::make_memory_file_system();
  const auto writer = open_writer(*files);
  const auto index = make_index(*writer, 3);
  require_value(index->add(numbers(0, 20), random_rows(20, 3).all(), nullptr, nullptr));
  require_ok(writer->flush());
  const auto reader = open_reader(*files);
  std::uint64_t id = 0;
  for (const Before before : {Before::kNothing, Before::kMetadata, Before::kVector}) {
    for (const bool seen : {false, true}) {
      change_row(*index, id, before);
      change_row(*index, id + 1, before);
      if (seen) require_same(*reader, *writer);
      require_value(index->remove(numbers(id, id + 1), {}));
      require_ok(writer->flush());
      require_same(*reader, *writer);
      id += 2;
    }
  }
}

TEST_CASE("a reader reads no index anew for what happened to another") {
  const auto files = io::make_memory_file_system();
  const auto writer = open_writer(*files);
  const auto still = make_index(*writer, 3, Metric::kL2, "still");
  const auto busy = make_index(*writer, 3, Metric::kL2, "busy");
  const Rows rows = random_rows(20, 3);
  require_value(still->add(numbers(0, 5), rows.view(0, 5), nullptr, nullptr));
  require_ok(writer->flush());
  const auto reader = open_reader(*files);
  const auto state = state_of(*reader, "still");
  for (std::uint64_t id = 0; id < 3; ++id) {
    require_value(busy->add(numbers(id, id + 1), rows.view(id, 1), nullptr, nullptr));
    if (id == 1) require_same(*reader, *writer);
    require_ok(writer->flush());
    require_same(*reader, *writer);
    CHECK(state_of(*reader, "still") == state);
  }
  // With records behind its segments, and a manifest that covers none of them.
  require_value(still->add(numbers(5, 7), rows.view(5, 2), nullptr, nullptr));
  require_same(*reader, *writer);
  const auto followed = state_of(*reader, "still");
  require_ok(writer->rename_index("busy", "other"));
  require_same(*reader, *writer);
  CHECK(state_of(*reader, "still") == followed);
  require_value(still->remove(numbers(0, 6), {}));
  require_same(*reader, *writer);
}

TEST_CASE("a reader follows the making and going of indexes") {
  const auto files = io::make_memory_file_system();
  const auto writer = open_writer(*files);
  const auto reader = open_reader(*files);  // there is no manifest yet
  CHECK(require_value(reader->index_names()).empty());
  const Rows rows = random_rows(30, 3);
  const auto a = make_index(*writer, 3, Metric::kL2, "a");
  require_value(a->add(numbers(0, 10), rows.view(0, 10), nullptr, nullptr));
  require_same(*reader, *writer);
  const auto shown = require_value(reader->index("a"));
  require_ok(writer->rename_index("a", "b"));
  require_same(*reader, *writer);
  CHECK(shown->name() == "b");
  require_ok(a->clear());
  require_same(*reader, *writer);
  CHECK(row_count(*shown) == 0);
  require_value(a->add(numbers(5, 15), rows.view(5, 10), nullptr, nullptr));
  require_same(*reader, *writer);
  CHECK(row_count(*shown) == 10);
  require_ok(writer->drop_index("b"));
  make_index(*writer, 3, Metric::kL2, "b");
  require_same(*reader, *writer);
  CHECK(shown->rows().status().code() == ErrorCode::kFailedPrecondition);
}

TEST_CASE("a reader changes nothing, and says so") {
  const auto files = io::make_memory_file_system();
  {
    const auto writer = open_writer(*files);
    require_value(
        make_index(*writer, 2)->add(numbers(0, 5), random_rows(5, 2).all(), nullptr, nullptr));
  }
  const auto before = require_value(files->list("/d"));
  const auto reader = open_reader(*files);
  const auto index = require_value(reader->index("words"));
  CHECK(row_count(*index) == 5);
  const Rows rows = random_rows(200, 2);
  const auto refused = [](const Status& status) {
    require_error(status, ErrorCode::kFailedPrecondition, "database /d was opened read-only");
  };
  refused(index->add(numbers(9, 10), rows.view(0, 1), nullptr, nullptr).status());
  refused(index->add(numbers(100, 300), rows.all(), nullptr, nullptr).status());
  refused(index->upsert(numbers(1, 2), rows.view(0, 1), nullptr, nullptr, {}).status());
  const MetadataColumn one = texts({"{\"a\":1}"});
  refused(index->update(numbers(1, 2), nullptr, &one, {}).status());
  refused(index->remove(numbers(1, 2), {}).status());
  refused(index->clear());
  refused(index->optimize(nullptr));
  refused(reader->create_index("n", index->options(), false).status());
  refused(reader->drop_index("words"));
  refused(reader->rename_index("words", "others"));
  refused(reader->flush());
  refused(reader->sync());
  require_ok(reader->close());
  CHECK(require_value(files->list("/d")) == before);
}

TEST_CASE("what is no database is not made one by a reader") {
  const auto files = io::make_memory_file_system();
  CHECK(try_reader(*files).status().code() == ErrorCode::kNotFound);
  require_ok(files->create_directories("/d"));
  require_error(try_reader(*files).status(), ErrorCode::kNotFound, "no springg database at /d");
  CHECK(require_value(files->list("/d")).empty());
}

TEST_CASE("a reader goes on with the next writer, after a close and after a crash") {
  io::FaultFileSystem files;
  const Rows rows = random_rows(100, 3);
  auto writer = open_writer(files);
  auto index = make_index(*writer, 3);
  const auto reader = open_reader(files);
  const auto shown = require_value(reader->index("words"));
  for (std::uint64_t round = 0; round < 6; ++round) {
    require_value(index->add(numbers(round * 10, round * 10 + 10), rows.view(round * 10, 10),
                             nullptr, nullptr));
    require_same(*reader, *writer);
    // A handle whose flush fails goes as a process does that is killed: the log stays as it is.
    if (round % 2 == 1) files.inject(testing::full_disk_after(0));
    index.reset();
    writer.reset();
    files.clear_faults();
    require_ok(reader->refresh());
    CHECK(row_count(*shown) == (round + 1) * 10);
    writer = open_writer(files);
    index = require_value(writer->index("words"));
    require_same(*reader, *writer);
  }
}

namespace {

using FileBytes = std::map<std::string, std::vector<std::byte>>;

FileBytes log_files(io::FileSystem& files) {
  FileBytes logs;
  for (const std::string& name : require_value(files.list("/d"))) {
    if (!storage::wal_file_sequence(name).has_value()) continue;
    const auto mapped = require_value(files.map("/d/" + name));
    logs[name] = {mapped->bytes().begin(), mapped->bytes().end()};
  }
  return logs;
}

void put_back(io::FileSystem& files, const FileBytes& logs) {
  for (const auto& [name, bytes] : log_files(files)) require_ok(files.remove("/d/" + name));
  for (const auto& [name, bytes] : logs) {
    const auto file = require_value(files.create("/d/" + name, 0));
    require_ok(file->append(bytes));
    require_ok(file->close());
  }
}

}  // namespace

TEST_CASE("a reader gives up what it showed and the log has lost") {
  io::FaultFileSystem files;
  const Rows rows = random_rows(100, 3);
  auto writer = open_writer(files);
  auto index = make_index(*writer, 3);
  auto other = make_index(*writer, 3, Metric::kL2, "other");
  require_value(index->add(numbers(0, 5), rows.view(0, 5), nullptr, nullptr));
  require_value(other->add(numbers(0, 5), rows.view(5, 5), nullptr, nullptr));
  const FileBytes logs = log_files(files);
  require_value(other->add(numbers(5, 8), rows.view(10, 3), nullptr, nullptr));
  require_value(index->add(numbers(5, 8), rows.view(20, 3), nullptr, nullptr));
  require_value(index->remove(numbers(0, 2), {}));
  const auto reader = open_reader(files);
  require_same(*reader, *writer);
  const auto shown = require_value(reader->index("words"));
  // The writer fails, and the system drops what it could not write.
  files.inject(testing::full_disk_after(0));
  index.reset();
  other.reset();
  writer.reset();
  files.clear_faults();
  put_back(files, logs);
  writer = open_writer(files);
  index = require_value(writer->index("words"));
  SECTION("and nothing came in its place") {}
  SECTION("and less came in its place") {
    require_value(index->add(numbers(50, 53), rows.view(50, 3), nullptr, nullptr));
  }
  SECTION("and more came in its place") {
    for (std::uint64_t id = 50; id < 60; ++id) {
      require_value(index->add(numbers(id, id + 1), rows.view(id, 1), nullptr, nullptr));
    }
  }
  SECTION("and another manifest came") {
    require_value(index->add(numbers(50, 53), rows.view(50, 3), nullptr, nullptr));
    make_index(*writer, 3, Metric::kL2, "third");
  }
  SECTION("and all was flushed") {
    require_value(index->remove(numbers(4, 5), {}));
    require_ok(writer->flush());
  }
  require_same(*reader, *writer);
  require_value(index->add(numbers(70, 80), rows.view(70, 10), nullptr, nullptr));
  require_same(*reader, *writer);
  CHECK(row_count(*shown) == row_count(*index));
}

TEST_CASE("a mapped segment stays valid after the writer removed its file") {
  const TemporaryDirectory directory;
  const auto writer = require_value(Database::open(directory.path(), two_threads()));
  const auto index = make_index(*writer, 8);
  const Rows rows = random_rows(600, 8);
  require_value(index->add(numbers(0, 500), rows.view(0, 500), nullptr, nullptr));
  require_ok(writer->flush());
  DatabaseOptions options = two_threads();
  options.read_only = true;
  const auto reader = require_value(Database::open(directory.path(), options));
  const auto view = require_value(require_value(reader->index("words"))->view());
  require_value(index->remove(numbers(0, 250), {}));
  require_ok(index->optimize(nullptr));
  require_ok(writer->flush());
  std::vector<float> all(500 * 8);
  view->copy_vectors(all.data());
  CHECK(std::equal(all.begin(), all.end(), rows.values.begin()));
  CHECK(eventually([&] { return row_count(*require_value(reader->index("words"))) == 250; }));
}

TEST_CASE("a reader beside a writer never sees a part of a call, nor goes back") {
  const auto files = io::make_memory_file_system();
  const auto writer = open_writer(*files);
  const auto index = make_index(*writer, 2);
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  std::atomic<int> looks{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    const auto reader = open_reader(*files, i == 0 ? 1 : 0);
    readers.emplace_back([&, i, reader] {
      float last = -1;
      while (!done.load()) {
        if (i == 1 && !reader->refresh().ok()) ++wrong;
        const auto found = reader->index("words");
        if (!found.ok()) {
          ++wrong;
          continue;
        }
        const auto batch = found.value()->get(numbers(0, 30), {.metadata = false, .vectors = true});
        if (!batch.ok() || (batch->ids.size() != 0 && batch->ids.size() != 30)) ++wrong;
        if (!batch.ok() || batch->vectors.empty()) continue;
        ++looks;
        for (const float value : batch->vectors) wrong += value != batch->vectors[0] ? 1 : 0;
        wrong += batch->vectors[0] < last ? 1 : 0;
        last = batch->vectors[0];
      }
    });
  }
  // On a busy machine the readers' turn may come late: the last rounds are for their first look.
  for (int round = 0; round < 150 || (looks.load() == 0 && round < 100'000); ++round) {
    const Rows rows{2, std::vector<float>(60, static_cast<float>(round))};
    require_value(index->upsert(numbers(0, 30), rows.all(), nullptr, nullptr, {}));
    if (round % 7 == 0) require_ok(writer->flush());
    if (round % 40 == 0) {
      require_ok(
          writer->create_index("n" + std::to_string(round), index->options(), false).status());
    }
  }
  done.store(true);
  for (std::thread& reader : readers) reader.join();
  CHECK(wrong.load() == 0);
  CHECK(looks.load() > 0);
}

TEST_CASE("a background thread follows, and ends with the database") {
  const auto files = io::make_memory_file_system();
  const auto writer = open_writer(*files);
  const auto index = make_index(*writer, 2);
  const auto reader = open_reader(*files, 5);
  const auto shown = require_value(reader->index("words"));
  require_value(index->add(numbers(0, 5), random_rows(5, 2).all(), nullptr, nullptr));
  CHECK(eventually([&] { return row_count(*shown) == 5; }));
  CHECK(require_value(reader->stats()).at("stale") == 0);
  CHECK(require_value(reader->stats()).at("last_lsn") ==
        require_value(writer->stats()).at("last_lsn"));
  require_ok(reader->close());
  CHECK(shown->rows().status().code() == ErrorCode::kFailedPrecondition);
}

}  // namespace springg::test
