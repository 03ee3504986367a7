// SPDX-License-Identifier: MIT
#include <string>

#include "ann/test_floors.h"
#include "ann/test_graph.h"

using namespace springg;
using namespace springg::ann;
using namespace springg::ann::test;

namespace {

struct Configuration {
  std::string name;
  std::size_t dimensions = 0;
  Metric metric = Metric::kCosine;
  ScalarType dtype = ScalarType::kFloat32;
};

Configuration parse_configuration(const std::string& section) {
  Configuration configuration{section, 0, Metric::kCosine, ScalarType::kFloat32};
  std::vector<std::string> parts{""};
  for (const char c : section) {
    if (c == '-') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  REQUIRE(parts.size() >= 3);
  configuration.dimensions = std::stoul(parts[1]);
  configuration.metric = parse_metric(parts[2]).value();
  if (parts.size() > 3) configuration.dtype = parse_scalar_type(parts[3]).value();
  return configuration;
}

Matrix make_rows(const std::map<std::string, double>& keys, std::size_t dimensions) {
  const auto rows = static_cast<std::size_t>(keys.at("rows"));
  Matrix matrix = clustered(rows, dimensions, static_cast<std::size_t>(keys.at("clusters")), 1);
  const auto copies = static_cast<std::size_t>(keys.at("copies"));
  for (std::size_t i = 0; i < rows; ++i) {
    std::copy_n(matrix.row(i - i % copies), dimensions, matrix.row(i));
  }
  return matrix;
}

}  // namespace

TEST_CASE("recall stays above the floor of each configuration") {
  std::size_t checked = 0;
  for (const auto& [section, keys] : read_floors()) {
    if (keys.count("recall_at_10") == 0) continue;
    const Configuration configuration = parse_configuration(section);
    const StoredRows stored(
        for_dtype(make_rows(keys, configuration.dimensions), configuration.dtype),
        configuration.metric, configuration.dtype, 11);
    const auto graph = build(stored, {16, 100, 1});
    const auto clusters = static_cast<std::size_t>(keys.at("clusters"));
    const Matrix queries =
        for_dtype(clustered(200, configuration.dimensions, clusters, 2), configuration.dtype);
    const auto ef = static_cast<std::size_t>(keys.at("ef"));
    const double recall = recall_at_10(*graph, stored, queries, ef);
    CAPTURE(section, recall);
    CHECK(recall >= keys.at("recall_at_10"));
    ++checked;
  }
  CHECK(checked >= 7);
}

TEST_CASE("recall holds after a random half is deleted, and none of it comes back") {
  const auto keys = read_floors().at("deleted-64-cosine");
  const auto rows = static_cast<std::uint32_t>(keys.at("rows"));
  const auto clusters = static_cast<std::size_t>(keys.at("clusters"));
  const auto ef = static_cast<std::size_t>(keys.at("ef"));
  const StoredRows stored(clustered(rows, 64, clusters, 1), Metric::kCosine, ScalarType::kFloat32);
  const auto graph = build(stored, {16, 100, 1});
  const Matrix queries = clustered(200, 64, clusters, 2);
  const double before = recall_at_10(*graph, stored, queries, ef);
  RowSet deleted(rows);
  Random random(3);
  for (std::uint32_t row = 0; row < rows; ++row) {
    if (random.below(2) == 0) deleted.insert(row);
  }
  const double after = recall_at_10(*graph, stored, queries, ef, deleted.bits());
  CAPTURE(before, after);
  CHECK(after >= before - keys.at("fall_max"));
  GraphQuery request;
  request.k = 50;
  request.deleted = deleted.bits();
  for (std::size_t q = 0; q < queries.rows; ++q) {
    const Query query(stored.space(), queries.row(q));
    const auto neighbors = graph->search(stored.space(), query, request).neighbors;
    CHECK(neighbors.size() == 50);
    CHECK(test::is_sorted(neighbors));
    for (const Neighbor& neighbor : neighbors) CHECK_FALSE(deleted.bits().test(neighbor.row));
  }
}

TEST_CASE("recall holds when every vector is there many times") {
  for (const Metric metric : {Metric::kL2, Metric::kCosine}) {
    const Matrix distinct = clustered(225, 16, 225, 1);
    Matrix copies{9000, 16, {}};
    Random random(2);
    for (std::size_t i = 0; i < copies.rows; ++i) {
      const float* row = distinct.row(random.below(225));
      copies.data.insert(copies.data.end(), row, row + 16);
    }
    const StoredRows stored(copies, metric, ScalarType::kFloat32);
    const Matrix queries = clustered(200, 16, 225, 3);
    for (const bool finish : {false, true}) {
      const auto graph = build(stored, {16, 200, 1}, 2, finish);
      const double recall = recall_at_10(*graph, stored, queries, 64);
      CAPTURE(static_cast<int>(metric), finish, recall);
      CHECK(recall >= 0.88);
    }
  }
}

TEST_CASE("recall holds when rows that are alike come together") {
  // Clusters are narrower than a batch: a row's neighbors are mostly in its own.
  const StoredRows stored(clustered(10'000, 24, 200, 1, true), Metric::kL2, ScalarType::kFloat32);
  const auto graph = build(stored, {16, 100, 1});
  const double recall = recall_at_10(*graph, stored, clustered(200, 24, 200, 2), 24);
  CAPTURE(recall);
  CHECK(recall >= 0.97);
}

TEST_CASE("the few rows that are left of many are all found") {
  const StoredRows stored(clustered(3000, 16, 10, 1), Metric::kL2, ScalarType::kFloat32);
  const auto graph = build(stored, {8, 60, 1});
  RowSet deleted(3000);
  for (std::uint32_t row = 0; row < 3000; ++row) {
    if (row % 600 != 7) deleted.insert(row);
  }
  const float query[16] = {};
  GraphQuery request;
  request.deleted = deleted.bits();
  const auto neighbors =
      graph->search(stored.space(), Query(stored.space(), query), request).neighbors;
  CHECK(row_set(neighbors) == std::set<std::uint32_t>{7, 607, 1207, 1807, 2407});
}
