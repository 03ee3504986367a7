// SPDX-License-Identifier: MIT
// What a directory holds after flush and close, and what comes back from it.
#include "engine/support.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

namespace springg::test {

namespace {

namespace fs = std::filesystem;

std::shared_ptr<Database> open_directory(const std::string& path) {
  return require_value(Database::open(path, two_threads()));
}

std::vector<std::string> files_of(const std::string& path, const std::string& ending) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(ending) || (ending == "manifest" && name.starts_with("manifest-"))) {
      names.push_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// Two segments, a delta for the first.
void fill(Database& database) {
  const auto index = make_index(database, 8, Metric::kCosine);
  const Rows rows = random_rows(1500, 8);
  MetadataColumn metadata;
  for (int i = 0; i < 1000; ++i) metadata.append("{\"i\":" + std::to_string(i) + "}");
  require_value(index->add(numbers(0, 1000), rows.view(0, 1000), &metadata, nullptr));
  require_ok(database.flush());
  require_value(index->add(numbers(1000, 1500), rows.view(1000, 500), nullptr, nullptr));
  require_value(index->remove(numbers(10, 30)));
  const MetadataColumn one = texts({"{\"changed\":true}"});
  require_value(index->update(numbers(40, 41), nullptr, &one, nullptr));
}

SearchResult ask(const Index& index, bool exact) {
  SearchOptions options;
  options.k = 25;
  options.exact = exact;
  options.include.vectors = true;
  return require_value(index.search(random_rows(20, 8, 3).all(), options, nullptr));
}

void require_equal(const SearchResult& a, const SearchResult& b) {
  CHECK(a.counts == b.counts);
  CHECK(std::memcmp(a.distances.data(), b.distances.data(), a.distances.size() * sizeof(float)) ==
        0);
  CHECK(std::ranges::equal(a.ids.integers(), b.ids.integers()));
  CHECK(a.vectors == b.vectors);
  for (std::size_t i = 0; i < a.ids.size(); ++i) {
    CHECK(a.metadata->text(i) == b.metadata->text(i));
  }
}

}  // namespace

TEST_CASE("answers are the same bits after closing and opening again") {
  const TemporaryDirectory directory;
  auto database = open_directory(directory.path());
  fill(*database);
  require_ok(database->flush());
  auto index = require_value(database->index("words"));
  const SearchResult walked = ask(*index, false);
  const SearchResult scanned = ask(*index, true);
  const auto ids = require_value(index->view())->ids(0, 1480);
  require_ok(database->close());

  database = open_directory(directory.path());
  index = require_value(database->index("words"));
  CHECK(row_count(*index) == 1480);
  require_equal(ask(*index, false), walked);
  require_equal(ask(*index, true), scanned);
  CHECK(std::ranges::equal(require_value(index->view())->ids(0, 1480).integers(), ids.integers()));
  const auto changed = require_value(index->get(numbers(40, 41), {}));
  CHECK(changed.metadata->text(0) == "{\"changed\":true}");
  CHECK(require_value(index->stats()).last_sequence == 1500);
  // And it goes on from there.
  require_value(index->add(numbers(10, 12), random_rows(2, 8).all(), nullptr, nullptr));
  require_ok(database->close());
  database = open_directory(directory.path());
  CHECK(row_count(*require_value(database->index("words"))) == 1482);
}

TEST_CASE("a flush replaces memory by mapped files and writes nothing that is there already") {
  const TemporaryDirectory directory;
  const auto database = open_directory(directory.path());
  fill(*database);
  require_ok(database->flush());
  const auto segments = files_of(directory.path(), ".segment");
  const auto manifests = files_of(directory.path(), "manifest");
  CHECK(segments.size() == 2);
  CHECK(files_of(directory.path(), ".delta").size() == 1);
  CHECK(manifests.size() == 1);
  require_ok(database->flush());
  CHECK(files_of(directory.path(), "manifest") == manifests);
  CHECK(files_of(directory.path(), ".segment") == segments);
  // Files that an optimize made needless go with the next flush.
  const auto index = require_value(database->index("words"));
  require_ok(index->optimize(nullptr));
  require_ok(database->flush());
  CHECK(files_of(directory.path(), ".segment").size() == 1);
  CHECK(files_of(directory.path(), ".delta").empty());
  CHECK(files_of(directory.path(), ".tmp").empty());
  require_ok(database->drop_index("words"));
  CHECK(files_of(directory.path(), ".segment").empty());
}

TEST_CASE("making, renaming, clearing and dropping an index last without a flush") {
  const TemporaryDirectory directory;
  const auto crash = [&](const std::shared_ptr<Database>& database) {
    // The state on disk as another process would find it: copied away before the close.
    const fs::path copy = directory.path() + "-copy";
    fs::remove_all(copy);
    fs::copy(directory.path(), copy);
    static_cast<void>(database);
    return copy.string();
  };
  const auto names_in = [](const std::string& path) {
    const auto database = open_directory(path);
    return require_value(database->index_names());
  };
  const auto database = open_directory(directory.path());
  const auto index = make_index(*database, 4);
  require_value(index->add(numbers(0, 10), random_rows(10, 4).all(), nullptr, nullptr));
  CHECK(names_in(crash(database)) == std::vector<std::string>{"words"});
  require_ok(database->rename_index("words", "terms"));
  CHECK(names_in(crash(database)) == std::vector<std::string>{"terms"});
  {
    const auto copy = open_directory(crash(database));
    CHECK(row_count(*require_value(copy->index("terms"))) == 10);  // they are in the log
  }
  require_ok(database->flush());
  {
    const auto copy = open_directory(crash(database));
    CHECK(row_count(*require_value(copy->index("terms"))) == 10);
  }
  require_ok(index->clear());
  CHECK(files_of(directory.path(), ".segment").empty());
  {
    const auto copy = open_directory(crash(database));
    CHECK(row_count(*require_value(copy->index("terms"))) == 0);
  }
  require_ok(database->drop_index("terms"));
  CHECK(names_in(crash(database)).empty());
  fs::remove_all(directory.path() + "-copy");
}

TEST_CASE("a manifest that somebody else published is not removed") {
  const TemporaryDirectory directory;
  const auto database = open_directory(directory.path());
  fill(*database);
  const std::string last = files_of(directory.path(), "manifest").back();
  const auto generation = std::stoull(last.substr(last.find('-') + 1), nullptr, 10);
  std::string next = std::to_string(generation + 1);
  next = "manifest-" + std::string(16 - next.size(), '0') + next;
  write_file(directory.path() + "/" + next, "not ours");
  const auto index = require_value(database->index("words"));
  require_value(index->remove(numbers(0, 1)));
  CHECK(database->flush().code() == ErrorCode::kAlreadyExists);
  CHECK(read_file(directory.path() + "/" + next) == "not ours");
  fs::remove(directory.path() + "/" + next);
  require_ok(database->close());
}

TEST_CASE("leftovers of springg go, files of others stay") {
  const TemporaryDirectory directory;
  auto database = open_directory(directory.path());
  fill(*database);
  require_ok(database->close());
  const std::string uuid = "01234567-89ab-4def-8123-456789abcdef";
  const std::vector<std::string> ours = {uuid + ".segment", uuid + ".delta", uuid + ".segment.tmp",
                                         "manifest-0000000000000001",
                                         "manifest-0000000000000099.tmp"};
  const std::vector<std::string> theirs = {"notes.txt", "x.segment", "backup.tmp", "manifest-old"};
  for (const auto& name : ours) write_file(directory.path() + "/" + name, "left over");
  for (const auto& name : theirs) write_file(directory.path() + "/" + name, "mine");
  database = open_directory(directory.path());
  for (const auto& name : ours) CHECK_FALSE(fs::exists(directory.path() + "/" + name));
  for (const auto& name : theirs) CHECK(read_file(directory.path() + "/" + name) == "mine");
  CHECK(row_count(*require_value(database->index("words"))) == 1480);
}

TEST_CASE("segments without a manifest are not taken for an empty directory") {
  const TemporaryDirectory directory;
  auto database = open_directory(directory.path());
  fill(*database);
  require_ok(database->close());
  for (const auto& name : files_of(directory.path(), "manifest")) {
    fs::remove(directory.path() + "/" + name);
  }
  const Status status = Database::open(directory.path(), two_threads()).status();
  CHECK(status.code() == ErrorCode::kCorruption);
  CHECK(files_of(directory.path(), ".segment").size() == 2);
}

TEST_CASE("cut or changed files are corruption, except in what can be built again") {
  const TemporaryDirectory directory;
  auto database = open_directory(directory.path());
  fill(*database);
  require_ok(database->flush());
  const SearchResult scanned = ask(*require_value(database->index("words")), true);
  require_ok(database->close());
  database.reset();
  std::vector<std::string> names = files_of(directory.path(), ".segment");
  for (const auto& name : files_of(directory.path(), ".delta")) names.push_back(name);
  for (const auto& name : files_of(directory.path(), "manifest")) names.push_back(name);
  std::size_t refused = 0;
  std::size_t rebuilt = 0;
  for (const std::string& name : names) {
    const std::string path = directory.path() + "/" + name;
    const std::string whole = read_file(path);
    for (int step = 0; step < 16; ++step) {
      const std::size_t at = whole.size() * static_cast<std::size_t>(step) / 16;
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x40);
      for (const bool cut : {false, true}) {
        write_file(path, cut ? whole.substr(0, at) : damaged);
        INFO(name << (cut ? " cut at " : " changed at ") << at);
        const auto opened = Database::open(directory.path(), two_threads());
        if (!opened.ok()) {
          CHECK(opened.status().code() == ErrorCode::kCorruption);
          CHECK(opened.status().message().find(name) != std::string::npos);
          ++refused;
          continue;
        }
        CHECK_FALSE(cut);
        ++rebuilt;
        require_equal(ask(*require_value(opened.value()->index("words")), true), scanned);
        // Closing would write the rebuilt segment: the file under test must stay.
        const TemporaryDirectory spare;
        fs::copy(directory.path(), spare.path(),
                 fs::copy_options::recursive | fs::copy_options::overwrite_existing);
        require_ok(opened.value()->close());
        fs::remove_all(directory.path());
        fs::copy(spare.path(), directory.path());
      }
      write_file(path, whole);
    }
  }
  CHECK(refused > 60);
  CHECK(rebuilt > 0);
}

