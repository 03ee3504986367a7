// SPDX-License-Identifier: MIT
#include "ann/space.h"

#include <cmath>
#include <limits>

#include "ann/hnsw_scratch.h"
#include "ann/test_rows.h"
#include "catch.h"

using namespace springg;
using namespace springg::ann;
using springg::ann::test::Matrix;
using springg::ann::test::StoredRows;

namespace {

float cosine_rank(const std::vector<float>& query, const std::vector<float>& row) {
  const StoredRows stored(Matrix{1, row.size(), row}, Metric::kCosine, ScalarType::kFloat32);
  const Query prepared(stored.space(), query.data());
  float rank = 0;
  prepared.scan(stored.space(), 0, 1, &rank);
  return rank;
}

}  // namespace

TEST_CASE("cosine holds for huge, tiny and zero vectors") {
  const float scale = GENERATE(1.0F, 3.0e38F, 1e-30F, 1e-18F);
  const std::vector<float> a{scale, scale, 0.0F};
  const std::vector<float> b{scale, 0.0F, 0.0F};
  CHECK(cosine_rank({1.0F, 1.0F, 0.0F}, a) == Approx(0.0F).margin(1e-6));
  CHECK(cosine_rank(a, b) == Approx(1.0 - std::sqrt(0.5)).margin(1e-6));
  CHECK(cosine_rank(a, {-scale, -scale, 0.0F}) == Approx(2.0F));
  CHECK(cosine_rank({0.0F, 0.0F, 0.0F}, a) == 1.0F);
  CHECK(cosine_rank(a, {0.0F, 0.0F, 0.0F}) == 1.0F);
}

