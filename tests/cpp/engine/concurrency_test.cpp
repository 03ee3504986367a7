// SPDX-License-Identifier: MIT
// Many threads on one index. Run under ThreadSanitizer, where a race is a failure by itself.
#include "engine/support.h"

#include <algorithm>
#include <atomic>
#include <set>

namespace springg::test {

namespace {

constexpr std::size_t kDimensions = 8;
constexpr std::uint64_t kWriters = 8;
constexpr std::uint64_t kCalls = 40;     // of each writer
constexpr std::uint64_t kCallRows = 10;  // of each call

// Catch's assertions are for one thread: other threads count what went wrong.
struct Faults {
  std::atomic<int> count{0};
  void expect(bool holds) {
    if (!holds) ++count;
  }
};

// Adds kCalls x kCallRows rows of its own, takes away every other call's, replaces some.
void write(Index& index, std::uint64_t writer, const Rows& rows, Faults& faults) {
  const std::uint64_t base = writer * 100'000;
  for (std::uint64_t call = 0; call < kCalls; ++call) {
    const std::uint64_t first = base + call * kCallRows;
    const MatrixView vectors = rows.view((writer * kCalls + call) * kCallRows, kCallRows);
    const auto added = index.add(numbers(first, first + kCallRows), vectors, nullptr, nullptr);
    faults.expect(added.ok());
    if (call % 2 == 1) {
      const auto removed = index.remove(numbers(first, first + kCallRows));
      faults.expect(removed.ok() && removed.value() == kCallRows);
    } else if (call % 4 == 0) {
      faults.expect(
          index.upsert(numbers(first, first + kCallRows), vectors, nullptr, nullptr).ok());
    }
  }
}

// Every state that a reader sees has whole calls only: rows of one call come and go together.
void read(const Index& index, const Rows& queries, const std::atomic<bool>& stop, Faults& faults) {
  while (!stop.load()) {
    SearchOptions options;
    options.k = 20;
    const auto result = index.search(queries.view(0, 2), options, nullptr);
    faults.expect(result.ok());
    if (!result.ok()) continue;
    const auto ids = result.value().ids.integers();
    const std::set<std::uint64_t> first(ids.begin(), ids.begin() + result.value().counts[0]);
    faults.expect(first.size() == result.value().counts[0]);  // no row twice
    const auto view = index.view();
    if (!view.ok()) continue;
    const IndexView& pinned = *view.value();
    faults.expect(pinned.rows() % kCallRows == 0);
    const IdColumn all = pinned.ids(0, pinned.rows());
    const std::set<std::uint64_t> distinct(all.integers().begin(), all.integers().end());
    faults.expect(distinct.size() == pinned.rows());
  }
}

}  // namespace

TEST_CASE("a callback may read the database, and not change or close it") {
  class Callback final : public Progress {
   public:
    Callback(Database& database, Index& index) : database_(database), index_(index) {}
    bool update(std::uint64_t, std::uint64_t) override {
      ++calls;
      found = require_value(index_.rows());
      const Rows one{2, {1, 2}};
      for (const Status& status :
           {index_.add(numbers(9, 10), one.all(), nullptr, nullptr).status(),
            index_.remove(numbers(0, 1)).status(), index_.clear(), index_.optimize(nullptr),
            index_.wait_indexed(), database_.flush(), database_.drop_index("words"),
            database_.close()}) {
        CHECK(status.code() == ErrorCode::kFailedPrecondition);
        CHECK(status.message().find("callback") != std::string::npos);
      }
      return true;
    }
    int calls = 0;
    std::size_t found = 0;

   private:
    Database& database_;
    Index& index_;
  };
  const auto database = require_value(Database::open(":memory:", two_threads()));
  const auto index = make_index(*database, 2);
  const Rows rows = random_rows(3000, 2);
  require_value(index->add(numbers(0, 3000), rows.all(), nullptr, nullptr));
  require_value(index->remove(numbers(0, 10)));
  Callback callback(*database, *index);
  require_ok(index->optimize(&callback));
  CHECK(callback.calls > 0);
  CHECK(callback.found == 2990);
  require_value(index->remove(numbers(10, 11)));
  require_ok(database->close());
}

TEST_CASE("writers, searchers, deletes, optimize and flush at once", "[concurrency]") {
  const TemporaryDirectory directory;
  const auto database = require_value(Database::open(directory.path(), two_threads()));
  const auto index = make_index(*database, kDimensions);
  const Rows rows = random_rows(kWriters * kCalls * kCallRows, kDimensions);
  const Rows queries = random_rows(8, kDimensions, 2);
  Faults faults;
  std::atomic<bool> stop{false};
  std::vector<std::thread> writers;
  std::vector<std::thread> others;
  for (std::uint64_t writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([&, writer] { write(*index, writer, rows, faults); });
    others.emplace_back([&] { read(*index, queries, stop, faults); });
  }
  others.emplace_back([&] {
    for (int round = 0; !stop.load(); ++round) {
      const Status status = round % 2 == 0 ? index->optimize(nullptr) : database->flush();
      faults.expect(status.ok());
    }
  });
  for (std::thread& thread : writers) thread.join();
  stop.store(true);
  for (std::thread& thread : others) thread.join();
  CHECK(faults.count == 0);
  CHECK(row_count(*index) == kWriters * kCalls / 2 * kCallRows);
  const auto stats = require_value(index->stats());
  CHECK(stats.background_error.empty());
  require_ok(database->close());
  const auto again = require_value(Database::open(directory.path(), two_threads()));
  const auto reopened = require_value(again->index("words"));
  CHECK(row_count(*reopened) == kWriters * kCalls / 2 * kCallRows);
  for (std::uint64_t writer = 0; writer < kWriters; ++writer) {
    const std::uint64_t base = writer * 100'000;
    CHECK(require_value(reopened->contains(numbers(base, base + 1)[0])));
    CHECK_FALSE(require_value(reopened->contains(numbers(base + 10, base + 11)[0])));
  }
}

TEST_CASE("searches see rows while the background extends their graph", "[concurrency]") {
  const auto database = open_memory();
  const auto index = make_index(*database, kDimensions);
  const Rows rows = random_rows(3000, kDimensions);
  Faults faults;
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) readers.emplace_back([&] { read(*index, rows, stop, faults); });
  for (std::uint64_t begin = 0; begin < 3000; begin += 500) {
    const auto added =
        index->add(numbers(begin, begin + 500), rows.view(begin, 500), nullptr, nullptr);
    faults.expect(added.ok());
  }
  require_ok(index->wait_indexed());
  stop.store(true);
  for (std::thread& thread : readers) thread.join();
  CHECK(faults.count == 0);
}