TEST_CASE("a segment with a damaged graph is written anew by the next flush") {
  const TemporaryDirectory directory;
  auto database = open_directory(directory.path());
  const auto index = make_index(*database, 8);
  const Rows rows = random_rows(3000, 8);
  require_value(index->add(numbers(0, 3000), rows.all(), nullptr, nullptr));
  require_value(index->remove(numbers(5, 6)));
  require_ok(database->close());
  const auto names = files_of(directory.path(), ".segment");
  REQUIRE(names.size() == 1);
  const std::string path = directory.path() + "/" + names[0];
  const std::string whole = read_file(path);
  bool rebuilt = false;
  for (std::size_t at = whole.size() - 1; at > whole.size() / 3 && !rebuilt; at -= 50'000) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    write_file(path, damaged);
    auto opened = Database::open(directory.path(), two_threads());
    if (!opened.ok()) continue;
    const auto again = require_value(opened.value()->index("words"));
    CHECK(row_count(*again) == 2999);
    CHECK(require_value(again->stats()).unindexed_rows == 0);
    require_ok(opened.value()->close());
    rebuilt = files_of(directory.path(), ".segment") != names;
  }
  CHECK(rebuilt);
  database = open_directory(directory.path());
  CHECK(row_count(*require_value(database->index("words"))) == 2999);
}