TEST_CASE("cosine of the widest vectors of the largest numbers is finite") {
  std::vector<float> row(65'536, std::numeric_limits<float>::max());
  CHECK(cosine_rank(row, row) == Approx(0.0F).margin(1e-5));
  for (std::size_t i = 1; i < row.size(); i += 2) row[i] = -row[i];
  CHECK(cosine_rank(std::vector<float>(65'536, 1.0F), row) == Approx(1.0F).margin(1e-5));
}

TEST_CASE("a vector whose inverse norm would not be finite counts as a zero vector") {
  for (const float tiny : {3.1e-36F, 2.0e-36F, 1e-40F, std::numeric_limits<float>::denorm_min()}) {
    const float stored[] = {tiny};
    const float inverse = inverse_norm(stored, 1);
    CHECK(std::isfinite(inverse));
    CHECK((inverse > 0.0F) == (tiny > 3.01e-36F));
    // Right or nothing: never a cosine in between. As a query it has all of its direction.
    CHECK(cosine_rank({1.0F}, {tiny}) == Approx(tiny > 3.01e-36F ? 0.0F : 1.0F).margin(1e-5));
    CHECK(cosine_rank({tiny}, {1.0F}) == Approx(0.0F).margin(1e-5));
  }
}

TEST_CASE("an inverse norm is 0 for a zero vector") {
  const float zero[] = {0.0F, -0.0F};
  CHECK(inverse_norm(zero, 2) == 0.0F);
  const float three_four[] = {3.0F, 4.0F};
  CHECK(inverse_norm(three_four, 2) == Approx(kCosineScale / 5.0));
}

namespace {

// Ranks of all rows from each query by gather, scan and tile, of rows in one chunk and in many; all
// must have equal bits.
void check_shapes(const StoredRows& whole, const StoredRows& chunked,
                  const std::vector<Query>& queries) {
  std::vector<float> scanned;
  for (const Query& query : queries) {
    std::vector<float> a(203), b(203), c(203);
    query.scan(whole.space(), 0, 203, a.data());
    query.scan(chunked.space(), 0, 203, b.data());
    std::vector<std::uint32_t> rows(203);
    for (std::uint32_t i = 0; i < 203; ++i) rows[i] = (i * 59) % 203;
    query.gather(chunked.space(), rows.data(), 203, c.data());
    CHECK(a == b);
    bool equal = true;
    for (std::uint32_t i = 0; i < 203; ++i) equal = equal && c[i] == a[rows[i]];
    CHECK(equal);
    scanned.insert(scanned.end(), a.begin() + 9, a.begin() + 9 + 150);
  }
  QueryTile tile;
  std::vector<float> tiled(queries.size() * 150);
  for (int again = 0; again < 2; ++again) {  // its memory is used again
    tile.pack(chunked.space(), queries);
    tile.scan(chunked.space(), 0, queries.size(), 9, 150, tiled.data());
    CHECK(tiled == scanned);
  }
  tile.scan(chunked.space(), 1, queries.size() - 1, 9, 150, tiled.data());
  CHECK(std::equal(scanned.begin() + 150, scanned.end(), tiled.begin()));
}

}  // namespace

TEST_CASE("gather, scan and tile give equal bits, whatever the chunks") {
  const auto metric = GENERATE(Metric::kCosine, Metric::kDot, Metric::kL2, Metric::kManhattan);
  const auto dtype =
      GENERATE(ScalarType::kFloat32, ScalarType::kFloat16, ScalarType::kInt8, ScalarType::kUint8);
  const Matrix matrix = test::for_dtype(test::clustered(203, 37, 5, 1), dtype);
  const StoredRows whole(matrix, metric, dtype);
  const StoredRows chunked(matrix, metric, dtype, 4);
  const Matrix queries = test::for_dtype(test::clustered(3, 37, 5, 2), dtype);
  std::vector<Query> prepared;
  for (std::size_t q = 0; q < queries.rows; ++q) {
    prepared.emplace_back(whole.space(), queries.row(q));
  }
  check_shapes(whole, chunked, prepared);
  // A query that is no row of bytes, beside some that are; and one that was a row.
  const Matrix plain = test::clustered(1, 37, 5, 3);
  prepared.emplace_back(whole.space(), plain.row(0));
  prepared.emplace_back(whole.space(), whole.space().vectors.row(7));
  check_shapes(whole, chunked, prepared);
}

TEST_CASE("gather, scan and tile of bits") {
  const Matrix matrix = test::clustered(203, 37, 5, 1);
  const StoredRows whole(matrix, Metric::kHamming, ScalarType::kBinary);
  const StoredRows chunked(matrix, Metric::kHamming, ScalarType::kBinary, 4);
  CHECK(whole.space().vectors.stride == 5);
  std::vector<Query> queries;
  for (const std::uint32_t row : {0U, 100U, 202U}) {
    queries.emplace_back(whole.space(), whole.space().vectors.row(row));
  }
  check_shapes(whole, chunked, queries);
  std::vector<float> ranks(203);
  queries[1].scan(whole.space(), 0, 203, ranks.data());
  for (std::uint32_t row = 0; row < 203; ++row) {
    // Of elements that are 0 or 1, L1 counts those that differ.
    CHECK(static_cast<double>(ranks[row]) == whole.distance(whole.exact(100), row));
  }
}

TEST_CASE("distances of bytes are exact, for queries of bytes and others") {
  const auto metric = GENERATE(Metric::kCosine, Metric::kDot, Metric::kL2, Metric::kManhattan);
  const auto dtype = GENERATE(ScalarType::kInt8, ScalarType::kUint8);
  const Matrix matrix = test::for_dtype(test::clustered(50, 129, 5, 1), dtype);
  const StoredRows rows(matrix, metric, dtype);
  Matrix queries = test::for_dtype(test::clustered(4, 129, 5, 2), dtype);
  queries.row(1)[128] += 0.5F;  // no whole number
  queries.row(2)[0] = 1000.0F;  // whole, but beyond the type
  for (float& x : std::span(queries.row(3), 129)) x = 0.0F;
  for (std::size_t q = 0; q < queries.rows; ++q) {
    const Query query(rows.space(), queries.row(q));
    for (std::uint32_t row = 0; row < 50; ++row) {
      float rank = 0;
      query.gather(rows.space(), &row, 1, &rank);
      double scale = 1.0;
      const double expected = rows.distance(queries.row(q), row, &scale);
      const double found = static_cast<double>(distance_of_rank(metric, rank));
      const bool sums_of_integers = metric == Metric::kDot || metric == Metric::kManhattan;
      if (q != 1 && q != 2 && sums_of_integers) {
        CHECK(found == expected);  // below 2^24, so without rounding
      } else {
        CHECK(std::abs(found - expected) <= 1e-6 * std::max(scale, 1.0));
      }
    }
  }
}

TEST_CASE("an inverse norm of bytes is that of their values") {
  const std::byte bytes[] = {std::byte{0x80}, std::byte{3}, std::byte{0xFF}};
  CHECK(inverse_norm(ScalarType::kInt8, bytes, 3) ==
        Approx(kCosineScale / std::sqrt(128.0 * 128 + 9 + 1)));
  CHECK(inverse_norm(ScalarType::kUint8, bytes, 3) ==
        Approx(kCosineScale / std::sqrt(128.0 * 128 + 9 + 255.0 * 255)));
  const std::byte zeros[2] = {};
  CHECK(inverse_norm(ScalarType::kInt8, zeros, 2) == 0.0F);
}

TEST_CASE("keys sort as ranks do, then by number, and give both back") {
  const float infinity = std::numeric_limits<float>::infinity();
  const float ranks[] = {-infinity, -3.5F, -1e-40F, 0.0F, 1e-40F, 1.0F, 2.0F, infinity};
  Key last = 0;
  for (const float rank : ranks) {
    for (const std::uint32_t number : {0U, 1U, 0x7fff'ffffU}) {
      const Key key = make_key(rank, number);
      CHECK((key > last || last == 0));
      last = key;
      CHECK(rank_of(key | kExpanded) == rank);
      CHECK(number_of(key | kExpanded) == number);
    }
  }
}

TEST_CASE("a pool keeps the least of its keys in order") {
  test::Random random(5);
  for (const std::size_t capacity : {1U, 2U, 7U, 64U}) {
    SearchPool pool;
    pool.reset(capacity);
    std::vector<Key> keys;
    for (std::uint32_t number = 0; number < 300; ++number) {
      const Key key = make_key(static_cast<float>(random.below(40)), number);
      keys.push_back(key);
      if (key < pool.bound()) CHECK(pool.keys()[pool.insert(key)] == key);
    }
    std::sort(keys.begin(), keys.end());
    keys.resize(capacity);
    CHECK(std::equal(keys.begin(), keys.end(), pool.keys(), pool.keys() + pool.size()));
  }
}

TEST_CASE("visited tags forget between searches, also when the epochs wrap") {
  VisitedTags tags;
  for (int search = 0; search < 600; ++search) {
    tags.reset(static_cast<std::size_t>(10 + search));
    CHECK(tags.insert(3));
    CHECK_FALSE(tags.insert(3));
    CHECK(tags.insert(static_cast<std::uint32_t>(9 + search)));
  }
}
