// SPDX-License-Identifier: MIT
#include <cstdint>
#include <vector>

#include "ann/test_graph.h"
#include "base/row_mask.h"

using namespace springg;
using namespace springg::ann;
using namespace springg::ann::test;

namespace {

base::RowMask random_mask(std::uint32_t rows, std::uint32_t percent) {
  base::RowMask mask(rows);
  Random random(percent);
  for (std::uint32_t row = 0; row < rows; ++row) {
    if (random.below(100) < percent) mask.insert(row);
  }
  return mask;
}

GraphQuery request_of(const base::RowMask& mask, MatchWalk walk) {
  GraphQuery request;
  request.matching = &mask;
  request.walk = walk;
  return request;
}

// kth_distance() excludes rows by RowBits.
RowSet others_of(const base::RowMask& mask) {
  RowSet others(mask.rows());
  for (std::uint32_t row = 0; row < mask.rows(); ++row) {
    if (!mask.test(row)) others.insert(row);
  }
  return others;
}

double recall_in(const GrowingGraph& graph, const StoredRows& stored, const Matrix& queries,
                 const GraphQuery& request) {
  const RowSet others = others_of(*request.matching);
  std::size_t hits = 0;
  for (std::size_t q = 0; q < queries.rows; ++q) {
    const double kth = stored.kth_distance(queries.row(q), request.k, others.bits());
    const Query query(stored.space(), queries.row(q));
    const GraphAnswer answer = graph.search(stored.space(), query, request);
    REQUIRE(answer.neighbors.size() == request.k);
    CHECK_FALSE(answer.starved);
    CHECK(test::is_sorted(answer.neighbors));
    CHECK(row_set(answer.neighbors).size() == request.k);
    for (const Neighbor& neighbor : answer.neighbors) {
      REQUIRE(request.matching->test(neighbor.row));
      hits += stored.distance(queries.row(q), neighbor.row) <= kth * (1 + 1e-6) ? 1U : 0U;
    }
  }
  return static_cast<double>(hits) / static_cast<double>(request.k * queries.rows);
}

}  // namespace

TEST_CASE("both walks find the nearest of the rows that match") {
  const StoredRows stored(clustered(12'000, 24, 40, 1), Metric::kL2, ScalarType::kFloat32, 12);
  const auto graph = build(stored, {16, 100, 1});
  const Matrix queries = clustered(100, 24, 40, 2);
  for (const std::uint32_t percent : {5U, 20U, 50U, 90U, 100U}) {
    const base::RowMask mask = random_mask(stored.rows(), percent);
    const std::vector<std::uint32_t> seeds = mask.sample(32);
    for (const MatchWalk walk : {MatchWalk::kTwoHop, MatchWalk::kPlain}) {
      GraphQuery request = request_of(mask, walk);
      request.seeds = seeds;
      const double recall = recall_in(*graph, stored, queries, request);
      CAPTURE(percent, static_cast<int>(walk), recall);
      CHECK(recall >= 0.97);
    }
  }
}

TEST_CASE("matches far from the query are found from the seeds") {
  // Clusters one after another, so that rows of a range are one of them.
  const StoredRows stored(clustered(8000, 16, 20, 1, true), Metric::kL2, ScalarType::kFloat32);
  const auto graph = build(stored, {16, 100, 1});
  const Matrix queries = clustered(20, 16, 20, 2, true);
  base::RowMask mask(stored.rows());
  for (std::uint32_t row = 7600; row < 8000; ++row) mask.insert(row);  // the last cluster
  const std::vector<std::uint32_t> seeds = mask.sample(32);
  GraphQuery request = request_of(mask, MatchWalk::kTwoHop);
  request.seeds = seeds;
  CHECK(recall_in(*graph, stored, queries, request) >= 0.95);
}

TEST_CASE("a walk that meets fewer than ef matching rows says so") {
  const StoredRows stored(clustered(5000, 16, 10, 1), Metric::kL2, ScalarType::kFloat32);
  const auto graph = build(stored, {16, 100, 1});
  base::RowMask mask(stored.rows());
  for (std::uint32_t row = 7; row < stored.rows(); row += 250) mask.insert(row);  // 20 rows
  const Matrix query = clustered(1, 16, 10, 2);
  GraphQuery request = request_of(mask, MatchWalk::kTwoHop);
  const std::vector<std::uint32_t> seeds = mask.sample(32);
  request.seeds = seeds;
  const GraphAnswer answer =
      graph->search(stored.space(), Query(stored.space(), query.row(0)), request);
  CHECK(answer.starved);
  CHECK(answer.neighbors.size() == 10);
  request.ef = 20;  // the seeds are all there are
  CHECK_FALSE(graph->search(stored.space(), Query(stored.space(), query.row(0)), request).starved);
}

TEST_CASE("rows beyond the limit are neither found nor begun at") {
  const StoredRows stored(clustered(4000, 16, 10, 1), Metric::kL2, ScalarType::kFloat32);
  const auto graph = build(stored, {16, 100, 1});
  const base::RowMask mask = random_mask(stored.rows(), 30);
  const std::vector<std::uint32_t> seeds = mask.sample(32);
  const Matrix queries = clustered(20, 16, 10, 2);
  for (const MatchWalk walk : {MatchWalk::kTwoHop, MatchWalk::kPlain}) {
    GraphQuery request = request_of(mask, walk);
    request.seeds = seeds;
    request.row_limit = 2500;
    for (std::size_t q = 0; q < queries.rows; ++q) {
      const GraphAnswer answer =
          graph->search(stored.space(), Query(stored.space(), queries.row(q)), request);
      CHECK(answer.neighbors.size() == 10);
      for (const Neighbor& neighbor : answer.neighbors) {
        CHECK(neighbor.row < 2500);
        CHECK(mask.test(neighbor.row));
      }
    }
  }
}
