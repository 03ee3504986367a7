// SPDX-License-Identifier: MIT
#include <atomic>
#include <thread>

#include "ann/hnsw_build.h"
#include "ann/test_graph.h"

using namespace springg;
using namespace springg::ann;
using namespace springg::ann::test;

namespace {

// Counts calls and says stop at one of them.
class TestProgress final : public Progress {
 public:
  explicit TestProgress(int stop_at) : stop_at_(stop_at) {}
  bool update(std::uint64_t done, std::uint64_t total) override {
    ordered_ = ordered_ && done >= last_ && done <= total;
    own_thread_ = own_thread_ && std::this_thread::get_id() == thread_;
    last_ = done;
    return ++calls_ != stop_at_;
  }
  int calls() const { return calls_; }
  bool proper() const { return ordered_ && own_thread_; }

 private:
  int stop_at_;
  int calls_ = 0;
  std::uint64_t last_ = 0;
  bool ordered_ = true;
  bool own_thread_ = true;
  std::thread::id thread_ = std::this_thread::get_id();
};

// Rows that cannot be reached over layer 0 from where searches of the sealed graph start.
std::size_t unreachable(const Image& image, std::uint32_t rows, std::uint32_t m) {
  const auto* words = reinterpret_cast<const std::uint32_t*>(image.words.data());
  const std::uint32_t* links = words + 48;
  const std::size_t base_words = (std::size_t{rows} * 2 * m + 15) / 16 * 16;
  const bool upper = words[6] > 0;
  const std::uint32_t entry = upper ? (links + base_words)[words[5]] : 0;
  std::vector<std::uint8_t> reached(rows, 0);
  std::vector<std::uint32_t> queue{entry};
  reached[entry] = 1;
  std::size_t count = 1;
  while (!queue.empty()) {
    const std::uint32_t* row = links + std::size_t{queue.back()} * 2 * m;
    queue.pop_back();
    for (std::uint32_t i = 0; i < 2 * m && row[i] != kNoRow; ++i) {
      if (reached[row[i]] != 0) continue;
      reached[row[i]] = 1;
      ++count;
      queue.push_back(row[i]);
    }
  }
  return rows - count;
}

std::vector<Neighbor> nearest(const GrowingGraph& graph, const StoredRows& stored,
                              const float* query, const GraphQuery& request) {
  return graph.search(stored.space(), Query(stored.space(), query), request).neighbors;
}

}  // namespace

