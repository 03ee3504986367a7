// SPDX-License-Identifier: MIT
#include "ann/flat.h"

#include "ann/test_rows.h"
#include "catch.h"

using namespace springg;
using namespace springg::ann;
using springg::ann::test::Matrix;
using springg::ann::test::RowSet;
using springg::ann::test::StoredRows;

namespace {

const base::RowBits kNone;

std::vector<Neighbor> scan(const StoredRows& stored, const float* query, std::size_t k,
                           const base::RowBits& excluded) {
  const Query prepared(stored.space(), query);
  TopK top(k);
  scan_rows(stored.space(), prepared, 0, stored.rows(), excluded, top);
  return top.take_sorted();
}

}  // namespace

TEST_CASE("an exact scan finds what double precision finds") {
  const auto metric = GENERATE(Metric::kCosine, Metric::kDot, Metric::kL2, Metric::kManhattan);
  const auto dtype =
      GENERATE(ScalarType::kFloat32, ScalarType::kFloat16, ScalarType::kInt8, ScalarType::kUint8);
  const std::size_t dimensions = GENERATE(1U, 24U, 131U);
  const Matrix matrix = test::for_dtype(test::clustered(1500, dimensions, 6, 3), dtype);
  const StoredRows stored(matrix, metric, dtype, 6);
  const Matrix queries = test::for_dtype(test::clustered(8, dimensions, 6, 4), dtype);
  for (std::size_t q = 0; q < queries.rows; ++q) {
    const std::vector<Neighbor> found = scan(stored, queries.row(q), 10, kNone);
    REQUIRE(found.size() == 10);
    CHECK(test::row_set(found).size() == 10);
    CHECK(test::is_sorted(found));
    const double kth = stored.kth_distance(queries.row(q), 10);
    for (const Neighbor& neighbor : found) {
      double scale = 0;
      const double exact = stored.distance(queries.row(q), neighbor.row, &scale);
      CHECK(static_cast<double>(distance_of_rank(metric, neighbor.rank)) ==
            Approx(exact).margin(2e-6 * scale));
      CHECK(exact <= kth + 4e-6 * scale);
    }
  }
}

TEST_CASE("equal distances come in row order") {
  Matrix matrix = test::clustered(700, 9, 3, 5);
  for (std::size_t i = 0; i < 700; ++i) {
    std::copy_n(matrix.row(i % 7), 9, matrix.row(i));
  }
  const StoredRows stored(matrix, Metric::kL2, ScalarType::kFloat32, 5);
  const std::vector<Neighbor> found = scan(stored, matrix.row(4), 30, kNone);
  for (std::uint32_t i = 0; i < 30; ++i) CHECK(found[i] == Neighbor{0.0F, 4 + 7 * i});
}

