// SPDX-License-Identifier: MIT
#include "ann/hnsw_image.h"

#include "ann/test_graph.h"

using namespace springg;
using namespace springg::ann;
using namespace springg::ann::test;

namespace {

// Searches must end and stay within the rows, whatever a graph that opened looks like.
bool searches_are_sound(const SealedGraph& graph, const StoredRows& stored) {
  const Query query(stored.space(), stored.exact(0));
  GraphQuery request;
  request.k = 5;
  request.ef = 20;
  const auto neighbors = graph.search(stored.space(), query, request).neighbors;
  bool sound = test::is_sorted(neighbors) && row_set(neighbors).size() == neighbors.size();
  for (const Neighbor& neighbor : neighbors) sound = sound && neighbor.row < stored.rows();
  return sound;
}

}  // namespace

TEST_CASE("a sealed graph answers as the growing one did") {
  const auto rows = GENERATE(1U, 2U, 30U, 3000U);
  const StoredRows stored(clustered(rows, 12, 10, 1), Metric::kCosine, ScalarType::kFloat32);
  const auto graph = build(stored, {5, 50, 3});
  Image image = image_of(*graph);
  const auto sealed = SealedGraph::open(image.span(), rows);
  REQUIRE(sealed.ok());
  CHECK_FALSE(sealed.value().empty());
  RowSet deleted(rows);
  for (std::uint32_t row = 0; row < rows; row += 3) deleted.insert(row);
  const Matrix queries = clustered(20, 12, 10, 2);
  for (std::size_t q = 0; q < queries.rows; ++q) {
    const Query query(stored.space(), queries.row(q));
    GraphQuery request;
    for (const bool with_deleted : {false, true}) {
      if (with_deleted) request.deleted = deleted.bits();
      const GraphAnswer a = graph->search(stored.space(), query, request);
      const GraphAnswer b = sealed.value().search(stored.space(), query, request);
      CHECK(a.neighbors == b.neighbors);
      CHECK(a.distances_computed == b.distances_computed);
      request.deleted = {};
    }
    request.row_limit = rows / 2;
    for (const Neighbor& neighbor :
         sealed.value().search(stored.space(), query, request).neighbors) {
      CHECK(neighbor.row < rows / 2);
    }
  }
}

TEST_CASE("an empty graph has an image") {
  const auto graph = GrowingGraph::create({16, 100, 0}, 0).value();
  Image image = image_of(*graph);
  CHECK(image.bytes == 192);
  const auto sealed = SealedGraph::open(image.span(), 0);
  REQUIRE(sealed.ok());
  CHECK(sealed.value().empty());
}

TEST_CASE("a sealed graph takes at most 1.3 times its links") {
  const StoredRows stored(clustered(5000, 4, 10, 1), Metric::kL2, ScalarType::kFloat32);
  for (const std::uint32_t m : {8U, 16U, 32U}) {
    const auto graph = build(stored, {m, 20, 1});
    const double links = 4.0 * 2 * m * 5000;
    CHECK(static_cast<double>(graph->image_bytes()) <= 1.3 * links);
    CHECK(static_cast<double>(graph->memory_bytes()) <= 1.3 * links);
    CHECK(static_cast<double>(graph->memory_bytes()) >= links);
  }
}

TEST_CASE("every byte of an image changed, and every cut, is refused or harmless") {
  const std::uint32_t rows = 60;
  const StoredRows stored(clustered(rows, 4, 5, 1), Metric::kL2, ScalarType::kFloat32);
  const auto graph = build(stored, {3, 10, 3});
  Image image = image_of(*graph);
  REQUIRE(SealedGraph::open(image.span(), rows).ok());
  std::size_t refused = 0;
  for (std::size_t at = 0; at < image.bytes; ++at) {
    for (const unsigned flip : {0x01U, 0x80U, 0xffU}) {
      Image hostile = image;
      hostile.span()[at] ^= static_cast<std::byte>(flip);
      const auto sealed = SealedGraph::open(hostile.span(), rows);
      // The entry may be another that is there; a layer's rows may reach into its padding.
      const bool entry = at / 4 == 5;
      if (at < 32 && !entry) CHECK_FALSE(sealed.ok());
      if (sealed.ok()) {
        CHECK(searches_are_sound(sealed.value(), stored));
      } else {
        CHECK(sealed.status().code() == ErrorCode::kCorruption);
        ++refused;
      }
    }
  }
  CHECK(refused > image.bytes);
  for (std::size_t bytes = 0; bytes < image.bytes; ++bytes) {
    const auto cut = SealedGraph::open(image.span().first(bytes), rows);
    CHECK(cut.status().code() == ErrorCode::kCorruption);
  }
  CHECK(SealedGraph::open(image.span(), rows - 1).status().code() == ErrorCode::kCorruption);
  CHECK(SealedGraph::open(image.span(), rows + 1).status().code() == ErrorCode::kCorruption);
}

TEST_CASE("counts that would overflow are refused") {
  Image image;
  image.bytes = 192;
  image.words.assign(24, 0);
  auto* words = reinterpret_cast<std::uint32_t*>(image.words.data());
  words[0] = 0x5753'4e48;
  words[1] = 1;
  words[2] = 0xffff'ffffU;
  words[3] = 64;
  CHECK_FALSE(SealedGraph::open(image.span(), 0xffff'ffffU).ok());
  words[4] = 0xffff'ffffU;
  words[6] = 31;
  for (std::size_t i = 8; i < 39; ++i) words[i] = 0xffff'ffffU;
  CHECK_FALSE(SealedGraph::open(image.span(), 0xffff'ffffU).ok());
}
