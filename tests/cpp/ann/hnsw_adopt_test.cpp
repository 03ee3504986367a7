// SPDX-License-Identifier: MIT
// A graph that begins with another one's links.
#include "ann/test_graph.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "ann/hnsw_build.h"

using namespace springg;
using namespace springg::ann;
using namespace springg::ann::test;

namespace {

constexpr GraphOptions kOptions{12, 80, 1};

using Rows = std::vector<std::uint32_t>;

// A sealed graph with its bytes.
struct Sealed {
  Image image;
  SealedGraph graph;
};

Sealed seal(const GrowingGraph& growing) {
  Sealed sealed{image_of(growing), {}};
  auto opened = SealedGraph::open(sealed.image.span(), growing.covered());
  REQUIRE(opened.ok());
  sealed.graph = std::move(opened).value();
  return sealed;
}

Rows all_rows(std::uint32_t count) {
  Rows rows(count);
  std::iota(rows.begin(), rows.end(), 0U);
  return rows;
}

// Each of `count` rows but about one in `one_in`.
Rows without_some(std::uint32_t count, std::uint32_t one_in, std::uint64_t seed) {
  Random random(seed);
  Rows rows;
  for (std::uint32_t row = 0; row < count; ++row) {
    if (random.below(one_in) != 0) rows.push_back(row);
  }
  return rows;
}

Matrix picked(const Matrix& from, const Rows& rows) {
  Matrix matrix{rows.size(), from.dimensions, {}};
  for (const std::uint32_t row : rows) {
    matrix.data.insert(matrix.data.end(), from.row(row), from.row(row) + from.dimensions);
  }
  return matrix;
}

Matrix joined(Matrix first, const Matrix& second) {
  first.rows += second.rows;
  first.data.insert(first.data.end(), second.data.begin(), second.data.end());
  return first;
}

// A graph of `stored`, whose first rows are those of `source` that are kept; built anew where the
// source says that it is of no use without the others.
std::unique_ptr<GrowingGraph> adopted(const SealedGraph& source, const Rows& kept,
                                      const StoredRows& stored, unsigned threads = 2,
                                      bool finish = true, bool* taken_over = nullptr) {
  auto graph = GrowingGraph::create(kOptions, stored.rows());
  REQUIRE(graph.ok());
  TestExecutor executor(threads);
  const auto whole = (*graph)->adopt(source, kept, stored.space(), executor, nullptr);
  REQUIRE(whole.ok());
  REQUIRE((*graph)->covered() == kept.size());
  if (taken_over != nullptr) *taken_over = *whole;
  if (!*whole) graph = GrowingGraph::create(kOptions, stored.rows());
  REQUIRE((*graph)->extend(stored.space(), stored.rows(), executor, nullptr, finish).ok());
  REQUIRE((*graph)->covered() == stored.rows());
  return std::move(graph).value();
}

std::uint64_t distances_of(const GrowingGraph& graph, const StoredRows& stored,
                           const Matrix& queries, std::size_t ef) {
  std::uint64_t distances = 0;
  for (std::size_t q = 0; q < queries.rows; ++q) {
    GraphQuery request;
    request.ef = ef;
    const Query query(stored.space(), queries.row(q));
    distances += graph.search(stored.space(), query, request).distances_computed;
  }
  return distances;
}

}  // namespace

TEST_CASE("a graph that is adopted whole has the links that it had") {
  const StoredRows stored(clustered(3000, 24, 30, 1), Metric::kL2, ScalarType::kFloat32);
  const auto grown = build(stored, kOptions);
  const Sealed source = seal(*grown);
  const auto again = adopted(source.graph, all_rows(3000), stored, 2, false);
  CHECK(image_of(*again) == source.image);
}

TEST_CASE("an adopted graph does not depend on the number of threads") {
  const Matrix rows = clustered(4000, 24, 30, 1);
  const Sealed source = seal(*build(StoredRows(rows, Metric::kL2, ScalarType::kFloat32), kOptions));
  const Rows kept = without_some(4000, 4, 2);
  const StoredRows stored(joined(picked(rows, kept), clustered(500, 24, 30, 3)), Metric::kL2,
                          ScalarType::kFloat32);
  const Image one = image_of(*adopted(source.graph, kept, stored, 1));
  CHECK(image_of(*adopted(source.graph, kept, stored, 2)) == one);
  CHECK(image_of(*adopted(source.graph, kept, stored, 5)) == one);
}

