// SPDX-License-Identifier: MIT
// Building and measuring graphs in tests.
#pragma once

#include <memory>
#include <vector>

#include "ann/hnsw.h"
#include "ann/test_executor.h"
#include "ann/test_rows.h"
#include "catch.h"

namespace springg::ann::test {

inline std::unique_ptr<GrowingGraph> build(const StoredRows& stored, const GraphOptions& options,
                                           unsigned threads = 2, bool finish = true) {
  auto graph = GrowingGraph::create(options, stored.rows());
  REQUIRE(graph.ok());
  TestExecutor executor(threads);
  const Status status = (*graph)->extend(stored.space(), stored.rows(), executor, nullptr, finish);
  REQUIRE(status.ok());
  REQUIRE((*graph)->covered() == stored.rows());
  return std::move(graph).value();
}

// An image in words, so that it is aligned; `bytes` of it count.
struct Image {
  std::vector<std::uint64_t> words;
  std::size_t bytes = 0;
  std::span<std::byte> span() { return {reinterpret_cast<std::byte*>(words.data()), bytes}; }
  bool operator==(const Image&) const = default;
};

inline Image image_of(const GrowingGraph& graph) {
  Image image;
  image.bytes = graph.image_bytes();
  image.words.assign((image.bytes + 7) / 8, ~std::uint64_t{0});
  graph.write_image(image.span());
  return image;
}

// Part of the true 10 nearest that are found, over all queries.
template <class Graph>
double recall_at_10(const Graph& graph, const StoredRows& stored, const Matrix& queries,
                    std::size_t ef, const base::RowBits& deleted = {}) {
  std::size_t hits = 0;
  for (std::size_t q = 0; q < queries.rows; ++q) {
    const double kth = stored.kth_distance(queries.row(q), 10, deleted);
    const Query query = stored.prepare(queries.row(q));
    GraphQuery request;
    request.ef = ef;
    request.deleted = deleted;
    for (const Neighbor& neighbor : graph.search(stored.space(), query, request).neighbors) {
      const double distance = stored.distance(queries.row(q), neighbor.row);
      hits += distance <= kth + 1e-3 * std::abs(kth) ? 1U : 0U;
    }
  }
  return static_cast<double>(hits) / static_cast<double>(10 * queries.rows);
}

}  // namespace springg::ann::test
