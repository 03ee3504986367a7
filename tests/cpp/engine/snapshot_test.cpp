// SPDX-License-Identifier: MIT
// Snapshots while writers run, and databases made of them.
#include "engine/support.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <thread>

#include "engine/database_core.h"
#include "engine/snapshot.h"
#include "fault_calls.h"
#include "io/file_system.h"

namespace springg::test {

namespace {

engine::Tuning small_files() {
  engine::Tuning tuning;
  tuning.log_file_bytes_min = 4096;
  tuning.log_file_bytes_max = 16384;
  tuning.logged_vector_bytes_max = 4096;
  tuning.follow_interval_ms = 0;
  return tuning;
}

std::shared_ptr<Database> open_at(io::FileSystem& files, const std::string& path) {
  return require_value(
      engine::open_in(files, path, two_threads(), &base::system_unix_ms, small_files()));
}

std::vector<std::uint64_t> ids_in(const Database& database) {
  const auto view = require_value(require_value(database.index("words"))->view());
  const IdColumn ids = view->ids(0, view->rows());
  return {ids.integers().begin(), ids.integers().end()};
}

// As a file system without links: copies are made.
class NoLinks final : public io::FileSystem {
 public:
  // Runs, on a thread of its own, when the directory is listed after a file was to be linked.
  std::function<void()> after_link;

  Status create_directories(const std::string& path) override {
    return inner_->create_directories(path);
  }
  Result<std::unique_ptr<io::WritableFile>> create(const std::string& path,
                                                   std::uint64_t size_hint) override {
    return inner_->create(path, size_hint);
  }
  Result<std::shared_ptr<const io::MappedFile>> map(const std::string& path) override {
    return inner_->map(path);
  }
  Status rename(const std::string& from, const std::string& to) override {
    return inner_->rename(from, to);
  }
  Result<std::uint64_t> file_bytes(const std::string& path) override {
    return inner_->file_bytes(path);
  }
  Status link(const std::string&, const std::string&) override {
    armed_ = after_link != nullptr;
    return unsupported("no links here");
  }
  Status remove(const std::string& path) override { return inner_->remove(path); }
  Result<bool> exists(const std::string& path) override { return inner_->exists(path); }
  Result<std::vector<std::string>> list(const std::string& directory) override {
    if (armed_.exchange(false)) std::thread(after_link).join();
    return inner_->list(directory);
  }
  Status sync_directory(const std::string& path) override { return inner_->sync_directory(path); }
  Result<std::unique_ptr<io::DirectoryLock>> lock_directory(const std::string& path) override {
    return inner_->lock_directory(path);
  }

