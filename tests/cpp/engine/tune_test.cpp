// SPDX-License-Identifier: MIT
// What searches do that name no ef: chosen, kept, followed by readers, explained.
#include <cmath>
#include <map>

#include "ann/test_rows.h"
#include "base/wall_clock.h"
#include "engine/database_core.h"
#include "engine/search_tuning.h"
#include "engine/support.h"
#include "io/file_system.h"

namespace springg::test {

namespace {

constexpr std::size_t kDimensions = 32;

Rows clustered_rows(std::size_t rows, std::uint32_t seed) {
  return {kDimensions, ann::test::clustered(rows, kDimensions, 40, seed).data};
}

void fill(Index& index, const Rows& rows) {
  require_value(index.add(numbers(0, rows.size()), rows.all(), nullptr, nullptr));
  require_ok(index.optimize(nullptr));
}

double recall_of(const Index& index, const Rows& queries, std::size_t k) {
  SearchOptions options;
  options.k = k;
  const SearchResult found = require_value(index.search(queries.all(), options, nullptr));
  options.exact = true;
  const SearchResult truth = require_value(index.search(queries.all(), options, nullptr));
  std::size_t hits = 0;
  for (std::size_t i = 0; i < found.distances.size(); ++i) {
    hits += found.distances[i] <= truth.distances[i / k * k + k - 1] ? 1U : 0U;
  }
  return static_cast<double>(hits) / static_cast<double>(found.distances.size());
}

std::uint64_t work_of(const Index& index, const Rows& queries, std::optional<std::size_t> ef = {}) {
  SearchOptions options;
  options.ef = ef;
  return require_value(index.search(queries.all(), options, nullptr)).distances_computed;
}

SearchExplanation explained(const Index& index) { return require_value(index.stats()).search; }

}  // namespace

TEST_CASE("the least ef is found that has a recall, or the most there is") {
  std::map<std::size_t, double> tried;
  // Reaches 1 - 5/ef, at most `most`.
  const auto choose = [&](double recall, std::size_t k, double most) {
    tried.clear();
    return require_value(engine::choose_ef(recall, k, [&](std::size_t ef) -> Result<double> {
      CHECK(tried.emplace(ef, 0).second);  // none twice
      CHECK(ef >= k);
      CHECK(ef <= limits::kEfMax);
      return std::min(most, 1 - 5 / static_cast<double>(ef));
    }));
  };
  for (const double recall : {0.6, 0.9, 0.95, 0.99, 0.998}) {
    const engine::ChosenEf chosen = choose(recall, 10, 1);
    const auto least = static_cast<std::size_t>(std::ceil(5 / (1 - recall) - 1e-9));
    CAPTURE(recall, chosen.ef, least);
    CHECK(chosen.reached >= recall);
    CHECK(chosen.ef >= std::max<std::size_t>(least, 10));
    CHECK(chosen.ef <= std::max<std::size_t>(least + std::max<std::size_t>(least / 31, 1), 10));
    CHECK(tried.size() <= 16);
  }
  CHECK(choose(0.4, 10, 1).ef == 10);
  CHECK(tried.size() == 1);
  const engine::ChosenEf most = choose(0.99, 10, 0.9);  // which 80 has as much as any
  CHECK(most.ef == 80);
  CHECK(most.reached == 0.9);
  CHECK(tried.rbegin()->first == limits::kEfMax);
  CHECK(choose(1.0, limits::kEfMax, 0.5).ef == limits::kEfMax);
  const auto broken = engine::choose_ef(0.9, 10, [](std::size_t ef) -> Result<double> {
    if (ef > 10) return Status(ErrorCode::kInternal, "no more");
    return 0.5;
  });
  CHECK(broken.status().code() == ErrorCode::kInternal);
}

TEST_CASE("tuning with queries changes what a search without ef does, for later views too") {
  const auto database = open_memory();
  const auto index = make_index(*database, kDimensions, Metric::kCosine);
  fill(*index, clustered_rows(6000, 1));
  const Rows queries = clustered_rows(200, 2);
  const MatrixView asked = queries.all();
  const std::uint64_t before = work_of(*index, queries);
  const auto pinned = require_value(index->view());
  std::size_t narrower = 0;
  for (const double recall : {0.7, 0.9, 0.99}) {
    const SearchTuning tuned = require_value(index->tune(&asked, recall, 10, nullptr));
    CAPTURE(recall, tuned.ef);
    CHECK(tuned.recall == recall);
    CHECK(tuned.queries == 200);
    CHECK(tuned.k == 10);
    CHECK(tuned.met());
    CHECK(tuned.ef >= std::max<std::size_t>(narrower, 10));
    narrower = tuned.ef;
    CHECK(recall_of(*index, queries, 10) == tuned.reached);
    CHECK(work_of(*index, queries) == work_of(*index, queries, tuned.ef));
    CHECK(explained(*index).tuning == tuned);
    CHECK(explained(*index).ef == tuned.ef);
    // For more neighbors it is wider.
    CHECK(recall_of(*index, queries, 100) >= recall - 0.05);
  }
  SearchOptions options;
  CHECK(require_value(pinned->search(asked, options, nullptr)).distances_computed == before);
  CHECK(require_value(require_value(index->view())->search(asked, options, nullptr))
            .distances_computed == work_of(*index, queries, narrower));
  const SearchTuning back = require_value(index->tune(nullptr, std::nullopt, 10, nullptr));
  CHECK(back.recall == 0.95);
  CHECK(back.queries == 0);
  CHECK(back.met());
  CHECK(work_of(*index, queries) == before);
  CHECK_FALSE(explained(*index).tuning.has_value());
}

TEST_CASE("without queries the recall is kept, and each segment's calibration asked for it") {
  const auto database = open_memory();
  const auto index = make_index(*database, kDimensions, Metric::kL2);
  const Rows rows = clustered_rows(6000, 1);
  const auto tune = [&](double recall, std::size_t k = 10) {
    return require_value(index->tune(nullptr, recall, k, nullptr));
  };
  // Nothing to walk: nothing is measured, and nothing is concluded for what is to come.
  CHECK(tune(0.95) == SearchTuning{0.95, 1.0, 64, 10, 0});
  require_value(index->add(numbers(0, 6000), rows.all(), nullptr, nullptr));
  require_ok(index->wait_indexed());
  const SearchTuning of_memtable = tune(0.9);  // which has no calibration
  CHECK(of_memtable.queries == 0);
  CHECK_FALSE(of_memtable.reached.has_value());
  CHECK(of_memtable.ef == 64);
  require_ok(index->optimize(nullptr));
  CHECK(explained(*index).tuning == of_memtable);
  const SearchTuning calibrated = tune(0.9);
  CHECK(calibrated.queries == 0);
  CHECK(calibrated.met());
  CHECK(calibrated.ef < tune(0.99).ef);
  const SearchExplanation search = explained(*index);
  REQUIRE(search.parts.size() == 1);
  CHECK(search.parts[0].reached >= 0.99);
  CHECK(search.parts[0].ef == search.ef);
  CHECK_FALSE(tune(0.9, 5).reached.has_value());  // a calibration is of 10
  CHECK(tune(0.9, 5).queries == 0);
  CHECK(recall_of(*index, clustered_rows(100, 3), 10) >= 0.9);
}

// Rows without any structure: what finds a row itself does not find the neighbors of a query.
TEST_CASE("queries that are no rows find what a tuning without queries promised") {
  const auto database = open_memory();
  const auto index = make_index(*database, kDimensions, Metric::kL2);
  const Rows queries = random_rows(200, kDimensions, 7);
  require_value(
      index->add(numbers(0, 4000), random_rows(4000, kDimensions, 5).all(), nullptr, nullptr));
  for (const bool optimized : {false, true}) {
    CAPTURE(optimized);
    if (optimized) require_ok(index->optimize(nullptr));
    for (const double recall : {0.9, 0.95}) {
      require_value(index->tune(nullptr, recall, 10, nullptr));
      CHECK(recall_of(*index, queries, 10) >= recall);
    }
  }
}

TEST_CASE("what cannot be tuned for is refused, and a call that stops changes nothing") {
  const auto database = open_memory();
  const auto index = make_index(*database, kDimensions, Metric::kCosine);
  fill(*index, clustered_rows(3000, 1));
  const Rows queries = clustered_rows(50, 2);
  const MatrixView asked = queries.all();
  require_value(index->tune(&asked, 0.9, 10, nullptr));
  const std::optional<SearchTuning> before = explained(*index).tuning;
  const auto refused = [&](const MatrixView* with, std::optional<double> recall, std::size_t k,
                           const std::string& message) {
    require_error(index->tune(with, recall, k, nullptr).status(), ErrorCode::kInvalidArgument,
                  message);
  };
  refused(nullptr, 0.0, 10, "recall out of range: expected a share, above 0 and at most 1, got 0");
  refused(&asked, 1.5, 10, "recall out of range: expected a share, above 0 and at most 1, got 1.5");
  refused(&asked, std::nan(""), 10,
          "recall out of range: expected a share, above 0 and at most 1, got nan");
  refused(&asked, 0.9, 0, "k out of range: expected 1..4096, got 0");
  refused(&asked, 0.9, 4097, "k out of range: expected 1..4096, got 4097");
  refused(&asked, std::nullopt, 10,
          "recall is none, which goes back to the default: expected no queries, got 50");
  const MatrixView none{queries.values.data(), 0, kDimensions, kDimensions};
  refused(&none, 0.9, 10, "number of queries out of range: expected at least 1, got 0");
  const Rows narrow = random_rows(5, 8);
  const MatrixView wrong = narrow.all();
  CHECK(index->tune(&wrong, 0.9, 10, nullptr).status().code() == ErrorCode::kDimensionMismatch);
  StopAtOnce stop;
  const Rows many = clustered_rows(20'000, 3);
  const MatrixView long_call = many.all();
  CHECK(index->tune(&long_call, 0.99, 10, &stop).status().code() == ErrorCode::kFailedPrecondition);
  CHECK(stop.calls > 0);
  CHECK(explained(*index).tuning == before);
  require_ok(database->drop_index("words"));
  CHECK(index->tune(&asked, 0.9, 10, nullptr).status().code() == ErrorCode::kFailedPrecondition);
}

TEST_CASE("what was tuned is kept in files, and readers follow") {
  const auto files = io::make_memory_file_system();
  engine::Tuning no_thread;
  no_thread.follow_interval_ms = 0;
  const auto open = [&](bool read_only) {
    DatabaseOptions options = two_threads();
    options.read_only = read_only;
    return require_value(engine::open_in(*files, "/d", options, &base::system_unix_ms, no_thread));
  };
  const Rows queries = clustered_rows(50, 2);
  const MatrixView asked = queries.all();
  SearchTuning tuned;
  {
    const auto writer = open(false);
    const auto index = make_index(*writer, kDimensions, Metric::kCosine);
    fill(*index, clustered_rows(3000, 1));
    require_ok(writer->flush());
    const auto reader = open(true);
    const auto followed = require_value(reader->index("words"));
    const std::uint64_t work = work_of(*followed, queries);
    tuned = require_value(index->tune(&asked, 0.8, 10, nullptr));
    require_ok(reader->refresh());
    CHECK(explained(*followed).tuning == tuned);
    CHECK(work_of(*followed, queries) == work_of(*index, queries, tuned.ef));
    CHECK(work_of(*followed, queries) < work);
    require_error(followed->tune(&asked, 0.8, 10, nullptr).status(), ErrorCode::kFailedPrecondition,
                  "database /d was opened read-only");
    // Together with a state that is made anew.
    require_value(index->remove(numbers(0, 1), {}));
    require_value(index->tune(nullptr, std::nullopt, 10, nullptr));
    require_ok(writer->flush());
    require_ok(reader->refresh());
    CHECK_FALSE(explained(*followed).tuning.has_value());
    tuned = require_value(index->tune(&asked, 0.8, 10, nullptr));
    require_ok(writer->rename_index("words", "terms"));
    require_ok(writer->close());
  }
  const auto writer = open(false);
  const auto index = require_value(writer->index("terms"));
  CHECK(explained(*index).tuning == tuned);
  CHECK(work_of(*index, queries) == work_of(*index, queries, tuned.ef));
  // It is the index's, not the rows'.
  require_ok(index->clear());
  CHECK(explained(*index).tuning == tuned);
}

TEST_CASE("stats say how each part is searched, and why without codes") {
  const auto database = open_memory();
  const auto make = [&](const std::string& name, IndexOptions options) {
    return require_value(database->create_index(name, options, false));
  };
  const auto only = [](const Index& index) {
    const SearchExplanation search = explained(index);
    REQUIRE(search.parts.size() == 1);
    return search.parts[0];
  };
  const Rows rows = clustered_rows(3000, 1);
  IndexOptions options{.dimensions = kDimensions, .metric = Metric::kL2};
  const auto whole = make("whole", options);
  require_value(whole->add(numbers(0, 3000), rows.all(), nullptr, nullptr));
  require_ok(whole->wait_indexed());
  CHECK_FALSE(only(*whole).segment);
  CHECK(only(*whole).path == SearchPath::kVectors);
  CHECK(only(*whole).why == "rows that are in no segment yet have no codes");
  require_ok(whole->optimize(nullptr));
  CHECK(only(*whole).segment);
  CHECK(only(*whole).rows == 3000);
  CHECK(only(*whole).path == SearchPath::kCodes);
  CHECK(only(*whole).codes == Quantization::kInt8);
  CHECK(only(*whole).why.empty());
  CHECK(explained(*whole).recall == 0.95);
  CHECK(only(*whole).reached >= 0.98);
  require_value(whole->remove(numbers(0, 10), {}));
  CHECK(only(*whole).rows == 2990);

  for (const auto kind : {Quantization::kInt4, Quantization::kRabitq}) {
    options.quantization = kind;
    const std::string name(to_string(kind));
    const auto shorter = make(name.c_str(), options);
    fill(*shorter, rows);
    CHECK(only(*shorter).codes == Quantization::kInt8);
    CHECK(only(*shorter).why ==
          "'" + name + "' with 32 dimensions is kept as 'int8': a row of it would be as long");
  }
  options.quantization = Quantization::kNone;
  const auto none = make("none", options);
  fill(*none, rows);
  CHECK(only(*none).path == SearchPath::kVectors);
  CHECK(only(*none).why == "quantization is 'none'");
  options.quantization = Quantization::kAuto;
  const auto few = make("few", options);
  fill(*few, rows.part(0, 200));
  CHECK(only(*few).path == SearchPath::kScan);
  CHECK(only(*few).ef == 0);
  CHECK(only(*few).why == "it has no graph, since it has few rows");
  const auto equal = make("equal", options);
  fill(*equal, {kDimensions, std::vector<float>(3000 * kDimensions, 1.25F)});
  CHECK(only(*equal).path == SearchPath::kVectors);
  CHECK(only(*equal).why == "those of its rows that were looked at are all equal");
  Rows huge = rows.part(0, 3000);
  huge.values[kDimensions] = 1e18F;
  const auto far = make("far", options);
  fill(*far, huge);
  CHECK(only(*far).why.find("too large or too small for codes") != std::string::npos);
  options.metric = Metric::kManhattan;
  const auto sums = make("sums", options);
  fill(*sums, rows);
  CHECK(only(*sums).why == "there are no codes for metric 'manhattan'");
  options = {.dimensions = kDimensions, .metric = Metric::kL2, .dtype = ScalarType::kInt8};
  const auto bytes = make("bytes", options);
  Rows whole_numbers = rows;
  for (float& value : whole_numbers.values) value = std::nearbyint(10 * value);
  fill(*bytes, whole_numbers);
  CHECK(only(*bytes).why == "rows of dtype 'int8' are as short as codes");
}

TEST_CASE("rerank ranks more rows on their vectors, in each part and with a filter") {
  const auto database = open_memory();
  IndexOptions options{.dimensions = kDimensions, .metric = Metric::kL2};
  const auto index = require_value(database->create_index("words", options, false));
  const Rows rows = clustered_rows(8000, 1);
  fill(*index, rows.part(0, 4000));
  const Rows queries = clustered_rows(20, 2);
  const IdColumn even = [] {
    IdColumn ids;
    for (std::uint64_t id = 0; id < 8000; id += 2) ids.append_integer(id);
    return ids;
  }();
  const auto work = [&](std::optional<std::size_t> rerank) {
    SearchOptions asked;
    asked.ef = 200;
    asked.rerank = rerank;
    const SearchResult found = require_value(index->search(queries.all(), asked, nullptr));
    asked.exact = true;
    CHECK(require_value(index->search(queries.all(), asked, nullptr)).distances_computed ==
          queries.size() * row_count(*index));
    return found.distances_computed;
  };
  const std::uint64_t one = work(150) - work(std::nullopt);
  CHECK(work(5) == work(std::nullopt));
  CHECK(one > queries.size() * 100);
  CHECK(one <= queries.size() * 140);
  // A batch of these is scanned on vectors; one query is scanned on codes.
  SearchOptions filtered;
  filtered.filter.ids = &even;
  const MatrixView query = queries.view(0, 1);
  const auto adaptive = require_value(index->search(query, filtered, nullptr)).distances_computed;
  filtered.rerank = 150;
  CHECK(require_value(index->search(query, filtered, nullptr)).distances_computed > adaptive + 100);
  for (const std::size_t wrong : {std::size_t{0}, std::size_t{4097}}) {
    SearchOptions asked;
    asked.rerank = wrong;
    CHECK(index->search(queries.all(), asked, nullptr).status().code() ==
          ErrorCode::kInvalidArgument);
  }
  // A second segment, in which as many are ranked again.
  const Rows more = rows.part(4000, 4000);
  require_value(index->add(numbers(4000, 8000), more.all(), nullptr, nullptr));
  require_ok(database->flush());
  REQUIRE(require_value(index->stats()).segments == 2);
  CHECK(work(150) - work(std::nullopt) > queries.size() * 200);
}

}  // namespace springg::test