TEST_CASE("excluded rows never come, and k is filled from the rest") {
  const StoredRows stored(test::clustered(40'000, 4, 8, 6), Metric::kL2, ScalarType::kFloat32, 12);
  RowSet excluded(stored.rows());
  for (std::uint32_t row = 0; row < stored.rows(); ++row) {
    if (row % 5 != 3 || row < 32'768) excluded.insert(row);
  }
  const float query[4] = {0.1F, 0.2F, 0.3F, 0.4F};
  const std::vector<Neighbor> found = scan(stored, query, 20, excluded.bits());
  REQUIRE(found.size() == 20);
  for (const Neighbor& neighbor : found) {
    CHECK(neighbor.row % 5 == 3);
    CHECK(neighbor.row >= 32'768);
  }
  const double kth = stored.kth_distance(query, 20, excluded.bits());
  CHECK(static_cast<double>(distance_of_rank(Metric::kL2, found.back().rank)) ==
        Approx(kth).epsilon(1e-5));
}

TEST_CASE("a scan in any ranges and order gives equal bits") {
  const auto metric = GENERATE(Metric::kCosine, Metric::kDot);
  const StoredRows stored(test::clustered(3000, 50, 9, 7), metric, ScalarType::kFloat32, 7);
  const Matrix queries = test::clustered(1, 50, 9, 8);
  const std::vector<Neighbor> whole = scan(stored, queries.row(0), 25, kNone);
  const Query query(stored.space(), queries.row(0));
  TopK top(25);
  const std::uint32_t cuts[] = {3000, 2999, 2600, 1111, 1024, 17, 1, 0};
  for (std::size_t i = 0; i + 1 < std::size(cuts); ++i) {
    scan_rows(stored.space(), query, cuts[i + 1], cuts[i], kNone, top);
  }
  CHECK(top.take_sorted() == whole);
  base::RowMask all(3000);
  for (std::uint32_t i = 0; i < 3000; ++i) all.insert(i);
  TopK listed(25);
  scan_matching(stored.space(), query, all, 0, 3000, listed);
  CHECK(listed.take_sorted() == whole);
}

TEST_CASE("a batch gives the bits of single scans") {
  const auto metric = GENERATE(Metric::kCosine, Metric::kDot, Metric::kL2, Metric::kManhattan);
  const auto dtype =
      GENERATE(ScalarType::kFloat32, ScalarType::kFloat16, ScalarType::kInt8, ScalarType::kUint8);
  const std::size_t count = GENERATE(1U, 5U, 130U);
  const StoredRows stored(test::for_dtype(test::clustered(2111, 41, 9, 9), dtype), metric, dtype,
                          10);
  RowSet excluded(stored.rows());
  for (std::uint32_t row = 0; row < stored.rows(); row += 3) excluded.insert(row);
  const Matrix matrix = test::for_dtype(test::clustered(count, 41, 9, 10), dtype);
  std::vector<Query> queries;
  std::vector<TopK> tops;
  for (std::size_t q = 0; q < count; ++q) {
    queries.emplace_back(stored.space(), matrix.row(q));
    tops.emplace_back(7);
  }
  scan_rows_batch(stored.space(), queries, 5, 2100, excluded.bits(), tops);
  for (std::size_t q = 0; q < count; ++q) {
    TopK top(7);
    scan_rows(stored.space(), queries[q], 5, 2100, excluded.bits(), top);
    CHECK(tops[q].take_sorted() == top.take_sorted());
  }
}

TEST_CASE("scans of matching rows, alone and in batches, give the bits of a scan of all") {
  const auto metric = GENERATE(Metric::kCosine, Metric::kDot, Metric::kL2, Metric::kManhattan);
  const auto dtype = GENERATE(ScalarType::kFloat32, ScalarType::kFloat16);
  const StoredRows stored(test::clustered(2111, 41, 9, 9), metric, dtype, 10);
  const std::uint32_t step = GENERATE(1U, 3U, 90U);
  base::RowMask wanted(stored.rows());
  RowSet others(stored.rows());
  for (std::uint32_t row = 0; row < stored.rows(); ++row) {
    row % step == 0 ? wanted.insert(row) : others.insert(row);
  }
  const Matrix matrix = test::clustered(70, 41, 9, 10);
  std::vector<Query> queries;
  std::vector<TopK> tops;
  for (std::size_t q = 0; q < matrix.rows; ++q) {
    queries.emplace_back(stored.space(), matrix.row(q));
    tops.emplace_back(7);
  }
  scan_matching_batch(stored.space(), queries, wanted, 5, 2100, tops);
  for (std::size_t q = 0; q < matrix.rows; ++q) {
    TopK expected(7);
    scan_rows(stored.space(), queries[q], 5, 2100, others.bits(), expected);
    TopK alone(7);
    scan_matching(stored.space(), queries[q], wanted, 5, 2100, alone);
    const std::vector<Neighbor> found = expected.take_sorted();
    CHECK(alone.take_sorted() == found);
    CHECK(tops[q].take_sorted() == found);
  }
}

TEST_CASE("fewer rows than k give fewer neighbors") {
  const StoredRows stored(test::clustered(3, 5, 1, 12), Metric::kDot, ScalarType::kFloat32);
  const float query[5] = {1, 2, 3, 4, 5};
  CHECK(scan(stored, query, 10, kNone).size() == 3);
  const Query prepared(stored.space(), query);
  TopK top(4);
  scan_rows(stored.space(), prepared, 2, 2, kNone, top);
  CHECK(top.take_sorted().empty());
}
