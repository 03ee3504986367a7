// SPDX-License-Identifier: MIT
// Indexes larger than the memory limit: vectors stay in the files, and nobody can tell but by the
// memory that it takes (docs/adr/0017).
#include "engine/support.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "engine/database_core.h"
#include "io/fault_file_system.h"
#include "watched_file_system.h"

namespace springg::test {

namespace {

constexpr std::size_t kDimensions = 384;
constexpr std::size_t kRows = 12'000;
constexpr std::size_t kVectorBytes = kRows * kDimensions * sizeof(float);
constexpr std::uint64_t kLimit = kVectorBytes / 3;
constexpr std::size_t kRowsOfCall = 500;
constexpr std::size_t kQueries = 100;

// Around 200 centers, as embeddings are.
Rows clustered_rows(std::size_t rows, std::uint32_t seed) {
  const Rows centers = random_rows(200, kDimensions, 7);
  Rows made = random_rows(rows, kDimensions, seed);
  for (std::size_t row = 0; row < rows; ++row) {
    const float* center = centers.values.data() + (row * 31 + seed) % 200 * kDimensions;
    float* values = made.values.data() + row * kDimensions;
    for (std::size_t i = 0; i < kDimensions; ++i) values[i] = center[i] + 0.7F * values[i];
  }
  return made;
}

DatabaseOptions limited(std::optional<std::uint64_t> limit = kLimit) {
  DatabaseOptions options = two_threads();
  options.memory_limit_bytes = limit;
  options.durability = Durability::kBuffered;
  return options;
}

std::uint64_t usage_of(const Database& database, const std::string& what) {
  return require_value(database.memory_usage()).at(what);
}

void fill(Database& database, Index& index, const Rows& rows) {
  for (std::size_t begin = 0; begin < rows.size(); begin += kRowsOfCall) {
    const std::size_t count = std::min(kRowsOfCall, rows.size() - begin);
    require_value(
        index.add(numbers(begin, begin + count), rows.view(begin, count), nullptr, nullptr));
    CHECK(usage_of(database, "counted") <= kLimit);
  }
}

double recall(const Index& index, const Rows& queries) {
  SearchOptions options;
  const SearchResult found = require_value(index.search(queries.all(), options, nullptr));
  options.exact = true;
  const SearchResult exact = require_value(index.search(queries.all(), options, nullptr));
  std::size_t hits = 0;
  for (std::size_t query = 0; query < queries.size(); ++query) {
    const float farthest = exact.distances[query * options.k + options.k - 1];
    for (std::size_t i = 0; i < options.k; ++i) {
      if (found.distances[query * options.k + i] <= farthest) ++hits;
    }
  }
  return static_cast<double>(hits) / static_cast<double>(queries.size() * options.k);
}

// What a search answers, bit for bit.
struct Answers {
  std::vector<std::uint64_t> ids;
  std::vector<float> distances;
  std::vector<float> vectors;
  bool operator==(const Answers&) const = default;
};
Answers answers(const Index& index, const Rows& queries, const SearchOptions& options) {
  const SearchResult found = require_value(index.search(queries.all(), options, nullptr));
  return {found_numbers(found),
          {found.distances.begin(), found.distances.end()},
          {found.vectors.begin(), found.vectors.end()}};
}

std::vector<Answers> all_answers(const Index& index, const Rows& queries) {
  SearchOptions plain;
  SearchOptions wide;
  wide.k = 300;  // more than are read at a time
  SearchOptions exact;
  exact.exact = true;
  exact.include.vectors = true;
  SearchOptions filtered;
  const IdColumn wanted = numbers(100, 3'000);
  filtered.filter.ids = &wanted;
  SearchOptions few;
  const IdColumn some = numbers(100, 130);
  few.filter.ids = &some;
  std::vector<Answers> made;
  for (const SearchOptions& options : {plain, wide, exact, filtered, few}) {
    made.push_back(answers(index, queries, options));
  }
  made.push_back(answers(index, queries.part(0, 1), plain));
  return made;
}

}  // namespace

TEST_CASE("an index of three times the memory limit takes rows, answers, and stays whole") {
  const TemporaryDirectory place;
  const Rows rows = clustered_rows(kRows, 1);
  const Rows queries = clustered_rows(kQueries, 2);
  {
    const auto database = require_value(Database::open(place.path(), limited()));
    const auto index = make_index(*database, kDimensions, Metric::kCosine);
    fill(*database, *index, rows);
    require_ok(database->flush());
    CHECK(usage_of(*database, "counted") <= kLimit);
    CHECK(usage_of(*database, "mapped") == kVectorBytes);
    CHECK(recall(*index, queries) >= 0.95);
    require_ok(index->optimize(nullptr));
    CHECK(require_value(index->stats()).segments == 1);
    CHECK(usage_of(*database, "counted") <= kLimit);
    CHECK(recall(*index, queries) >= 0.95);
    require_ok(database->close());
  }
  const auto database = require_value(Database::open(place.path(), limited()));
  const auto index = require_value(database->index("words"));
  CHECK(row_count(*index) == kRows);
  CHECK(usage_of(*database, "counted") <= kLimit);
  CHECK(recall(*index, queries) >= 0.95);
  const Include vectors{.metadata = false, .vectors = true};
  const RecordBatch record = require_value(index->get(numbers(kRows - 1, kRows), vectors));
  CHECK(std::memcmp(record.vectors.data(), rows.values.data() + (kRows - 1) * kDimensions,
                    kDimensions * sizeof(float)) == 0);
  CHECK(require_value(database->check(false)).ok());
  // Graphs and codes count: in the end a write is refused, and changes nothing.
  const Status refused =
      index->add(numbers(kRows, 2 * kRows), rows.all(), nullptr, nullptr).status();
  CHECK(refused.code() == ErrorCode::kResourceExhausted);
  CHECK(refused.message().starts_with("memory limit exceeded: limit "));
  CHECK(row_count(*index) == kRows);
}

TEST_CASE("answers are the same bits whether vectors are mapped or read") {
  const auto metric = GENERATE(Metric::kCosine, Metric::kL2, Metric::kManhattan);
  const TemporaryDirectory place;
  constexpr std::size_t kFew = 5'000;
  const Rows queries = clustered_rows(30, 2);
  {
    const auto database = require_value(Database::open(place.path(), limited(std::nullopt)));
    const auto index = make_index(*database, kDimensions, metric);
    require_value(index->add(numbers(0, kFew), clustered_rows(kFew, 1).all(), nullptr, nullptr));
    require_ok(database->close());
  }
  const auto answers_under = [&](std::optional<std::uint64_t> limit) {
    const auto database = require_value(Database::open(place.path(), limited(limit)));
    const auto index = require_value(database->index("words"));
    std::vector<Answers> made = all_answers(*index, queries);
    require_ok(database->close());
    return made;
  };
  const std::vector<Answers> mapped = answers_under(std::nullopt);
  CHECK(answers_under(kFew * kDimensions) == mapped);
  CHECK(answers_under(std::uint64_t{1} << 40) == mapped);  // room for all: mapped as well
}

namespace {

// Zeros in the place of every row, and then not even these.
class Unreadable final : public io::RandomReader {
 public:
  explicit Unreadable(std::atomic<bool>& fails) : fails_(fails) {}
  bool read(std::span<const io::FileRange> wanted,
            std::span<const io::FileRange>) const noexcept override {
    for (const io::FileRange& range : wanted) {
      // Blocks that are compared with their checksums: the mapping has them.
      if (range.to.size() != kDimensions * sizeof(float)) return false;
      std::fill(range.to.begin(), range.to.end(), std::byte{0});
    }
    return !fails_;
  }

