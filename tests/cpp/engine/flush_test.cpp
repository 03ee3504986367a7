// SPDX-License-Identifier: MIT
// What is written while a flush makes segments, and opening while a database closes.
#include "engine/support.h"

#include <atomic>
#include <filesystem>
#include <future>

#include "engine/database_core.h"
#include "engine/index_impl.h"
#include "io/fault_file_system.h"

namespace springg::test {

namespace {

constexpr std::uint64_t kRows = 8000;  // enough for a graph that takes a while

class NoHome final : public engine::IndexHome {
 public:
  Result<std::uint32_t> publish_clear(const base::Uuid&) override { return std::uint32_t{2}; }
  Status publish_tuning(engine::IndexImpl&, const std::optional<SearchTuning>&) override {
    return {};
  }
  Result<std::shared_ptr<const storage::Segment>> write_file(const storage::Segment&) override {
    return std::shared_ptr<const storage::Segment>();
  }
  void keep_file(const base::Uuid&, storage::Lsn) noexcept override {}
  void forget_file(const base::Uuid&) noexcept override {}
  void log_grew() noexcept override {}
  void want_flush() noexcept override {}
  Status make_log_room(Progress*) override { return {}; }
  Status make_memory_room(Progress*) override { return {}; }
  std::unique_ptr<io::ScratchMemory> make_scratch(std::uint64_t) override { return nullptr; }
  Status take_background_error() override { return {}; }
  bool use_reserve() noexcept override { return false; }
  Status check_reserve() override { return {}; }
};

// Holds up the work that asks it first until told to let go.
class Gate final : public Progress {
 public:
  bool update(std::uint64_t, std::uint64_t) override {
    if (entered_) return true;
    entered_ = true;
    inside_.set_value();
    let_go_in_time =
        released_.get_future().wait_for(std::chrono::seconds(60)) == std::future_status::ready;
    return true;
  }
  void wait_until_inside() { inside_.get_future().wait(); }
  void let_go() { released_.set_value(); }

  bool let_go_in_time = false;