TEST_CASE("a graph without some of its rows answers as one that was built without them") {
  const Matrix rows = clustered(3000, 32, 30, 1);
  const Matrix queries = clustered(100, 32, 30, 2);
  for (const Metric metric : {Metric::kCosine, Metric::kL2, Metric::kDot, Metric::kManhattan}) {
    const Sealed source = seal(*build(StoredRows(rows, metric, ScalarType::kFloat32), kOptions));
    for (const std::uint32_t one_in : {2U, 5U, 40U}) {
      const Rows kept = without_some(3000, one_in, one_in);
      const StoredRows stored(picked(rows, kept), metric, ScalarType::kFloat32);
      const auto fresh = build(stored, kOptions);
      bool taken_over = false;
      const auto graph = adopted(source.graph, kept, stored, 2, true, &taken_over);
      const double anew = recall_at_10(*fresh, stored, queries, 32);
      const double kept_recall = recall_at_10(*graph, stored, queries, 32);
      CAPTURE(static_cast<int>(metric), one_in, anew, kept_recall);
      CHECK(kept_recall >= anew - 0.01);
      CHECK((taken_over || metric == Metric::kDot || one_in == 2));
      // Every seventh row is found by its own vector.
      for (std::uint32_t row = 0; row < stored.rows(); row += 7) {
        if (metric == Metric::kDot) break;  // a longer row is nearer
        GraphQuery request;
        request.k = 1;
        request.ef = 100;
        const Query query(stored.space(), stored.exact(row));
        const auto found = graph->search(stored.space(), query, request).neighbors;
        REQUIRE(found.size() == 1);
        CHECK(stored.distance(stored.exact(row), found[0].row) <= 1e-3);
      }
    }
  }
}

TEST_CASE("ten rounds of replacing a fifth of the rows cost no recall and few distances") {
  const Matrix queries = clustered(200, 24, 30, 2);
  Matrix rows = clustered(3000, 24, 30, 1);
  Sealed sealed = seal(*build(StoredRows(rows, Metric::kCosine, ScalarType::kFloat32), kOptions));
  for (std::uint64_t round = 0; round < 10; ++round) {
    const Rows kept = without_some(static_cast<std::uint32_t>(rows.rows), 5, 100 + round);
    const Matrix added = clustered(rows.rows - kept.size(), 24, 30, 200 + round);
    rows = joined(picked(rows, kept), added);
    const StoredRows stored(rows, Metric::kCosine, ScalarType::kFloat32);
    bool taken_over = false;
    sealed = seal(*adopted(sealed.graph, kept, stored, 2, true, &taken_over));
    CHECK(taken_over);
    if (round != 9) continue;
    const auto last = adopted(sealed.graph, all_rows(stored.rows()), stored, 2, false);
    const auto fresh = build(stored, kOptions);
    const double anew = recall_at_10(*fresh, stored, queries, 32);
    const double recall = recall_at_10(*last, stored, queries, 32);
    const auto distances = static_cast<double>(distances_of(*last, stored, queries, 32));
    const auto distances_anew = static_cast<double>(distances_of(*fresh, stored, queries, 32));
    CAPTURE(anew, recall, distances, distances_anew);
    CHECK(recall >= anew - 0.005);
    CHECK(distances <= 1.05 * distances_anew);
  }
}

TEST_CASE("a graph whose upper rows have gone is entered at layer 0") {
  const Matrix rows = clustered(2000, 16, 10, 1);
  const StoredRows all(rows, Metric::kL2, ScalarType::kFloat32);
  const Sealed source = seal(*build(all, kOptions));
  Rows kept;
  for (std::uint32_t row = 0; row < 2000; ++row) {
    if (level_of(kOptions.seed, row, kOptions.m) == 0) kept.push_back(row);
  }
  REQUIRE(kept.size() < 2000);
  const StoredRows stored(picked(rows, kept), Metric::kL2, ScalarType::kFloat32);
  const auto graph = adopted(source.graph, kept, stored);
  CHECK(recall_at_10(*graph, stored, clustered(100, 16, 10, 2), 64) > 0.98);
}