 private:
  std::atomic<bool>& fails_;
};

}  // namespace

TEST_CASE("a row that cannot be read is an error that names the file") {
  const auto memory = io::make_memory_file_system();
  testing::WatchedFileSystem files(*memory);
  std::atomic<bool> fails{false};
  files.read_as([&](const std::string&) -> testing::WatchedFileSystem::Reader {
    return std::unique_ptr<const io::RandomReader>(std::make_unique<Unreadable>(fails));
  });
  const auto core = require_value(engine::DatabaseCore::open(
      "/db", limited(1'500'000), &files, &base::system_unix_ms, engine::Tuning()));
  const auto index = make_index(*core, kDimensions);
  const Rows rows = clustered_rows(2'000, 1);
  for (std::size_t begin = 0; begin < rows.size(); begin += 100) {
    require_value(index->add(numbers(begin, begin + 100), rows.view(begin, 100), nullptr, nullptr));
  }
  require_ok(core->flush());
  require_ok(index->optimize(nullptr));
  require_ok(core->flush());
  SearchOptions options;
  options.ef = 100;
  // All that a search ranks exactly comes through the reader, which has zeros.
  const SearchResult zeros = require_value(index->search(rows.view(0, 1), options, nullptr));
  const SearchResult other = require_value(index->search(rows.view(1, 1), options, nullptr));
  CHECK(zeros.distances[0] == zeros.distances[9]);
  CHECK(other.distances[0] > 1);
  fails = true;
  const Status status = index->search(rows.view(0, 1), options, nullptr).status();
  CHECK(status.code() == ErrorCode::kCorruption);
  CHECK(status.message().find(".segment cannot be read any more") != std::string::npos);
  static_cast<void>(core->close());
}

TEST_CASE("parts that are made under a limit go to files at once, and old files go") {
  const TemporaryDirectory place;
  const Rows rows = clustered_rows(6'000, 1);
  const auto database = require_value(Database::open(place.path(), limited()));
  const auto index = make_index(*database, kDimensions, Metric::kCosine);
  fill(*database, *index, rows);
  require_ok(index->optimize(nullptr));
  // Nothing but the graph and what is small is in memory, though no flush came after it.
  CHECK(usage_of(*database, "mapped") == rows.values.size() * sizeof(float));
  for (int i = 0; i < 3; ++i) {
    const std::uint64_t id = 100'000 + static_cast<std::uint64_t>(i);
    require_value(index->add(numbers(id, id + 1), rows.view(0, 1), nullptr, nullptr));
    require_ok(index->optimize(nullptr));
    require_ok(database->flush());
  }
  require_value(index->remove(numbers(0, 1)));
  require_ok(database->flush());
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(place.path())) {
    if (entry.path().extension() == ".segment") bytes += entry.file_size();
  }
  // One segment, and at most the one before it.
  CHECK(bytes < 3 * rows.values.size() * sizeof(float));
  require_ok(database->close());
  const auto again = require_value(Database::open(place.path(), limited()));
  CHECK(row_count(*require_value(again->index("words"))) == 6'002);
}

// Files of parts that no manifest names yet may be lost, or left behind: neither loses a row.
TEST_CASE("under a limit a power cut at any moment leaves what was acknowledged") {
  DatabaseOptions options = two_threads();
  options.memory_limit_bytes = std::uint64_t{1} << 30;
  io::FaultFileSystem files;
  auto database = require_value(engine::open_in(files, "db", options));
  const auto index = make_index(*database, 4);
  const Rows rows = random_rows(600, 4);
  std::vector<std::pair<std::uint64_t, std::size_t>> acknowledged{{files.operations(), 0}};
  const auto note = [&](std::size_t live) { acknowledged.emplace_back(files.operations(), live); };
  require_value(index->add(numbers(0, 300), rows.view(0, 300), nullptr, nullptr));
  note(300);
  require_ok(index->optimize(nullptr));  // nothing names its file yet; the log has the rows
  note(300);
  require_value(index->add(numbers(300, 600), rows.view(300, 300), nullptr, nullptr));
  note(600);
  require_ok(database->flush());
  require_ok(index->optimize(nullptr));
  require_value(index->remove(numbers(0, 200)));
  note(400);
  require_ok(index->optimize(nullptr));
  require_ok(database->flush());
  note(400);
  const io::History history = files.history();
  for (auto n = acknowledged[1].first; n <= history.end(); ++n) {
    const io::CrashPoint point = history.at(n);
    const auto disk = point.power_cut(point.random(n));
    const auto again = require_value(engine::open_in(*disk, "db", options));
    std::size_t next = 0;
    while (next < acknowledged.size() && acknowledged[next].first <= n) ++next;
    const std::size_t found = row_count(*require_value(again->index("words")));
    INFO("operation " << n);
    const bool is_next = next < acknowledged.size() && found == acknowledged[next].second;
    CHECK((found == acknowledged[next - 1].second || is_next));
    const RecordBatch batch = require_value(
        require_value(again->index("words"))->get(numbers(250, 251), {.vectors = true}));
    CHECK(std::memcmp(batch.vectors.data(), rows.values.data() + 250 * 4, 16) == 0);
  }
  require_ok(database->close());
}

TEST_CASE("with a limit in memory all counts, vectors too") {
  const auto database = open_memory(limited());
  const auto index = make_index(*database, kDimensions);
  const Rows rows = clustered_rows(1'000, 1);
  std::size_t stored = 0;
  while (stored < 2 * kRows &&
         index->add(numbers(stored, stored + 1'000), rows.all(), nullptr, nullptr).ok()) {
    stored += 1'000;
  }
  CHECK(stored >= kRows / 6);
  CHECK(stored < kRows / 2);
  CHECK(usage_of(*database, "mapped") == 0);
}

}  // namespace springg::test