TEST_CASE("levels thin out by m and depend on seed and row alone") {
  for (const std::uint32_t m : {2U, 16U, 64U}) {
    std::vector<std::size_t> counts(kLayersMax + 1);
    for (std::uint32_t row = 0; row < 200'000; ++row) ++counts[level_of(9, row, m)];
    CHECK(static_cast<double>(200'000 - counts[0]) == Approx(200'000.0 / m).epsilon(0.1));
    const double second = static_cast<double>(200'000 - counts[0] - counts[1]);
    CHECK(second == Approx(200'000.0 / m / m).epsilon(0.3));
  }
  CHECK(level_of(1, 5, 16) == level_of(1, 5, 16));
  bool differs = false;
  for (std::uint32_t row = 0; row < 100; ++row) {
    differs = differs || level_of(1, row, 4) != level_of(2, row, 4);
  }
  CHECK(differs);
}

TEST_CASE("a bulk build gives the same graph for any number of threads") {
  const StoredRows stored(clustered(4000, 20, 30, 1), Metric::kCosine, ScalarType::kFloat32, 9);
  const Image one = image_of(*build(stored, {6, 50, 77}, 1));
  for (const unsigned threads : {2U, 3U, 8U}) {
    CHECK((image_of(*build(stored, {6, 50, 77}, threads)) == one));
  }
  CHECK_FALSE((image_of(*build(stored, {6, 50, 78}, 1)) == one));
}

TEST_CASE("a bulk build gives the same graph for any order of its tasks") {
  const StoredRows stored(clustered(6000, 24, 40, 1), Metric::kL2, ScalarType::kFloat32);
  for (const bool finish : {false, true}) {
    auto graph = GrowingGraph::create({4, 40, 1}, stored.rows()).value();
    BackwardsExecutor backwards;
    REQUIRE(graph->extend(stored.space(), stored.rows(), backwards, nullptr, finish).ok());
    CHECK((image_of(*graph) == image_of(*build(stored, {4, 40, 1}, 1, finish))));
  }
}

TEST_CASE("the same search gives the same answer") {
  const StoredRows stored(clustered(2000, 12, 10, 1), Metric::kDot, ScalarType::kFloat16);
  const auto graph = build(stored, {8, 40, 1});
  const Matrix queries = clustered(20, 12, 10, 2);
  for (std::size_t q = 0; q < queries.rows; ++q) {
    const auto first = nearest(*graph, stored, queries.row(q), {});
    CHECK(first.size() == 10);
    CHECK(test::is_sorted(first));
    CHECK(nearest(*graph, stored, queries.row(q), {}) == first);
  }
}

TEST_CASE("a graph grown in steps covers what was asked for and finds it") {
  const StoredRows stored(clustered(1500, 10, 10, 1), Metric::kL2, ScalarType::kFloat32, 8);
  auto graph = GrowingGraph::create({8, 60, 1}, 1500).value();
  TestExecutor executor(2);
  CHECK(
      graph->search(stored.space(), Query(stored.space(), stored.exact(0)), {}).neighbors.empty());
  std::size_t memory = 0;
  for (const std::uint32_t end : {1U, 2U, 3U, 40U, 41U, 700U, 1500U}) {
    REQUIRE(graph->extend(stored.space(), end, executor, nullptr, end % 2 == 1).ok());
    CHECK(graph->covered() == end);
    CHECK(graph->memory_bytes() >= memory);
    memory = graph->memory_bytes();
    std::size_t found = 0;
    for (std::uint32_t row = 0; row < end; ++row) {
      const auto neighbors = nearest(*graph, stored, stored.exact(row), {});
      CHECK(neighbors.size() == std::min<std::size_t>(10, end));
      found += !neighbors.empty() && neighbors[0].row == row ? 1U : 0U;
    }
    CHECK(found >= end - end / 100);
  }
  CHECK(graph->extend(stored.space(), 1501, executor, nullptr, false).code() ==
        ErrorCode::kResourceExhausted);
}

TEST_CASE("rows at or above the limit are not looked at") {
  const Matrix matrix = clustered(2000, 10, 10, 1);
  const StoredRows stored(matrix, Metric::kL2, ScalarType::kFloat32, 8);
  const auto graph = build(stored, {8, 60, 1});
  for (const std::uint32_t limit : {0U, 1U, 5U, 300U, 1999U}) {
    // A space that ends with the limit's chunk: reading beyond would be seen by AddressSanitizer.
    Matrix part{std::max(limit, 1U), 10, {}};
    part.data.assign(matrix.data.begin(),
                     matrix.data.begin() + static_cast<std::ptrdiff_t>(part.rows * 10));
    const StoredRows shorter(part, Metric::kL2, ScalarType::kFloat32, 8);
    GraphQuery request;
    request.row_limit = limit;
    request.ef = 400;
    const auto neighbors = nearest(*graph, shorter, matrix.row(1000), request);
    for (const Neighbor& neighbor : neighbors) CHECK(neighbor.row < limit);
    CHECK(neighbors.empty() == (limit == 0));
  }
}

TEST_CASE("ef below k counts as k, and distances are counted") {
  const StoredRows stored(clustered(1000, 10, 10, 1), Metric::kL2, ScalarType::kFloat32);
  const auto graph = build(stored, {8, 60, 1});
  GraphQuery request;
  request.k = 100;
  request.ef = 1;
  const Query query(stored.space(), stored.exact(5));
  const GraphAnswer answer = graph->search(stored.space(), query, request);
  CHECK(answer.neighbors.size() == 100);
  CHECK(answer.distances_computed >= 100);
  CHECK(answer.distances_computed <= 1500);
  request.ef = 400;
  CHECK(graph->search(stored.space(), query, request).distances_computed >
        answer.distances_computed);
}

TEST_CASE("repair leaves no row out of reach") {
  // Far clusters of near rows: links stay within clusters, so that whole clusters get lost.
  Matrix matrix = clustered(3000, 8, 0, 1);
  for (std::size_t i = 0; i < 3000; ++i) {
    for (std::size_t d = 0; d < 8; ++d) {
      matrix.row(i)[d] = matrix.row(i)[d] * 0.01F + static_cast<float>((i * 37) % 60 * (d + 1));
    }
  }
  const StoredRows stored(matrix, Metric::kL2, ScalarType::kFloat32);
  const GraphOptions options{2, 8, 1};
  CHECK(unreachable(image_of(*build(stored, options, 2, false)), 3000, 2) > 0);
  CHECK(unreachable(image_of(*build(stored, options, 2, true)), 3000, 2) == 0);
}

TEST_CASE("equal vectors: k distinct rows come back, and all can be reached") {
  const auto metric = GENERATE(Metric::kL2, Metric::kCosine);
  const std::uint32_t rows = 20'000;
  Matrix matrix{rows, 4, {}};
  for (std::uint32_t i = 0; i < rows; ++i) {
    for (const float x : {1.0F, 2.0F, 3.0F, 4.0F}) matrix.data.push_back(x);
  }
  const StoredRows stored(matrix, metric, ScalarType::kFloat32);
  const auto graph = build(stored, {8, 40, 1});
  CHECK(unreachable(image_of(*graph), rows, 8) == 0);
  GraphQuery request;
  request.k = 100;
  const auto neighbors = nearest(*graph, stored, matrix.row(0), request);
  CHECK(neighbors.size() == 100);
  CHECK(row_set(neighbors).size() == 100);
}

TEST_CASE("a stopped build is whole up to what it covers and goes on later") {
  const StoredRows stored(clustered(20'000, 32, 100, 1), Metric::kL2, ScalarType::kFloat32);
  auto graph = GrowingGraph::create({16, 200, 1}, stored.rows()).value();
  TestExecutor executor(2);
  TestProgress stop(2);
  const Status status = graph->extend(stored.space(), 20'000, executor, &stop, true);
  CHECK(status.code() == ErrorCode::kFailedPrecondition);
  CHECK(status.message() == "stopped by the caller");
  CHECK(stop.calls() == 2);
  CHECK(stop.proper());
  const std::uint32_t covered = graph->covered();
  REQUIRE(covered > 0);
  REQUIRE(covered < 20'000);
  Image image = image_of(*graph);
  CHECK(SealedGraph::open(image.span(), covered).ok());
  CHECK(nearest(*graph, stored, stored.exact(3), {}).size() == std::min<std::size_t>(10, covered));
  const std::uint32_t end = covered + 500;
  TestProgress go(-1);
  REQUIRE(graph->extend(stored.space(), end, executor, &go, true).ok());
  image = image_of(*graph);
  CHECK(SealedGraph::open(image.span(), end).ok());
  CHECK(unreachable(image, end, 16) == 0);
}

TEST_CASE("searches go on while a graph grows") {
  const StoredRows stored(clustered(2500, 16, 20, 1), Metric::kCosine, ScalarType::kFloat32, 8);
  auto graph = GrowingGraph::create({6, 40, 1}, stored.rows()).value();
  std::atomic<bool> done{false};
  std::atomic<std::uint32_t> wrong{0};
  std::vector<std::thread> searchers;
  for (std::uint32_t s = 0; s < 2; ++s) {
    searchers.emplace_back([&, s] {
      Random random(s);
      RowSet deleted(stored.rows());
      deleted.insert(17);
      while (!done.load()) {
        const std::uint32_t covered = graph->covered();
        if (covered == 0) continue;
        GraphQuery request;
        if (s == 1) {
          request.deleted = deleted.bits();
          request.row_limit = covered / 2 + 1;
        }
        const float* vector = stored.exact(random.below(covered));
        const auto neighbors = nearest(*graph, stored, vector, request);
        bool good = !neighbors.empty() || covered < 40;
        for (const Neighbor& neighbor : neighbors) {
          good = good && neighbor.row < stored.rows() && std::isfinite(neighbor.rank);
          if (s == 1) good = good && neighbor.row != 17 && neighbor.row < request.row_limit;
        }
        if (!good || !test::is_sorted(neighbors)) ++wrong;
      }
    });
  }
  TestExecutor executor(2);
  bool extended = true;
  for (std::uint32_t end = 100; end <= 2500; end += 300) {
    extended =
        graph->extend(stored.space(), end, executor, nullptr, end % 600 == 100).ok() && extended;
  }
  done.store(true);
  for (std::thread& thread : searchers) thread.join();
  CHECK(extended);
  CHECK(wrong.load() == 0);
}

TEST_CASE("options outside their ranges are refused") {
  CHECK(GrowingGraph::create({1, 100, 0}, 10).status().code() == ErrorCode::kInvalidArgument);
  CHECK(GrowingGraph::create({65, 100, 0}, 10).status().code() == ErrorCode::kInvalidArgument);
  CHECK(GrowingGraph::create({16, 3, 0}, 10).status().code() == ErrorCode::kInvalidArgument);
  CHECK(GrowingGraph::create({16, 4097, 0}, 10).status().code() == ErrorCode::kInvalidArgument);
  CHECK(GrowingGraph::create({2, 4, 0}, 10).ok());
  CHECK(GrowingGraph::create({64, 4096, 0}, 10).ok());
}