TEST_CASE("close waits for calls that run, and turns away those that come later", "[concurrency]") {
  const auto database = open_memory();
  const auto index = make_index(*database, kDimensions);
  const Rows rows = random_rows(2000, kDimensions);
  require_value(index->add(numbers(0, 2000), rows.all(), nullptr, nullptr));
  Faults faults;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (;;) {
        const auto result = index->search(rows.view(0, 50), SearchOptions(), nullptr);
        if (result.ok()) {
          faults.expect(result.value().counts[0] == 10);
          continue;
        }
        faults.expect(result.status().message() == "database is closed");
        return;
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  require_ok(database->close());
  for (std::thread& thread : threads) thread.join();
  CHECK(faults.count == 0);
}

TEST_CASE("one id is added once, whoever is first", "[concurrency]") {
  const auto database = open_memory();
  const auto index = make_index(*database, kDimensions);
  const Rows rows = random_rows(1, kDimensions);
  std::atomic<int> stored{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (std::uint64_t id = 0; id < 200; ++id) {
        if (index->add(numbers(id, id + 1), rows.all(), nullptr, nullptr).ok()) ++stored;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(stored == 200);
  CHECK(row_count(*index) == 200);
}

TEST_CASE("a reader sees all of an upsert or none of it", "[concurrency]") {
  constexpr std::uint64_t kIds = 64;
  const auto database = open_memory();
  const auto index = make_index(*database, 1);
  Faults faults;
  const auto store = [&](int round) {
    const Rows rows{1, std::vector<float>(kIds, static_cast<float>(round))};
    faults.expect(index->upsert(numbers(0, kIds), rows.all(), nullptr, nullptr).ok());
  };
  store(0);
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int round = 1; round <= 150; ++round) store(round);
    stop.store(true);
  });
  while (!stop.load()) {
    const auto batch = index->get(numbers(0, kIds), {.metadata = false, .vectors = true});
    faults.expect(batch.ok() && batch.value().ids.size() == kIds);
    if (!batch.ok()) continue;
    const std::vector<float>& vectors = batch.value().vectors;
    faults.expect(std::count(vectors.begin(), vectors.end(), vectors.front()) == kIds);
  }
  writer.join();
  CHECK(faults.count == 0);
}

}  // namespace springg::test