TEST_CASE("no row, one row and rows without any old neighbor can be kept") {
  const Matrix rows = clustered(1000, 8, 4, 1);
  const Sealed source = seal(*build(StoredRows(rows, Metric::kL2, ScalarType::kFloat32), kOptions));
  for (const Rows& kept : {Rows{}, Rows{999}, Rows{3, 500, 998}}) {
    const StoredRows stored(joined(picked(rows, kept), clustered(300, 8, 4, 2)), Metric::kL2,
                            ScalarType::kFloat32);
    const auto graph = adopted(source.graph, kept, stored);
    CAPTURE(kept.size());
    CHECK(recall_at_10(*graph, stored, clustered(50, 8, 4, 3), 64) > 0.98);
  }
}

TEST_CASE("a graph whose rows were held together by those that went is refused") {
  // Three groups on a line, far from each other; the one in the middle goes.
  Random random(4);
  const auto around = [&](float center, std::size_t count) {
    Matrix rows{count, 8, std::vector<float>(count * 8)};
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t d = 0; d < 8; ++d) rows.row(i)[d] = random.bell();
      rows.row(i)[0] += center;
    }
    return rows;
  };
  const Matrix rows = joined(joined(around(-20, 1500), around(0, 1500)), around(20, 1500));
  const Sealed source = seal(*build(StoredRows(rows, Metric::kL2, ScalarType::kFloat32), kOptions));
  Rows kept = all_rows(1500);
  for (std::uint32_t row = 3000; row < 4500; ++row) kept.push_back(row);
  const Matrix added = joined(around(-20, 300), around(20, 300));
  const StoredRows stored(joined(picked(rows, kept), added), Metric::kL2, ScalarType::kFloat32);
  auto graph = GrowingGraph::create(kOptions, stored.rows());
  REQUIRE(graph.ok());
  TestExecutor executor(2);
  const auto whole = (*graph)->adopt(source.graph, kept, stored.space(), executor, nullptr);
  REQUIRE(whole.ok());
  CHECK_FALSE(*whole);
}

TEST_CASE("links that turn into zeros or worse while they are taken over do no harm") {
  const Matrix rows = clustered(2000, 16, 10, 1);
  const StoredRows stored(rows, Metric::kL2, ScalarType::kFloat32);
  const auto grown = build(stored, {2, 40, 1});
  for (const int damage : {0, 0xee, 0xff}) {
    Sealed source = seal(*grown);
    std::memset(source.image.words.data(), damage, source.image.bytes);
    auto graph = GrowingGraph::create({2, 40, 1}, stored.rows());
    REQUIRE(graph.ok());
    TestExecutor executor(2);
    const Rows kept = without_some(2000, 3, 1);
    const StoredRows fewer(picked(rows, kept), Metric::kL2, ScalarType::kFloat32);
    // What comes of it is not looked at: that the source is unreadable is found out afterwards.
    CHECK((*graph)->adopt(source.graph, kept, fewer.space(), executor, nullptr).ok());
  }
}

TEST_CASE("adopting stops when it is told to") {
  const Matrix rows = clustered(20'000, 96, 30, 1);
  const Sealed source =
      seal(*build(StoredRows(rows, Metric::kL2, ScalarType::kFloat32), {8, 20, 1}));
  const Rows kept = without_some(20'000, 2, 1);
  const StoredRows stored(picked(rows, kept), Metric::kL2, ScalarType::kFloat32);
  class Stop final : public Progress {
   public:
    bool update(std::uint64_t, std::uint64_t) override { return false; }
  } stop;
  auto graph = GrowingGraph::create({8, 20, 1}, stored.rows());
  REQUIRE(graph.ok());
  TestExecutor executor(1);
  // It asks after 50 ms; this takes longer.
  const auto adopted = (*graph)->adopt(source.graph, kept, stored.space(), executor, &stop);
  CHECK(adopted.status().code() == ErrorCode::kFailedPrecondition);
  CHECK((*graph)->covered() == 0);
}
