// SPDX-License-Identifier: MIT
#include "engine/support.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

namespace springg::test {

namespace {

SearchOptions exact(std::size_t k) {
  SearchOptions options;
  options.k = k;
  options.exact = true;
  return options;
}

// Rows spread over two segments and a memtable, with some deleted.
struct Spread {
  std::shared_ptr<Database> database = open_memory();
  std::shared_ptr<Index> index;
  Rows rows = random_rows(9000, 16);

  explicit Spread(Metric metric = Metric::kL2) {
    index = make_index(*database, 16, metric);
    for (std::size_t begin = 0; begin < 9000; begin += 3000) {
      require_value(
          index->add(numbers(begin, begin + 3000), rows.view(begin, 3000), nullptr, nullptr));
      if (begin < 6000) require_ok(database->flush());
    }
    require_value(index->remove(numbers(100, 200)));
    require_value(index->remove(numbers(5000, 5500)));
    require_value(index->remove(numbers(8990, 9000)));
  }
};

struct Answered {
  double recall = 0;  // of the 5 nearest at ef 24
  std::uint64_t distances = 0;
};

// Searches an index that has the rows in segments of these sizes, none of which is merged.
Answered answered(const Rows& rows, const std::vector<int>& sizes, const Rows& queries) {
  const auto database = open_memory();
  const auto index = make_index(*database, rows.dimensions);
  std::size_t begin = 0;
  for (const int size : sizes) {
    const auto count = static_cast<std::size_t>(size);
    require_value(
        index->add(numbers(begin, begin + count), rows.view(begin, count), nullptr, nullptr));
    require_ok(database->flush());
    begin += count;
  }
  REQUIRE(require_value(index->stats()).segments == sizes.size());
  SearchOptions options;
  options.k = 5;
  options.ef = 24;
  const auto found = require_value(index->search(queries.all(), options, nullptr));
  const auto truth = require_value(index->search(queries.all(), exact(5), nullptr));
  std::size_t hits = 0;
  for (std::size_t q = 0; q < queries.size(); ++q) {
    const auto expected = truth.ids.integers().subspan(q * 5, 5);
    for (const std::uint64_t id : found.ids.integers().subspan(q * 5, 5)) {
      hits += static_cast<std::size_t>(std::ranges::count(expected, id));
    }
  }
  return {static_cast<double>(hits) / static_cast<double>(queries.size() * 5),
          found.distances_computed};
}

double distance_l2(const float* a, const float* b, std::size_t dimensions) {
  double sum = 0;
  for (std::size_t i = 0; i < dimensions; ++i) sum += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
  return std::sqrt(sum);
}

bool same_bits(const SearchResult& a, const SearchResult& b) {
  const auto equal = [](const std::vector<float>& x, const std::vector<float>& y) {
    return x.size() == y.size() &&
           (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0);
  };
  return a.counts == b.counts && equal(a.distances, b.distances) && equal(a.scores, b.scores) &&
         std::ranges::equal(a.ids.integers(), b.ids.integers());
}

}  // namespace

TEST_CASE("exact search over all parts equals a loop in float64") {
  const Spread data;
  const Rows queries = random_rows(5, 16, 9);
  const SearchResult result = require_value(data.index->search(queries.all(), exact(20), nullptr));
  std::size_t at = 0;
  for (std::size_t q = 0; q < 5; ++q) {
    std::vector<std::pair<double, std::uint64_t>> expected;
    for (std::uint64_t id = 0; id < 8990; ++id) {
      if ((id >= 100 && id < 200) || (id >= 5000 && id < 5500)) continue;
      expected.emplace_back(distance_l2(queries.all().row(q), data.rows.all().row(id), 16), id);
    }
    std::sort(expected.begin(), expected.end());
    REQUIRE(result.counts[q] == 20);
    for (std::size_t i = 0; i < 20; ++i) {
      CHECK(result.ids.integers()[at++] == expected[i].second);
      CHECK(result.distances[q * 20 + i] == Approx(expected[i].first).epsilon(1e-5));
    }
  }
}

TEST_CASE("bits are the same alone, in a batch, and for any number of threads") {
  const Spread data(Metric::kCosine);
  const Rows queries = random_rows(70, 16, 5);
  for (const bool scan : {true, false}) {
    SearchOptions options = exact(30);
    options.exact = scan;
    options.threads = 1;
    require_ok(data.index->wait_indexed());
    const SearchResult one = require_value(data.index->search(queries.all(), options, nullptr));
    options.threads = 0;
    const SearchResult all = require_value(data.index->search(queries.all(), options, nullptr));
    CHECK(same_bits(one, all));
    for (std::size_t q = 0; q < 70; ++q) {
      const SearchResult single =
          require_value(data.index->search(queries.view(q, 1), options, nullptr));
      CHECK(std::memcmp(single.distances.data(), one.distances.data() + q * 30,
                        30 * sizeof(float)) == 0);
    }
  }
}

TEST_CASE("a large scan that is split over threads gives the bits of one thread") {
  const auto database = open_memory();
  const auto index = make_index(*database, 64);
  const Rows rows = random_rows(40000, 64);  // 10 MB
  require_value(index->add(numbers(0, 40000), rows.all(), nullptr, nullptr));
  SearchOptions options = exact(50);
  options.threads = 1;
  const auto one = require_value(index->search(rows.view(7, 1), options, nullptr));
  options.threads = 2;
  CHECK(same_bits(one, require_value(index->search(rows.view(7, 1), options, nullptr))));
}

TEST_CASE("approximate search finds nearly all that exact search finds") {
  const Spread data;
  require_ok(data.index->wait_indexed());
  const Rows queries = random_rows(50, 16, 6);
  const auto truth = require_value(data.index->search(queries.all(), exact(10), nullptr));
  SearchOptions options;
  const auto found = require_value(data.index->search(queries.all(), options, nullptr));
  std::size_t hits = 0;
  for (std::size_t q = 0; q < 50; ++q) {
    const auto ids = truth.ids.integers().subspan(q * 10, 10);
    const std::set<std::uint64_t> expected(ids.begin(), ids.end());
    for (const std::uint64_t id : found.ids.integers().subspan(q * 10, 10)) {
      hits += expected.count(id);
      CHECK(id < 8990);
      CHECK((id < 100 || id >= 200));
    }
  }
  CHECK(hits >= 480);
  CHECK(found.distances_computed < truth.distances_computed / 2);
}

TEST_CASE("several parts find what one graph finds, for less than a whole walk each") {
  const Rows rows = random_rows(4200, 24, 3);
  const Rows queries = random_rows(100, 24, 4);
  const Answered one = answered(rows, {4200}, queries);
  const Answered several = answered(rows, {3000, 900, 300}, queries);
  CHECK(one.recall > 0.8);
  CHECK(one.recall < 0.99);  // else nothing could be lost
  CHECK(several.recall > one.recall - 0.01);
  std::uint64_t walks = 0;
  for (const auto& [begin, count] : {std::pair{0U, 3000U}, {3000U, 900U}, {3900U, 300U}}) {
    walks += answered(rows.part(begin, count), {static_cast<int>(count)}, queries).distances;
  }
  CHECK(several.distances < walks * 9 / 10);
}

TEST_CASE("a small part that has the whole answer is walked as wide as ef asks") {
  Rows rows = random_rows(4400, 24, 5);
  Rows queries = random_rows(100, 24, 6);
  for (std::size_t i = 4000 * 24; i < rows.values.size(); ++i) rows.values[i] += 20;
  for (float& value : queries.values) value += 20;
  const Answered alone = answered(rows.part(4000, 400), {400}, queries);
  CHECK(answered(rows, {4000, 400}, queries).recall > alone.recall - 0.005);
}

TEST_CASE("equal distances are ordered by insertion, across parts too") {
  const auto database = open_memory();
  const auto index = make_index(*database, 2);
  const Rows same{2, std::vector<float>(40, 1.0F)};
  require_value(index->add(numbers(10, 20), same.view(0, 10), nullptr, nullptr));
  require_ok(database->flush());
  require_value(index->add(numbers(0, 10), same.view(0, 10), nullptr, nullptr));
  const auto found =
      found_numbers(require_value(index->search(same.view(0, 1), exact(15), nullptr)));
  CHECK(found == std::vector<std::uint64_t>{10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 0, 1, 2, 3, 4});
}

TEST_CASE("k results are given when there are k rows, however many neighbors are deleted") {
  const auto database = open_memory();
  const auto index = make_index(*database, 8);
  const Rows rows = random_rows(5000, 8);
  require_value(index->add(numbers(0, 5000), rows.all(), nullptr, nullptr));
  require_ok(index->wait_indexed());
  require_value(index->remove(numbers(0, 4950)));
  SearchOptions options;
  options.k = 40;
  const auto result = require_value(index->search(rows.view(0, 3), options, nullptr));
  CHECK(result.counts == std::vector<std::uint32_t>{40, 40, 40});
  options.k = 60;
  CHECK(require_value(index->search(rows.view(0, 1), options, nullptr)).counts[0] == 50);
}

TEST_CASE("filters leave exactly the rows that match") {
  const Spread data;
  const Rows query = random_rows(2, 16, 4);
  SearchOptions options;
  options.k = 100;
  SECTION("a mask over the view's order") {
    const auto view = require_value(data.index->view());
    std::vector<std::uint8_t> mask(view->rows());
    const IdColumn ids = view->ids(0, view->rows());
    for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = ids.integers()[i] % 100 == 3;
    options.filter.mask = mask;
    const auto result = require_value(data.index->search(query.all(), options, nullptr));
    CHECK(result.counts[0] == 84);  // 90 numbers, without 103 and the five of 5000..5499
    for (const std::uint64_t id : result.ids.integers()) CHECK(id % 100 == 3);
    mask.pop_back();
    options.filter.mask = mask;
    require_error(data.index->search(query.all(), options, nullptr).status(),
                  ErrorCode::kInvalidArgument,
                  "filter mask has 8389 entries: expected one for each of 8390 rows");
  }
  SECTION("a set of ids, some unknown, deleted or repeated") {
    IdColumn ids = numbers(98, 103);
    ids.append_integer(8000);
    ids.append_integer(8000);
    ids.append_integer(123456);
    ids.append_string("98");
    options.filter.ids = &ids;
    const auto result = require_value(data.index->search(query.view(0, 1), options, nullptr));
    std::vector<std::uint64_t> found = found_numbers(result);
    std::sort(found.begin(), found.end());
    CHECK(found == std::vector<std::uint64_t>{98, 99, 8000});
    CHECK(result.distances_computed == 3);
  }
}

TEST_CASE("a filter finds k rows by every way, over all parts") {
  const Spread data;
  require_ok(data.index->wait_indexed());
  const auto view = require_value(data.index->view());
  const IdColumn ids = view->ids(0, view->rows());
  const Rows queries = random_rows(12, 16, 4);
  for (const std::uint64_t step : {2U, 10U, 100U}) {
    std::vector<std::uint8_t> mask(view->rows());
    for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = ids.integers()[i] % step == 0;
    SearchOptions options = exact(20);
    options.filter.mask = mask;
    const auto truth = require_value(data.index->search(queries.all(), options, nullptr));
    options.exact = false;
    for (const FilteredWalk walk :
         {FilteredWalk::kChosen, FilteredWalk::kTwoHop, FilteredWalk::kPlain}) {
      options.filter.walk = walk;
      const auto batch = require_value(data.index->search(queries.all(), options, nullptr));
      std::size_t near = 0;
      for (std::size_t q = 0; q < 12; ++q) {
        const auto one = require_value(data.index->search(queries.view(q, 1), options, nullptr));
        REQUIRE(one.counts[0] == 20);
        REQUIRE(batch.counts[q] == 20);
        std::set<std::uint64_t> distinct;
        for (std::size_t i = 0; i < 20; ++i) {
          const std::uint64_t id = one.ids.integers()[i];
          CHECK(id % step == 0);
          distinct.insert(id);
          near += one.distances[i] <= truth.distances[q * 20 + 19] ? 1U : 0U;
        }
        CHECK(distinct.size() == 20);
      }
      CAPTURE(step, static_cast<int>(walk), near);
      CHECK(near >= 228);  // of 240
    }
  }
}

TEST_CASE("rows that no graph covers yet are found by a filter") {
  const auto database = open_memory();
  const auto index = make_index(*database, 16);
  const Rows rows = random_rows(3000, 16);
  require_value(index->add(numbers(0, 2000), rows.view(0, 2000), nullptr, nullptr));
  require_ok(index->wait_indexed());
  require_value(index->add(numbers(2000, 3000), rows.view(2000, 1000), nullptr, nullptr));
  std::vector<std::uint8_t> mask(3000, 1);
  SearchOptions options;
  options.k = 1;
  options.filter.mask = mask;
  options.filter.walk = FilteredWalk::kTwoHop;
  for (std::size_t row = 2000; row < 3000; row += 50) {
    CHECK(found_numbers(require_value(index->search(rows.view(row, 1), options, nullptr))) ==
          std::vector<std::uint64_t>{row});
  }
}

TEST_CASE("a pinned state is searched as it was") {
  const auto database = open_memory();
  const auto index = make_index(*database, 16);
  const Rows rows = random_rows(2000, 16);
  require_value(index->add(numbers(0, 2000), rows.all(), nullptr, nullptr));
  require_ok(index->wait_indexed());
  const auto view = require_value(index->view());
  require_value(index->remove(numbers(0, 1500)));
  require_ok(index->optimize(nullptr));
  require_ok(index->clear());
  SearchOptions options;
  options.k = 3;
  const auto found = require_value(view->search(rows.view(7, 1), options, nullptr));
  CHECK(found.ids.integers()[0] == 7);
  std::vector<std::uint8_t> mask(2000);
  mask[11] = mask[1999] = 1;
  options.filter.mask = mask;
  auto ids = found_numbers(require_value(view->search(rows.view(7, 1), options, nullptr)));
  std::sort(ids.begin(), ids.end());
  CHECK(ids == std::vector<std::uint64_t>{11, 1999});
  require_error(index->search(rows.view(7, 1), options, nullptr).status(),
                ErrorCode::kInvalidArgument,
                "filter mask has 2000 entries: expected one for each of 0 rows");
  require_ok(view->check_open());
  require_ok(database->close());
  require_error(view->check_open(), ErrorCode::kFailedPrecondition, "database is closed");
  require_error(view->search(rows.view(7, 1), options, nullptr).status(),
                ErrorCode::kFailedPrecondition, "database is closed");
  CHECK(view->ids(3, 5).size() == 2);  // reads go on
}

TEST_CASE("min_score leaves out what is below") {
  const auto database = open_memory();
  const auto index = make_index(*database, 1);
  const Rows rows{1, {0, 1, 3, 9}};  // scores 1, 1/2, 1/4, 1/10 from 0
  require_value(index->add(numbers(0, 4), rows.all(), nullptr, nullptr));
  SearchOptions options;
  options.min_score = 0.25;
  const auto result = require_value(index->search(rows.view(0, 1), options, nullptr));
  CHECK(result.counts[0] == 3);
  CHECK(std::isnan(result.scores[3]));
}

TEST_CASE("a zero vector has cosine 0 with everything") {
  const auto database = open_memory();
  const auto index = make_index(*database, 2, Metric::kCosine);
  const Rows rows{2, {0, 0, 1, 0}};
  require_value(index->add(numbers(0, 2), rows.all(), nullptr, nullptr));
  auto result = require_value(index->search(rows.view(1, 1), exact(2), nullptr));
  CHECK(result.scores[0] == Approx(1.0));
  CHECK(result.scores[1] == 0.0F);
  result = require_value(index->search(rows.view(0, 1), exact(2), nullptr));
  CHECK(result.scores[0] == 0.0F);
}

TEST_CASE("searches out of range are refused with what was expected") {
  const auto database = open_memory();
  const auto index = make_index(*database, 2);
  Rows query{2, {1, 2, 3, std::nanf("")}};
  const auto refused = [&](const MatrixView& queries, auto change, const std::string& message) {
    SearchOptions options;
    change(options);
    const Status status = index->search(queries, options, nullptr).status();
    CHECK(status.message() == message);
  };
  const MatrixView one = query.view(0, 1);
  refused(
      one, [](SearchOptions& o) { o.k = 0; }, "k out of range: expected 1..10000, got 0");
  refused(
      one, [](SearchOptions& o) { o.k = 10001; }, "k out of range: expected 1..10000, got 10001");
  refused(
      one, [](SearchOptions& o) { o.ef = 0; }, "ef out of range: expected 1..4096, got 0");
  refused(
      one, [](SearchOptions& o) { o.ef = 4097; }, "ef out of range: expected 1..4096, got 4097");
  refused(
      query.all(), [](SearchOptions&) {}, "query at row 1 is not finite: element 1 is nan");
  refused(
      random_rows(1, 3).all(), [](SearchOptions&) {},
      "vector dimension mismatch: expected 2, got 3");
  const SearchResult empty = require_value(index->search(one, SearchOptions(), nullptr));
  CHECK(empty.counts == std::vector<std::uint32_t>{0});
}

TEST_CASE("a long batch stops when its caller says so") {
  const Spread data;
  const Rows queries = random_rows(20000, 16);
  for (const bool scan : {true, false}) {
    SearchOptions options = exact(10);
    options.exact = scan;
    StopAtOnce stop;
    const auto result = data.index->search(queries.all(), options, &stop);
    require_error(result.status(), ErrorCode::kFailedPrecondition, "stopped by the caller");
    CHECK(stop.calls == 1);
  }
}

}  // namespace springg::test