 private:
  bool entered_ = false;  // the working thread's
  std::promise<void> inside_;
  std::promise<void> released_;
};

std::shared_ptr<engine::IndexImpl> lone_index(std::shared_ptr<engine::Runtime> runtime,
                                              engine::IndexHome& home) {
  engine::IndexState state;
  state.uuid = base::Uuid::random();
  state.name = "words";
  state.options.dimensions = 2;
  state.options.metric = Metric::kL2;
  return engine::IndexImpl::create(std::move(runtime), home, std::move(state));
}

bool shows(const engine::View& view, std::uint64_t id) {
  return view.find(numbers(id, id + 1)[0]).has_value();
}

// Rows below `live_from`, and from `live_to` on, are deleted before.
void check_freeze(std::uint64_t live_from, std::uint64_t live_to = kRows) {
  INFO("live: " << live_from << " to " << live_to);
  NoHome home;
  engine::Tuning tuning;
  tuning.rest_ms = 0;
  const auto runtime = std::make_shared<engine::Runtime>(two_threads(), tuning, 2);
  const auto impl = lone_index(runtime, home);
  const std::shared_ptr<Index> index = impl;
  require_value(index->add(numbers(0, kRows), random_rows(kRows, 2).all(), nullptr, nullptr));
  require_value(index->remove(numbers(0, live_from)));
  require_value(index->remove(numbers(live_to, kRows)));
  const std::size_t rows = live_to - live_from;

  Gate gate;
  auto frozen = std::async(std::launch::async, [&] {
    base::MutexLock jobs(impl->jobs_mutex());
    return impl->freeze(engine::FlushAim::kRows, runtime->pool, &gate);
  });
  gate.wait_until_inside();
  // In the middle of the conversion: a lock that it held would be waited for in here.
  const Rows one{2, {-5, 0}};
  const MetadataColumn text = texts({"{\"late\":1}"});
  require_value(index->remove(numbers(4000, 4100)));
  require_value(index->update(numbers(5000, 5001), nullptr, &text, nullptr));
  require_value(index->upsert(numbers(6000, 6001), one.all(), nullptr, nullptr));
  require_value(index->add(numbers(kRows, kRows + 1), one.all(), nullptr, nullptr));
  gate.let_go();
  const engine::FrozenIndex before = require_value(frozen.get());
  CHECK(gate.let_go_in_time);

  // What is flushed is the state before all of that.
  CHECK(before.view->live_rows == rows);
  CHECK(before.next_sequence == kRows + 1);
  for (const engine::PartView& part : before.view->parts) CHECK(part.part->segment() != nullptr);
  CHECK(shows(*before.view, 4050));
  CHECK(shows(*before.view, 6000));
  CHECK_FALSE(shows(*before.view, kRows));
  const auto patched = before.view->find(numbers(5000, 5001)[0]);
  REQUIRE(patched.has_value());
  CHECK_FALSE(before.view->parts[patched->part].metadata(patched->row).has_value());

  // The index has all of it.
  CHECK(row_count(*index) == rows - 100 + 1);
  CHECK_FALSE(require_value(index->contains(numbers(4050, 4051)[0])));
  const auto late =
      require_value(index->get(numbers(5000, 5001), Include{.metadata = true, .vectors = false}));
  CHECK(late.metadata->text(0) == "{\"late\":1}");
  const auto moved =
      require_value(index->get(numbers(6000, 6001), Include{.metadata = false, .vectors = true}));
  CHECK(moved.vectors == one.values);
  const auto stats = require_value(index->stats());
  CHECK(stats.segments == 1);
  CHECK(stats.memtable_rows == 2);
  runtime->keeper.stop();
  runtime->builder.stop();
}

}  // namespace

TEST_CASE("writers go on while a flush makes segments, and lose nothing", "[concurrency]") {
  check_freeze(0);
  check_freeze(kRows / 4);                    // so many that they are left out of the graph
  check_freeze(kRows / 2, kRows / 2 + 2500);  // so many that the graph is built anew
}

TEST_CASE("a flush beside upserts and deletes puts one state on the disk", "[concurrency]") {
  const TemporaryDirectory directory;
  const TemporaryDirectory copy;
  auto database = require_value(Database::open(directory.path(), two_threads()));
  const auto index = make_index(*database, 2);
  require_value(index->add(numbers(0, kRows), random_rows(kRows, 2).all(), nullptr, nullptr));
  std::atomic<bool> done{false};
  auto flushed = std::async(std::launch::async, [&] {
    Status status = database->flush();
    done.store(true);
    return status;
  });
  const Rows one{2, {-5, 0}};
  std::uint64_t changed = 0;  // of the first half each is replaced, of the second deleted
  for (; changed < kRows / 2 && !done.load(); ++changed) {
    require_value(index->upsert(numbers(changed, changed + 1), one.all(), nullptr, nullptr));
    const std::uint64_t other = kRows / 2 + changed;
    require_value(index->remove(numbers(other, other + 1)));
  }
  require_ok(flushed.get());
  // As a crash here would leave it.
  for (const auto& file : std::filesystem::directory_iterator(directory.path())) {
    if (file.path().filename() != "LOCK") std::filesystem::copy(file.path(), copy.path());
  }
  {
    const auto crashed = require_value(Database::open(copy.path(), two_threads()));
    const auto found = require_value(crashed->index("words"));
    for (std::uint64_t id = 0; id < kRows / 2; ++id) {
      if (!require_value(found->contains(numbers(id, id + 1)[0]))) FAIL("lost " << id);
    }
  }
  require_ok(database->close());
  database = require_value(Database::open(directory.path(), two_threads()));
  const auto reopened = require_value(database->index("words"));
  CHECK(row_count(*reopened) == kRows - changed);
  REQUIRE(changed > 0);
  CHECK_FALSE(require_value(reopened->contains(numbers(kRows / 2, kRows / 2 + 1)[0])));
  const auto moved =
      require_value(reopened->get(numbers(0, 1), Include{.metadata = false, .vectors = true}));
  CHECK(moved.vectors == one.values);
}

TEST_CASE("a flush leaves few deleted rows on the disk, while they are merged too",
          "[concurrency]") {
  constexpr std::uint64_t kMany = 4 * kRows;  // so that the merge still runs when the flush comes
  io::FaultFileSystem files;
  const auto core = require_value(
      engine::DatabaseCore::open("/db", two_threads(), &files, &base::system_unix_ms));
  IndexOptions options;
  options.dimensions = 2;
  const auto index = require_value(core->create_index("words", options, false));
  require_value(index->add(numbers(0, kMany), random_rows(kMany, 2).all(), nullptr, nullptr));
  require_ok(core->flush());
  // More than a fifth of the rows: from here on the segment is being written anew in the
  // background, and is no flush's to take.
  require_value(index->remove(numbers(0, kMany / 4)));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // for the merge to begin
  require_ok(core->flush());
  const storage::Manifest manifest = core->manifest();
  std::uint64_t rows = 0;
  for (const storage::SegmentEntry& segment : manifest.indexes.front().segments) {
    rows += segment.rows;
  }
  CHECK(rows * 4 <= (kMany - kMany / 4) * 5);
  CHECK(row_count(*index) == kMany - kMany / 4);
}

TEST_CASE("flushes beside calls that make segments keep the rows in their order", "[concurrency]") {
  io::FaultFileSystem files;
  engine::Tuning tuning;
  tuning.memtable_call_rows_max = 8;
  constexpr std::uint64_t kRounds = 400;
  const Rows rows = random_rows(9, 2);
  const auto open = [&] {
    return require_value(
        engine::open_in(files, "/d", two_threads(), &base::system_unix_ms, tuning));
  };
  auto database = open();
  const auto index = make_index(*database, 2);
  // Each makes a segment whose place is between the rows that others add meanwhile.
  auto bulk = std::async(std::launch::async, [&] {
    Status status;
    for (std::uint64_t i = 0; i < kRounds && status.ok(); ++i) {
      const std::uint64_t id = 100'000 + i * 9;
      status = index->add(numbers(id, id + 9), rows.all(), nullptr, nullptr).status();
    }
    return status;
  });
  auto single = std::async(std::launch::async, [&] {
    Status status;
    for (std::uint64_t i = 0; i < kRounds * 9 && status.ok(); ++i) {
      status = index->add(numbers(i, i + 1), rows.view(0, 1), nullptr, nullptr).status();
    }
    return status;
  });
  Status flushed;
  for (std::uint64_t i = 0; i < kRounds && flushed.ok(); ++i) flushed = database->flush();
  require_ok(flushed);
  require_ok(bulk.get());
  require_ok(single.get());
  require_ok(database->close());
  database = open();
  CHECK(row_count(*require_value(database->index("words"))) == kRounds * 18);
}

TEST_CASE("opening a directory that is being closed waits for that", "[concurrency]") {
  const TemporaryDirectory directory;
  auto database = require_value(Database::open(directory.path(), two_threads()));
  const auto index = make_index(*database, 2);
  require_value(index->add(numbers(0, kRows), random_rows(kRows, 2).all(), nullptr, nullptr));
  auto closed = std::async(std::launch::async, [&] { return database->close(); });
  while (index->rows().ok()) std::this_thread::yield();
  // The close has begun, and has rows to flush. Other options are as good as the same now.
  DatabaseOptions other = two_threads();
  other.threads = 1;
  const auto again = require_value(Database::open(directory.path(), other));
  CHECK(row_count(*require_value(again->index("words"))) == kRows);
  require_ok(closed.get());
}

TEST_CASE("of many threads that open and close a directory none is refused", "[concurrency]") {
  const TemporaryDirectory directory;
  std::atomic<int> refused{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 25; ++round) {
        const auto opened = Database::open(directory.path(), two_threads());
        if (!opened.ok() || !opened.value()->close().ok()) ++refused;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(refused == 0);
}

}  // namespace springg::test