TEST_CASE("one process opens a directory once, however often it asks") {
  const TemporaryDirectory directory;
  const auto first = open_directory(directory.path());
  const auto index = make_index(*first, 4);
  const auto second = open_directory(directory.path() + "/./");
  CHECK(require_value(second->index("words")).get() == index.get());
  DatabaseOptions other = two_threads();
  other.threads = 1;
  const Status status = Database::open(directory.path(), other).status();
  CHECK(status.code() == ErrorCode::kFailedPrecondition);
  require_ok(first->close());
  require_error(first->flush(), ErrorCode::kFailedPrecondition, "database is closed");
  require_value(index->add(numbers(0, 3), random_rows(3, 4).all(), nullptr, nullptr));
  require_ok(second->close());
  const auto third = require_value(Database::open(directory.path(), other));
  CHECK(row_count(*require_value(third->index("words"))) == 3);
}

TEST_CASE("a handle that goes closes the database") {
  const TemporaryDirectory directory;
  std::shared_ptr<Index> index;
  {
    const auto database = open_directory(directory.path());
    index = make_index(*database, 4);
    require_value(index->add(numbers(0, 3), random_rows(3, 4).all(), nullptr, nullptr));
  }
  require_error(index->rows().status(), ErrorCode::kFailedPrecondition, "database is closed");
  CHECK(row_count(*require_value(open_directory(directory.path())->index("words"))) == 3);
}

}  // namespace springg::test
