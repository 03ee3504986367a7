// SPDX-License-Identifier: MIT
#include "ann/test_graph.h"

using namespace springg;
using namespace springg::ann;
using namespace springg::ann::test;

namespace {

// Says stop once `stop_from` steps are done.
class StopFrom final : public Progress {
 public:
  explicit StopFrom(std::uint64_t stop_from) : stop_from_(stop_from) {}
  bool update(std::uint64_t done, std::uint64_t total) override {
    done_ = done;
    total_ = total;
    return done < stop_from_;
  }
  std::uint64_t done() const { return done_; }
  std::uint64_t total() const { return total_; }

 private:
  std::uint64_t stop_from_;
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
};

// `clusters` groups of rows, each far narrower than the way to the next.
Matrix far_apart(std::size_t rows, std::size_t dimensions, std::size_t clusters,
                 std::uint64_t seed) {
  Random centers_random(5);
  std::vector<float> centers(clusters * dimensions);
  for (float& x : centers) x = 3.0F * centers_random.bell();
  Random random(seed);
  Matrix matrix{rows, dimensions, std::vector<float>(rows * dimensions)};
  for (std::size_t i = 0; i < rows; ++i) {
    const std::size_t c = random.below(static_cast<std::uint32_t>(clusters));
    for (std::size_t d = 0; d < dimensions; ++d) {
      matrix.row(i)[d] = centers[c * dimensions + d] + random.bell();
    }
  }
  return matrix;
}

double distances_a_query(const GrowingGraph& graph, const StoredRows& stored, const Matrix& queries,
                         std::size_t ef) {
  std::uint64_t distances = 0;
  for (std::size_t q = 0; q < queries.rows; ++q) {
    const Query query(stored.space(), queries.row(q));
    GraphQuery request;
    request.ef = ef;
    distances += graph.search(stored.space(), query, request).distances_computed;
  }
  return static_cast<double>(distances) / static_cast<double>(queries.rows);
}

}  // namespace

TEST_CASE("a finished graph answers with fewer distances and no less recall") {
  const StoredRows stored(clustered(8000, 48, 60, 1), Metric::kCosine, ScalarType::kFloat32);
  const Matrix queries = clustered(200, 48, 60, 2);
  const auto grown = build(stored, {16, 100, 1}, 2, false);
  const auto finished = build(stored, {16, 100, 1}, 2, true);
  const double before = recall_at_10(*grown, stored, queries, 24);
  const double after = recall_at_10(*finished, stored, queries, 24);
  const double distances_before = distances_a_query(*grown, stored, queries, 24);
  const double distances_after = distances_a_query(*finished, stored, queries, 24);
  CAPTURE(before, after, distances_before, distances_after);
  CHECK(after >= before - 0.002);
  CHECK(distances_after < 0.95 * distances_before);
}

TEST_CASE("clusters that lie far apart stay within reach of each other") {
  for (const Metric metric : {Metric::kL2, Metric::kCosine, Metric::kDot, Metric::kManhattan}) {
    const StoredRows stored(far_apart(12'000, 48, 60, 1), metric, ScalarType::kFloat32);
    const Matrix queries = far_apart(200, 48, 60, 2);
    const auto grown = build(stored, {8, 60, 1}, 2, false);
    const auto finished = build(stored, {8, 60, 1}, 2, true);
    const double before = recall_at_10(*grown, stored, queries, 24);
    const double after = recall_at_10(*finished, stored, queries, 24);
    CAPTURE(static_cast<int>(metric), before, after);
    CHECK(after >= before - 0.01);
    CHECK(after >= 0.94);
  }
}

TEST_CASE("a refinement that is stopped leaves a whole graph and can be done again") {
  const StoredRows stored(clustered(6000, 96, 40, 1), Metric::kL2, ScalarType::kFloat32);
  const std::uint32_t rows = stored.rows();
  auto graph = GrowingGraph::create({16, 100, 1}, rows).value();
  TestExecutor executor(2);
  StopFrom stop(rows + 1);
  const Status status = graph->extend(stored.space(), rows, executor, &stop, true);
  CHECK(status.code() == ErrorCode::kFailedPrecondition);
  CHECK(status.message() == "stopped by the caller");
  CHECK(stop.total() == 2U * rows);
  REQUIRE(stop.done() > rows);
  REQUIRE(stop.done() < 2U * rows);
  CHECK(graph->covered() == rows);
  Image image = image_of(*graph);
  CHECK(SealedGraph::open(image.span(), rows).ok());
  REQUIRE(graph->extend(stored.space(), rows, executor, nullptr, true).ok());
  CHECK((image_of(*graph) == image_of(*build(stored, {16, 100, 1}))));
}

TEST_CASE("graphs of few rows are finished too") {
  for (const std::uint32_t rows : {1U, 2U, 3U, 17U, 65U}) {
    const StoredRows stored(clustered(rows, 6, 3, 1), Metric::kL2, ScalarType::kFloat32);
    const auto graph = build(stored, {2, 10, 1});
    const Matrix queries = clustered(5, 6, 3, 2);
    GraphQuery request;
    request.k = rows;
    request.ef = rows;
    for (std::size_t q = 0; q < queries.rows; ++q) {
      const Query query(stored.space(), queries.row(q));
      CHECK(graph->search(stored.space(), query, request).neighbors.size() == rows);
    }
  }
}
