// SPDX-License-Identifier: MIT
// Read-only databases: beside a writer that adds, flushes, makes and drops indexes, crashes.
#include "engine/support.h"

#include <algorithm>
#include <atomic>

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
  for (int round = 0; round < 150; ++round) {
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
