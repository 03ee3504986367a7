// SPDX-License-Identifier: MIT
// The contract of each call on a small index, and what it does when it is refused.
#include "engine/support.h"

#include <cmath>
#include <limits>

namespace springg::test {

TEST_CASE("rows that were added are found, nearest first, with all their columns") {
  const auto database = open_memory();
  const auto index = make_index(*database, 2);
  const Rows rows{2, {0, 0, 3, 4, 1, 0}};
  const MetadataColumn metadata = texts({"{\"a\": 1}", "", "{ \"b\" : [1, 2] }"});
  CHECK(require_value(index->add(strings({"o", "far", "near"}), rows.all(), &metadata, nullptr)) ==
        3);

  SearchOptions options;
  options.k = 5;
  options.include.vectors = true;
  const SearchResult result = require_value(index->search(rows.view(0, 1), options, nullptr));
  REQUIRE(result.counts == std::vector<std::uint32_t>{3});
  CHECK(result.ids[0].bytes == "o");
  CHECK(result.ids[1].bytes == "near");
  CHECK(result.ids[2].bytes == "far");
  CHECK(result.distances[2] == 5.0F);
  CHECK(result.scores[2] == Approx(1.0 / 6));
  CHECK(std::isnan(result.distances[3]));
  CHECK(std::isnan(result.scores[4]));
  CHECK(result.metadata->text(0) == "{\"a\":1}");
  CHECK(result.metadata->text(1) == "{\"b\":[1,2]}");
  CHECK_FALSE(result.metadata->has(2));
  CHECK(result.vectors == std::vector<float>{0, 0, 1, 0, 3, 4});
}

TEST_CASE("get answers in the order asked and says what is missing") {
  const auto database = open_memory();
  const auto index = make_index(*database, 2);
  const Rows rows = random_rows(3, 2);
  require_value(index->add(numbers(0, 3), rows.all(), nullptr, nullptr));
  IdColumn ids;
  ids.append_integer(2);
  ids.append_integer(9);
  ids.append_string("2");  // not the number 2
  ids.append_integer(0);
  const RecordBatch batch = require_value(index->get(ids, {.metadata = true, .vectors = true}));
  CHECK(batch.found == std::vector<std::uint8_t>{1, 0, 0, 1});
  CHECK(batch.ids.integers()[0] == 2);
  CHECK(batch.ids.integers()[1] == 0);
  CHECK(batch.vectors ==
        std::vector<float>{rows.values[4], rows.values[5], rows.values[0], rows.values[1]});
}

TEST_CASE("deleted rows are gone for every read") {
  const auto database = open_memory();
  const auto index = make_index(*database, 4);
  require_value(index->add(numbers(0, 10), random_rows(10, 4).all(), nullptr, nullptr));
  IdColumn ids = numbers(3, 6);
  ids.append_integer(3);
  ids.append_integer(77);
  CHECK(require_value(index->remove(ids)) == 3);
  CHECK(require_value(index->remove(ids)) == 0);
  CHECK(row_count(*index) == 7);
  CHECK_FALSE(require_value(index->contains(numbers(4, 5)[0])));
  CHECK(require_value(index->contains(numbers(6, 7)[0])));
  SearchOptions options;
  options.k = 10;
  const auto found =
      found_numbers(require_value(index->search(random_rows(1, 4, 2).all(), options, nullptr)));
  CHECK(found.size() == 7);
  for (const std::uint64_t id : found) CHECK((id < 3 || id > 5));
  // The id is free again.
  CHECK(require_value(index->add(numbers(4, 5), random_rows(1, 4).all(), nullptr, nullptr)) == 1);
}

TEST_CASE("a refused add stores nothing and says which row") {
  const auto database = open_memory();
  const auto index = make_index(*database, 2);
  Rows rows = random_rows(4, 2);
  require_value(index->add(strings({"x"}), rows.view(0, 1), nullptr, nullptr));
  const auto refused = [&](const IdColumn& ids, const MatrixView& vectors,
                           const MetadataColumn* metadata, ErrorCode code,
                           const std::string& message) {
    const Result<std::size_t> added = index->add(ids, vectors, metadata, nullptr);
    require_error(added.status(), code, message);
    CHECK(row_count(*index) == 1);
    CHECK_FALSE(require_value(index->contains({IdKind::kString, "a"})));
  };
  const MatrixView two = rows.view(1, 2);
  refused(strings({"a", "x"}), two, nullptr, ErrorCode::kAlreadyExists,
          "id 'x' already exists in index 'words'");
  refused(strings({"a", "b", "a"}), rows.view(1, 3), nullptr, ErrorCode::kAlreadyExists,
          "id 'a' comes twice in the call: at rows 0 and 2");
  refused(strings({"a", ""}), two, nullptr, ErrorCode::kInvalidArgument, "id at row 1 is empty");
  refused(strings({"a", std::string(513, 'i')}), two, nullptr, ErrorCode::kInvalidArgument,
          "id at row 1 is too long: expected at most 512 bytes, got 513");
  refused(strings({"a", "\xed\xa0\x80"}), two, nullptr, ErrorCode::kInvalidArgument,
          "id at row 1 is not valid UTF-8");
  refused(strings({"a"}), two, nullptr, ErrorCode::kInvalidArgument,
          "expected one vector for each of 1 ids, got 2");
  MetadataColumn metadata = texts({"{}"});
  refused(strings({"a", "b"}), two, &metadata, ErrorCode::kInvalidArgument,
          "expected one metadata entry for each of 2 ids, got 1");
  refused(strings({"a", "b"}), random_rows(2, 3).all(), nullptr, ErrorCode::kDimensionMismatch,
          "vector dimension mismatch: expected 2, got 3");
  rows.values[5] = std::numeric_limits<float>::quiet_NaN();
  refused(strings({"a", "b"}), two, nullptr, ErrorCode::kInvalidArgument,
          "vector at row 1 is not finite: element 1 is nan");
  rows.values[5] = -std::numeric_limits<float>::infinity();
  refused(strings({"a", "b"}), two, nullptr, ErrorCode::kInvalidArgument,
          "vector at row 1 is not finite: element 1 is -inf");
  rows.values[5] = 0;
  metadata = texts({"{}", "[1]"});
  const Status status = index->add(strings({"a", "b"}), two, &metadata, nullptr).status();
  CHECK(status.code() == ErrorCode::kInvalidArgument);
  CHECK(status.message().starts_with("metadata at row 1: "));
  // What was refused left no trace that stops the same rows from being stored.
  CHECK(require_value(index->add(strings({"a", "b"}), two, nullptr, nullptr)) == 2);
}

TEST_CASE("the longest id and every kind of id are taken") {
  const auto database = open_memory();
  const auto index = make_index(*database, 2);
  IdColumn ids = strings({std::string(512, 'i'), "1"});
  ids.append_integer(1);
  ids.append_integer(~std::uint64_t{0});
  ids.append_uuid({1, 2, 3});
  require_value(index->add(ids, random_rows(5, 2).all(), nullptr, nullptr));
  for (std::size_t i = 0; i < ids.size(); ++i) CHECK(require_value(index->contains(ids[i])));
  const auto view = require_value(index->view());
  const IdColumn back = view->ids(0, 5);
  for (std::size_t i = 0; i < ids.size(); ++i) CHECK(back[i] == ids[i]);
}

TEST_CASE("float16 keeps halves and refuses what they cannot hold") {
  const auto database = open_memory();
  IndexOptions options;
  options.dimensions = 2;
  options.dtype = ScalarType::kFloat16;
  const auto index = require_value(database->create_index("halves", options, false));
  const Rows rows{2, {0.1F, 2, 1, 70000}};
  require_error(index->add(numbers(0, 2), rows.all(), nullptr, nullptr).status(),
                ErrorCode::kInvalidArgument,
                "vector at row 1 does not fit float16: element 1 is 70000, the largest is 65504");
  require_value(index->add(numbers(0, 1), rows.view(0, 1), nullptr, nullptr));
  const RecordBatch batch =
      require_value(index->get(numbers(0, 1), {.metadata = false, .vectors = true}));
  CHECK(batch.vectors[0] == Approx(0.1).epsilon(1e-3));
  CHECK(batch.vectors[0] != 0.1F);
  CHECK(batch.vectors[1] == 2.0F);
}

TEST_CASE("upsert replaces whole rows, and the last of equal ids wins") {
  const auto database = open_memory();
  const auto index = make_index(*database, 1);
  const Rows rows{1, {1, 2, 3, 4}};
  const MetadataColumn metadata = texts({"{\"v\":1}", "{\"v\":2}"});
  require_value(index->add(strings({"a", "b"}), rows.view(0, 2), &metadata, nullptr));
  CHECK(require_value(index->upsert(strings({"a", "c", "a"}), rows.view(1, 3), nullptr, nullptr)) ==
        2);
  CHECK(row_count(*index) == 3);
  const auto view = require_value(index->view());
  const RecordBatch all = view->records(0, 3, {.metadata = true, .vectors = true});
  CHECK(all.ids[0].bytes == "b");  // stayed; the others count as inserted now
  CHECK(all.ids[1].bytes == "c");
  CHECK(all.ids[2].bytes == "a");
  CHECK(all.vectors == std::vector<float>{2, 3, 4});
  CHECK(all.metadata->has(0));
  CHECK_FALSE(all.metadata->has(2));
}

TEST_CASE("update replaces what is given and keeps the rest") {
  const auto database = open_memory();
  const auto index = make_index(*database, 1);
  const Rows rows{1, {1, 2, 3}};
  const MetadataColumn metadata = texts({"{\"v\":1}", "", "{\"v\":3}"});
  require_value(index->add(strings({"a", "b", "c"}), rows.all(), &metadata, nullptr));

  const MetadataColumn changed = texts({"{\"v\":\"new\"}"});
  CHECK(require_value(index->update(strings({"b"}), nullptr, &changed, nullptr)) == 1);
  auto all = require_value(index->view())->records(0, 3, {.metadata = true, .vectors = true});
  CHECK(all.ids[1].bytes == "b");  // metadata alone keeps the row where it is
  CHECK(all.metadata->text(1) == "{\"v\":\"new\"}");

  const Rows moved{1, {9}};
  const MatrixView vector = moved.all();
  CHECK(require_value(index->update(strings({"b"}), &vector, nullptr, nullptr)) == 1);
  all = require_value(index->view())->records(0, 3, {.metadata = true, .vectors = true});
  CHECK(all.ids[2].bytes == "b");
  CHECK(all.vectors == std::vector<float>{1, 3, 9});
  CHECK(all.metadata->text(2) == "{\"v\":\"new\"}");

  const MetadataColumn two = texts({"{\"v\":7}", "{\"v\":8}"});
  require_error(index->update(strings({"a", "who"}), nullptr, &two, nullptr).status(),
                ErrorCode::kNotFound, "no id 'who' in index 'words'");
  all = require_value(index->view())->records(0, 1, {.metadata = true, .vectors = false});
  CHECK(all.metadata->text(0) == "{\"v\":1}");
}

TEST_CASE("clear empties the index and it goes on") {
  const auto database = open_memory();
  const auto index = make_index(*database, 2);
  require_value(index->add(numbers(0, 5), random_rows(5, 2).all(), nullptr, nullptr));
  const auto before = require_value(index->view());
  require_ok(index->clear());
  CHECK(row_count(*index) == 0);
  CHECK(before->rows() == 5);
  CHECK(before->ids(4, 5).integers()[0] == 4);
  require_value(index->add(numbers(0, 5), random_rows(5, 2).all(), nullptr, nullptr));
  CHECK(row_count(*index) == 5);
}

TEST_CASE("a memory limit refuses a write whole and says what it needs") {
  DatabaseOptions options;
  options.memory_limit_bytes = 4 << 20;
  const auto database = open_memory(options);
  const auto index = make_index(*database, 64);
  const Rows rows = random_rows(20000, 64);
  const Result<std::size_t> added = index->add(numbers(0, 20000), rows.all(), nullptr, nullptr);
  CHECK(added.status().code() == ErrorCode::kResourceExhausted);
  CHECK(added.status().message().starts_with(
      "memory limit exceeded: limit 4194304 bytes, in use 0, call needs "));
  CHECK(row_count(*index) == 0);
  std::size_t stored = 0;
  while (index->add(numbers(stored, stored + 100), rows.view(stored, 100), nullptr, nullptr).ok()) {
    stored += 100;
  }
  CHECK(stored > 5000);
  CHECK(stored < 20000);
  CHECK(row_count(*index) == stored);
  const auto usage = require_value(database->memory_usage());
  CHECK(usage.at("total") < 5 << 20);  // graphs take memory in blocks
  CHECK(usage.at("vectors") >= stored * 64 * 4);
  // Room comes back with the rows, once the builder has let go of them.
  require_ok(index->clear());
  CHECK(eventually(
      [&] { return index->add(numbers(0, 100), rows.view(0, 100), nullptr, nullptr).ok(); }));
}

TEST_CASE("names and settings of indexes are checked") {
  const auto database = open_memory();
  IndexOptions good;
  good.dimensions = 3;
  for (const std::string& name : {std::string(), std::string(256, 'n'), std::string("a/b"),
                                  std::string(".."), std::string("a\0b", 3)}) {
    CHECK(database->create_index(name, good, false).status().code() == ErrorCode::kInvalidArgument);
  }
  const auto refused = [&](auto change, ErrorCode code, const std::string& message) {
    IndexOptions options = good;
    change(options);
    require_error(database->create_index("n", options, false).status(), code, message);
  };
  refused([](IndexOptions& o) { o.dimensions = 0; }, ErrorCode::kInvalidArgument,
          "dimensions out of range: expected 1..65536, got 0");
  refused([](IndexOptions& o) { o.dimensions = 65537; }, ErrorCode::kInvalidArgument,
          "dimensions out of range: expected 1..65536, got 65537");
  refused([](IndexOptions& o) { o.m = 1; }, ErrorCode::kInvalidArgument,
          "m out of range: expected 2..64, got 1");
  refused(
      [](IndexOptions& o) {
        o.quantization = Quantization::kInt4;
        o.metric = Metric::kManhattan;
      },
      ErrorCode::kUnsupported,
      "quantization int4 is not supported for metric manhattan: expected none or auto");
  refused([](IndexOptions& o) { o.metric = Metric::kHamming; }, ErrorCode::kUnsupported,
          "metric hamming is not supported for dtype float32: hamming goes with binary and binary "
          "with hamming");
  refused([](IndexOptions& o) { o.dtype = ScalarType::kBinary; }, ErrorCode::kUnsupported,
          "metric cosine is not supported for dtype binary: hamming goes with binary and binary "
          "with hamming");
  refused(
      [](IndexOptions& o) {
        o.dtype = ScalarType::kUint8;
        o.quantization = Quantization::kInt8;
      },
      ErrorCode::kUnsupported,
      "quantization int8 is not supported for dtype uint8, whose rows are as short as codes: "
      "expected none or auto");
  CHECK(require_value(database->index_names()).empty());
}

TEST_CASE("indexes are made, found, renamed and dropped by name") {
  const auto database = open_memory();
  const auto index = make_index(*database, 3, Metric::kL2, "words");
  IndexOptions options = index->options();
  CHECK(require_value(database->create_index("words", options, true)).get() == index.get());
  require_error(database->create_index("words", options, false).status(), ErrorCode::kAlreadyExists,
                "index 'words' already exists");
  options.m = 8;
  CHECK(database->create_index("words", options, true).status().code() ==
        ErrorCode::kAlreadyExists);
  require_error(database->index("wrods").status(), ErrorCode::kNotFound,
                "no index 'wrods'; did you mean 'words'?");
  require_error(database->index("elephants").status(), ErrorCode::kNotFound,
                "no index 'elephants'");
  make_index(*database, 3, Metric::kL2, "a");
  CHECK(require_value(database->index_names()) == std::vector<std::string>{"a", "words"});
  require_error(database->rename_index("words", "a"), ErrorCode::kAlreadyExists,
                "index 'a' already exists");
  require_ok(database->rename_index("words", "terms"));
  CHECK(index->name() == "terms");
  CHECK(require_value(database->index("terms")).get() == index.get());
  require_ok(database->drop_index("terms"));
  CHECK(database->index("terms").status().code() == ErrorCode::kNotFound);
  require_error(index->rows().status(), ErrorCode::kFailedPrecondition,
                "index 'terms' was dropped");
  require_error(index->remove(numbers(0, 1)).status(), ErrorCode::kFailedPrecondition,
                "index 'terms' was dropped");
}

TEST_CASE("calls after close are refused, and closing again is nothing") {
  const auto database = open_memory();
  const auto index = make_index(*database, 3);
  require_value(index->add(numbers(0, 5), random_rows(5, 3).all(), nullptr, nullptr));
  const auto view = require_value(index->view());
  require_ok(database->close());
  require_ok(database->close());
  CHECK(database->closed());
  require_error(index->rows().status(), ErrorCode::kFailedPrecondition, "database is closed");
  require_error(database->flush(), ErrorCode::kFailedPrecondition, "database is closed");
  CHECK(view->rows() == 5);  // a view holds what it shows
}

}  // namespace springg::test