 private:
  std::unique_ptr<io::FileSystem> inner_ = io::make_memory_file_system();
  std::atomic<bool> armed_{false};
};

}  // namespace

TEST_CASE("a snapshot is a database that shares files and nothing else") {
  const auto files = io::make_memory_file_system();
  const auto source = open_at(*files, "/d");
  const auto index = make_index(*source, 4);
  const Rows rows = random_rows(900, 4);
  require_value(index->add(numbers(0, 800), rows.view(0, 800), nullptr, nullptr));
  require_ok(source->flush());
  require_value(index->remove(numbers(0, 10), {}));
  const SnapshotInfo info = require_value(source->snapshot("/s"));
  CHECK(info.path == "/s");
  CHECK(info.rows == 790);
  CHECK(info.linked);
  CHECK(info.lsn == require_value(source->stats()).at("last_lsn"));
  CHECK(info.generation == require_value(source->stats()).at("generation"));
  CHECK(info.bytes > 800 * 4 * sizeof(float));

  const auto copy = open_at(*files, "/s");
  CHECK(ids_in(*copy) == ids_in(*source));
  const auto copied = require_value(copy->index("words"));
  require_value(copied->remove(numbers(100, 700), {}));
  require_ok(copied->optimize(nullptr));
  require_ok(copy->close());
  CHECK(row_count(*index) == 790);
  require_ok(source->close());
  CHECK(row_count(*require_value(open_at(*files, "/d")->index("words"))) == 790);
  CHECK(row_count(*require_value(open_at(*files, "/s")->index("words"))) == 190);
}

TEST_CASE("a snapshot has a store of its own: no log of its source is replayed into it") {
  const auto files = io::make_memory_file_system();
  const auto source = open_at(*files, "/d");
  const auto index = make_index(*source, 2);
  require_value(index->add(numbers(0, 5), random_rows(5, 2).all(), nullptr, nullptr));
  require_value(source->snapshot("/s"));
  require_value(index->add(numbers(5, 9), random_rows(4, 2).all(), nullptr, nullptr));
  for (const std::string& name : require_value(files->list("/d"))) {
    if (name.starts_with("wal-")) require_ok(files->link("/d/" + name, "/s/" + name));
  }
  const auto opened = engine::open_in(*files, "/s", two_threads());
  CHECK(opened.status().code() == ErrorCode::kCorruption);
  CHECK(opened.status().message().find("another store") != std::string::npos);
}

TEST_CASE("a snapshot under load is exactly what the log had up to its position") {
  const auto files = io::make_memory_file_system();
  const auto source = open_at(*files, "/d");
  const auto index = make_index(*source, 2);
  IndexOptions options = index->options();
  const auto second = require_value(source->create_index("second", options, false));
  std::atomic<bool> done{false};
  std::atomic<int> failed{0};
  // One record a call, by one thread: position n of the log has row n - 1, in turns.
  std::thread writer([&] {
    const Rows one = random_rows(1, 2);
    for (std::uint64_t i = 0; !done.load() && i < 8'000; ++i) {
      const auto& into = i % 2 == 0 ? index : second;
      failed += into->add(numbers(i, i + 1), one.all(), nullptr, nullptr, {}).ok() ? 0 : 1;
    }
  });
  for (int round = 0; round < 5; ++round) {
    const std::string path = "/s" + std::to_string(round);
    const auto some = static_cast<std::size_t>(round) * 200 + 50;
    REQUIRE(eventually([&] { return row_count(*index) >= some; }));
    const SnapshotInfo info = require_value(source->snapshot(path));
    CHECK(info.rows == info.lsn);
    CHECK(info.rows >= 2 * some - 1);
    const auto copy = open_at(*files, path);
    const auto first_rows = row_count(*require_value(copy->index("words")));
    const auto second_rows = row_count(*require_value(copy->index("second")));
    CHECK(first_rows == (info.lsn + 1) / 2);
    CHECK(second_rows == info.lsn / 2);
  }
  done.store(true);
  writer.join();
  CHECK(failed.load() == 0);
}

TEST_CASE("a snapshot has no record of an index that was made after its manifest") {
  NoLinks files;
  const auto source = open_at(files, "/d");
  const auto index = make_index(*source, 2);
  const Rows rows = random_rows(9, 2);
  require_value(index->add(numbers(0, 5), rows.view(0, 5), nullptr, nullptr));
  int failed = 0;
  // Between the manifest and the log: clearing gives the index a number that no manifest had yet.
  files.after_link = [&] {
    failed += index->clear().ok() ? 0 : 1;
    failed += index->add(numbers(5, 9), rows.view(5, 4), nullptr, nullptr).ok() ? 0 : 1;
  };
  const SnapshotInfo info = require_value(source->snapshot("/s"));
  CHECK(failed == 0);
  CHECK(info.rows == 5);
  CHECK(ids_in(*source) == std::vector<std::uint64_t>{5, 6, 7, 8});
  CHECK(ids_in(*open_at(files, "/s")) == std::vector<std::uint64_t>{0, 1, 2, 3, 4});
}

TEST_CASE("vectors beside the log are in a snapshot, and files are copied where links cannot be") {
  NoLinks files;
  const auto source = open_at(files, "/d");
  const auto index = make_index(*source, 16);
  std::atomic<bool> done{false};
  std::atomic<int> failed{0};
  std::thread writer([&] {
    const Rows many = random_rows(100, 16);
    for (std::uint64_t i = 0; !done.load() && i < 200; ++i) {
      const IdColumn ids = numbers(i * 100, i * 100 + 100);
      failed += index->add(ids, many.all(), nullptr, nullptr, {}).ok() ? 0 : 1;
    }
  });
  for (int round = 0; round < 3; ++round) {
    const std::string path = "/s" + std::to_string(round);
    const auto some = static_cast<std::size_t>(round) * 500 + 100;
    REQUIRE(eventually([&] { return row_count(*index) >= some; }));
    const SnapshotInfo info = require_value(source->snapshot(path));
    CHECK(info.rows == info.lsn * 100);
    CHECK(row_count(*require_value(open_at(files, path)->index("words"))) == info.rows);
  }
  done.store(true);
  writer.join();
  CHECK(failed.load() == 0);
  require_ok(source->flush());
  CHECK_FALSE(require_value(source->snapshot("/copy")).linked);
}

TEST_CASE("a target that is not empty is refused and left alone") {
  const auto files = io::make_memory_file_system();
  const auto source = open_at(*files, "/d");
  make_index(*source, 2);
  require_value(source->snapshot("/s"));
  const auto before = require_value(files->list("/s"));
  CHECK(source->snapshot("/s").status().code() == ErrorCode::kFailedPrecondition);
  CHECK(source->snapshot("/d").status().code() == ErrorCode::kInvalidArgument);
  CHECK(source->snapshot("/d/inside").status().code() == ErrorCode::kInvalidArgument);
  CHECK(require_value(files->list("/s")) == before);
  CHECK(open_memory()->snapshot("/s2").status().code() == ErrorCode::kFailedPrecondition);
}

TEST_CASE("a copy that fails leaves nothing, whichever call it is") {
  io::FaultFileSystem files;
  {
    const auto source = open_at(files, "/d");
    const auto index = make_index(*source, 4);
    require_value(index->add(numbers(0, 100), random_rows(100, 4).all(), nullptr, nullptr));
    require_ok(source->flush());
    require_value(index->add(numbers(100, 200), random_rows(100, 4).all(), nullptr, nullptr));
    files.inject(testing::full_disk_after(0));  // goes without a flush: there is a log to copy
  }
  bool succeeded = false;
  for (std::uint64_t calls = 0; !succeeded && calls < 200; ++calls) {
    files.inject(testing::full_disk_after(calls));
    const Status status = engine::restore_directory(files, "/d", "/s", &base::system_unix_ms);
    files.clear_faults();
    succeeded = status.ok();
    const auto left = files.list("/s");
    if (succeeded) continue;
    CHECK(status.code() == ErrorCode::kResourceExhausted);
    CHECK((!left.ok() || left->empty()));
  }
  CHECK(succeeded);
  CHECK(row_count(*require_value(open_at(files, "/s")->index("words"))) == 200);
}

TEST_CASE("restoring verifies, copies, and leaves the snapshot as it was") {
  const auto files = io::make_memory_file_system();
  {
    const auto source = open_at(*files, "/d");
    const auto index = make_index(*source, 4);
    require_value(index->add(numbers(0, 400), random_rows(400, 4).all(), nullptr, nullptr));
    require_value(source->snapshot("/s"));
  }
  const auto names = require_value(files->list("/s"));
  require_ok(engine::restore_directory(*files, "/s", "/r", &base::system_unix_ms));
  CHECK(require_value(files->list("/s")) == names);
  const auto restored = open_at(*files, "/r");
  CHECK(row_count(*require_value(restored->index("words"))) == 400);
  CHECK(engine::restore_directory(*files, "/s", "/d", &base::system_unix_ms).code() ==
        ErrorCode::kFailedPrecondition);
  CHECK(engine::restore_directory(*files, "/none", "/x", &base::system_unix_ms).code() ==
        ErrorCode::kNotFound);
}

}  // namespace springg::test
