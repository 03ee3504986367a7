// SPDX-License-Identifier: MIT
// Rows on their way from memtables to segments: sealing, bulk calls, optimize.
#include "engine/support.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <set>
#include <thread>

namespace springg::test {

namespace {

// Every live row of a view, by id: its first component and its metadata.
std::map<std::uint64_t, std::pair<float, std::string>> contents(const Index& index) {
  const auto view = require_value(index.view());
  const RecordBatch all = view->records(0, view->rows(), {.metadata = true, .vectors = true});
  std::map<std::uint64_t, std::pair<float, std::string>> found;
  const std::size_t dimensions = index.options().dimensions;
  for (std::size_t i = 0; i < all.ids.size(); ++i) {
    found[all.ids.integers()[i]] = {all.vectors[i * dimensions],
                                    std::string(all.metadata->text(i))};
  }
  REQUIRE(found.size() == view->rows());
  return found;
}

Rows numbered(std::uint64_t begin, std::uint64_t end) {  // row i is (id, 0)
  Rows rows{2, {}};
  for (std::uint64_t id = begin; id < end; ++id) {
    rows.values.push_back(static_cast<float>(id));
    rows.values.push_back(0);
  }
  return rows;
}

void add_range(Index& index, std::uint64_t begin, std::uint64_t end) {
  require_value(index.add(numbers(begin, end), numbered(begin, end).all(), nullptr, nullptr));
}

std::uint64_t nearest(const Index& index, float position, bool exact) {
  const Rows query{2, {position, 0}};
  SearchOptions options;
  options.k = 1;
  options.exact = exact;
  return require_value(index.search(query.all(), options, nullptr)).ids.integers()[0];
}

}  // namespace

TEST_CASE("rows are visible at once while their graph follows") {
  const auto database = open_memory();
  const auto index = make_index(*database, 2);
  for (std::uint64_t begin = 0; begin < 6000; begin += 500) {
    add_range(*index, begin, begin + 500);
    CHECK(nearest(*index, static_cast<float>(begin + 499), false) == begin + 499);
  }
  require_ok(index->wait_indexed());
  CHECK(require_value(index->stats()).unindexed_rows == 0);
  CHECK(nearest(*index, 4321, false) == 4321);
}

TEST_CASE("the builder catches up by itself") {
  const auto database = open_memory();
  const auto index = make_index(*database, 2);
  add_range(*index, 0, 3000);
  CHECK(eventually([&] { return require_value(index->stats()).unindexed_rows < 256; }));
}

TEST_CASE("an index that nobody changes becomes one segment without deleted rows") {
  const auto database = open_memory(two_threads(), 50);
  const auto index = make_index(*database, 2);
  const auto is_one = [&] {
    const IndexStats stats = require_value(index->stats());
    return stats.segments == 1 && stats.memtable_rows == 0 && stats.deleted_rows == 0;
  };
  add_range(*index, 0, 5000);
  CHECK(eventually(is_one));
  // In the memtable, and beside it in the segment.
  require_value(index->remove(numbers(100, 400)));
  add_range(*index, 5000, 5300);
  CHECK(eventually(is_one));
  const auto found = contents(*index);
  CHECK(found.size() == 5000);
  CHECK_FALSE(found.contains(399));
  CHECK(found.contains(5299));
  CHECK(nearest(*index, 5298, false) == 5298);

  // A tenth and less waits for more.
  add_range(*index, 6000, 6100);
  require_value(index->remove(numbers(0, 100)));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  CHECK(require_value(index->stats()).memtable_rows == 100);
  CHECK(require_value(index->stats()).deleted_rows == 100);
  CHECK(require_value(index->stats()).background_error.empty());
}

TEST_CASE("a full memtable is sealed and becomes a segment with the same rows") {
  const auto database = open_memory();
  IndexOptions options;
  options.dimensions = 2;
  options.metric = Metric::kL2;
  options.m = 4;
  options.ef_construction = 16;
  const auto index = require_value(database->create_index("many", options, false));
  constexpr std::uint64_t kRows = 72'000;
  for (std::uint64_t begin = 0; begin < kRows; begin += 6000) {
    add_range(*index, begin, begin + 6000);
  }
  // Deleted while it waits, and an id that comes again in a later part.
  require_value(index->remove(numbers(10, 20)));
  add_range(*index, 10, 11);
  CHECK(eventually([&] { return require_value(index->stats()).segments == 1; }));
  const auto stats = require_value(index->stats());
  CHECK(stats.background_error.empty());
  CHECK(stats.rows == kRows - 9);
  CHECK(stats.memtable_rows < 65536);
  const auto found = contents(*index);
  CHECK(found.size() == kRows - 9);
  CHECK(found.contains(10));
  CHECK_FALSE(found.contains(11));
  for (const std::uint64_t id : {0U, 65535U, 65536U, 71999U}) {
    CHECK(nearest(*index, static_cast<float>(id), true) == id);
  }
  // Insertion order holds across parts.
  const auto view = require_value(index->view());
  CHECK(view->ids(0, 1).integers()[0] == 0);
  CHECK(view->ids(view->rows() - 1, view->rows()).integers()[0] == 10);
}

TEST_CASE("a call larger than a memtable becomes a segment before it returns") {
  const auto database = open_memory();
  IndexOptions options;
  options.dimensions = 2;
  options.metric = Metric::kL2;
  options.m = 2;
  options.ef_construction = 4;
  const auto index = require_value(database->create_index("bulk", options, false));
  add_range(*index, 0, 100);
  Rows rows = numbered(100, 70'100);

  SECTION("all of it or nothing") {
    rows.values[2 * 68'000] = std::numeric_limits<float>::infinity();
    rows.values[2 * 69'000] = std::numeric_limits<float>::infinity();
    require_error(index->add(numbers(100, 70'100), rows.all(), nullptr, nullptr).status(),
                  ErrorCode::kInvalidArgument,
                  "vector at row 68000 is not finite: element 0 is inf");
    require_error(
        index->add(numbers(50, 70'050), numbered(50, 70'050).all(), nullptr, nullptr).status(),
        ErrorCode::kAlreadyExists, "id 50 already exists in index 'bulk'");
    StopAtOnce stop;
    require_error(
        index->add(numbers(100, 70'100), numbered(100, 70'100).all(), nullptr, &stop).status(),
        ErrorCode::kFailedPrecondition, "stopped by the caller");
    CHECK(stop.calls >= 1);
    CHECK(row_count(*index) == 100);
  }
  SECTION("stored with metadata, and later rows come after") {
    MetadataColumn metadata;
    for (std::uint64_t id = 100; id < 70'100; ++id) {
      id % 2 == 0 ? metadata.append("{\"id\":" + std::to_string(id) + "}") : metadata.append_none();
    }
    CHECK(require_value(index->add(numbers(100, 70'100), rows.all(), &metadata, nullptr)) ==
          70'000);
    add_range(*index, 80'000, 80'001);
    const auto stats = require_value(index->stats());
    CHECK(stats.segments >= 1);
    CHECK(stats.rows == 70'101);
    const auto view = require_value(index->view());
    CHECK(view->ids(100, 101).integers()[0] == 100);
    CHECK(view->ids(70'100, 70'101).integers()[0] == 80'000);
    CHECK(contents(*index).at(5000).second == "{\"id\":5000}");
    CHECK(nearest(*index, 66'000, true) == 66'000);
  }
  SECTION("upsert and update replace rows of other parts") {
    Rows moved = numbered(0, 70'000);
    for (std::size_t i = 0; i < 70'000; ++i) moved.values[2 * i] += 0.25F;
    const MetadataColumn one = texts({"{\"kept\":true}"});
    require_value(index->update(numbers(7, 8), nullptr, &one, nullptr));
    CHECK(require_value(index->upsert(numbers(0, 70'000), moved.all(), nullptr, nullptr)) ==
          70'000);
    CHECK(row_count(*index) == 70'000);
    CHECK(contents(*index).at(7) == std::pair<float, std::string>(7.25F, ""));
    require_value(index->update(numbers(7, 8), nullptr, &one, nullptr));
    const Rows back = numbered(0, 70'000);
    const MatrixView vectors = back.all();
    CHECK(require_value(index->update(numbers(0, 70'000), &vectors, nullptr, nullptr)) == 70'000);
    CHECK(row_count(*index) == 70'000);
    CHECK(contents(*index).at(7) == std::pair<float, std::string>(7.0F, "{\"kept\":true}"));
  }
}

TEST_CASE("optimize makes one segment of live rows and their metadata as it is") {
  const auto database = open_memory();
  const auto index = make_index(*database, 2);
  for (std::uint64_t begin = 0; begin < 3000; begin += 1000) {
    add_range(*index, begin, begin + 1000);
    require_ok(database->flush());
  }
  add_range(*index, 3000, 3100);
  require_value(index->remove(numbers(500, 1500)));
  const MetadataColumn one = texts({"{\"n\":1}"});
  require_value(index->update(numbers(2000, 2001), nullptr, &one, nullptr));
  const auto before = contents(*index);
  const auto pinned = require_value(index->view());
  CHECK_FALSE(pinned->vector_block().has_value());

  require_ok(index->optimize(nullptr));
  const auto stats = require_value(index->stats());
  CHECK(stats.segments == 1);
  CHECK(stats.deleted_rows == 0);
  CHECK(stats.memtable_rows == 0);
  CHECK(stats.unindexed_rows == 0);
  CHECK(contents(*index) == before);
  CHECK(pinned->rows() == 2100);
  CHECK(pinned->ids(500, 501).integers()[0] == 1500);

  const auto view = require_value(index->view());
  const auto block = view->vector_block();
  REQUIRE(block.has_value());
  CHECK(block->rows == 2100);
  std::vector<float> copied(2100 * 2);
  view->copy_vectors(copied.data());
  CHECK(std::memcmp(copied.data(), block->data, copied.size() * sizeof(float)) == 0);
  CHECK(view->ids(500, 501).integers()[0] == 1500);
  require_ok(index->optimize(nullptr));  // nothing to do
  CHECK(require_value(index->view())->vector_block()->data == block->data);
  require_ok(database->close());
  CHECK(static_cast<const float*>(block->data)[2 * 500] == 1500.0F);
}

TEST_CASE("optimize that is stopped leaves the index as it was") {
  const auto database = open_memory();
  const auto index = make_index(*database, 2);
  add_range(*index, 0, 30'000);
  require_value(index->remove(numbers(0, 10)));
  const auto before = contents(*index);
  StopAtOnce stop;
  require_error(index->optimize(&stop), ErrorCode::kFailedPrecondition, "stopped by the caller");
  CHECK(contents(*index) == before);
  add_range(*index, 0, 10);
  CHECK(row_count(*index) == 30'000);
}

TEST_CASE("what is written while optimize runs is carried over") {
  const auto database = open_memory();
  const auto index = make_index(*database, 2);
  add_range(*index, 0, 1000);
  require_ok(database->flush());
  add_range(*index, 1000, 14'000);  // rows to insert, so that it takes a while
  require_value(index->remove(numbers(0, 100)));

  // Writes from inside the progress call: surely in the middle of it.
  class WriteMeanwhile final : public Progress {
   public:
    explicit WriteMeanwhile(Index& index) : index_(index) {}
    bool update(std::uint64_t, std::uint64_t) override {
      if (done) return true;
      done = true;
      // On a thread of its own: a callback may not change what its call works on.
      std::thread([&] {
        require_value(index_.remove(numbers(200, 300)));
        require_value(index_.remove(numbers(13'000, 13'100)));
        const MetadataColumn one = texts({"{\"late\":1}"});
        require_value(index_.update(numbers(12'500, 12'501), nullptr, &one, nullptr));
        const Rows moved{2, {-5, 0}};
        require_value(index_.upsert(numbers(150, 151), moved.all(), nullptr, nullptr));
        require_value(index_.add(numbers(50, 51), moved.all(), nullptr, nullptr));
      }).join();
      return true;
    }
    bool done = false;

   private:
    Index& index_;
  };
  WriteMeanwhile writer(*index);
  require_ok(index->optimize(&writer));
  REQUIRE(writer.done);
  const auto found = contents(*index);
  CHECK(found.size() == 14'000 - 100 - 200 + 1);
  CHECK_FALSE(found.contains(250));
  CHECK_FALSE(found.contains(13'050));
  CHECK(found.at(12'500).second == "{\"late\":1}");
  CHECK(found.at(150).first == -5.0F);
  CHECK(found.at(50).first == -5.0F);
  CHECK(found.at(13'999).first == 13'999.0F);
  const auto stats = require_value(index->stats());
  CHECK(stats.segments == 1);
  CHECK(stats.memtable_rows == 2);
}

TEST_CASE("an id that was replaced inside a memtable survives sealing") {
  const auto database = open_memory();
  const auto index = make_index(*database, 2);
  add_range(*index, 0, 2000);
  for (int round = 1; round <= 3; ++round) {
    Rows moved = numbered(0, 20);
    for (float& value : moved.values) value += static_cast<float>(round) * 1000;
    require_value(index->upsert(numbers(0, 20), moved.all(), nullptr, nullptr));
  }
  require_ok(database->flush());
  const auto stats = require_value(index->stats());
  CHECK(stats.segments == 1);
  CHECK(stats.memtable_rows == 0);
  CHECK(stats.deleted_rows == 60);  // kept: the graph is taken over with them
  const auto found = contents(*index);
  CHECK(found.size() == 2000);
  CHECK(found.at(19).first == 3019.0F);
  require_value(index->remove(numbers(0, 2000)));
  CHECK(row_count(*index) == 0);
}

TEST_CASE("many small flushes leave few segments, with rows in order") {
  const auto database = open_memory();
  const auto index = make_index(*database, 2);
  for (std::uint64_t id = 0; id < 300; ++id) {
    add_range(*index, id, id + 1);
    if (id % 7 == 3) require_value(index->remove(numbers(id - 2, id - 1)));
    require_ok(database->flush());
  }
  const auto stats = require_value(index->stats());
  CHECK(stats.memtable_rows == 0);
  CHECK(stats.segments <= 10);
  CHECK(stats.rows == 300 - 43);
  const auto view = require_value(index->view());
  const IdColumn ids = view->ids(0, view->rows());
  CHECK(std::is_sorted(ids.integers().begin(), ids.integers().end()));
}

TEST_CASE("a view with deletes in several parts gives the same rows in batches of any size") {
  const auto database = open_memory();
  IndexOptions options;
  options.dimensions = 2;
  options.metric = Metric::kL2;
  options.m = 2;
  options.ef_construction = 4;
  const auto index = require_value(database->create_index("parts", options, false));
  // Two segments, and a memtable of more than one chunk of deleted bits (32,768 rows).
  constexpr std::uint64_t kRows = 45'100;
  constexpr std::uint64_t kMemtable = 5100;
  add_range(*index, 0, 5000);
  require_ok(database->flush());
  add_range(*index, 5000, kMemtable);
  require_ok(database->flush());
  add_range(*index, kMemtable, kRows);
  REQUIRE(require_value(index->stats()).segments == 2);
  std::set<std::uint64_t> left;
  for (std::uint64_t id = 0; id < kRows; ++id) left.insert(left.end(), id);
  const auto remove = [&](std::uint64_t begin, std::uint64_t end) {
    require_value(index->remove(numbers(begin, end)));
    left.erase(left.lower_bound(begin), left.lower_bound(end));
  };
  const auto check = [&] {
    const auto view = require_value(index->view());
    REQUIRE(view->rows() == left.size());
    for (const std::size_t size : {1U, 7U, 64U, 65U, 1000U, 33'000U, 100'000U}) {
      std::vector<std::uint64_t> ids;
      for (std::size_t begin = 0; begin < view->rows(); begin += size) {
        const IdColumn batch = view->ids(begin, begin + size);
        ids.insert(ids.end(), batch.integers().begin(), batch.integers().end());
      }
      INFO("batches of " << size);
      CHECK(std::ranges::equal(ids, left));
    }
    CHECK(contents(*index).rbegin()->second.first == static_cast<float>(*left.rbegin()));
    CHECK(view->ids(view->rows(), view->rows() + 10).size() == 0);
    CHECK(view->ids(10, 5).size() == 0);
    CHECK(view->records(10, 5, {}).ids.size() == 0);
  };
  check();
  remove(1, 2);
  remove(4999, 5000);  // the last row of the first part
  check();
  remove(64, 192);  // whole words
  remove(5000, 5001);
  remove(kMemtable + 32'700, kMemtable + 32'800);  // across two chunks
  for (std::uint64_t id = kMemtable; id < kRows; id += 7) remove(id, id + 1);
  remove(kRows - 1, kRows);
  check();
  remove(kMemtable, kMemtable + 32'768);  // a whole chunk
  check();
  remove(5000, kRows - 5);  // a whole part, and most of another
  check();
}

}  // namespace springg::test
