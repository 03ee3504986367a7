// SPDX-License-Identifier: MIT
// Segments whose pages turn to zeros after they were opened, as those of a truncated file or of a
// failing disk do: nothing that reads them crashes or hangs, and no answer is made of zeros.
#include "engine/support.h"

#include <cstring>
#include <functional>
#include <map>
#include <random>

#include "engine/database_core.h"
#include "watched_file_system.h"

namespace springg::test {

namespace {

constexpr char kPath[] = "/db";
constexpr std::size_t kPage = 4'096;
constexpr std::size_t kRows = 700;
constexpr std::size_t kDimensions = 8;

// A mapping whose pages a test takes away. It tells of it or, to see what a reader would do with
// zeros, does not.
class FailingMapping final : public io::MappedFile {
 public:
  explicit FailingMapping(std::span<const std::byte> content)
      : content_(content.begin(), content.end()),
        buffer_(require_value(base::Buffer::allocate(content.size()))) {
    restore();
  }
  std::span<const std::byte> bytes() const noexcept override { return buffer_.span(); }
  bool unreadable() const noexcept override { return tells && zeroed_; }

  std::size_t pages() const { return buffer_.size() / kPage; }
  void zero(std::size_t page) {
    std::memset(buffer_.data() + page * kPage, 0, kPage);
    zeroed_ = true;
  }
  void restore() {
    std::memcpy(buffer_.data(), content_.data(), content_.size());
    zeroed_ = false;
  }

  bool tells = false;

 private:
  std::vector<std::byte> content_;
  base::Buffer buffer_;
  bool zeroed_ = false;
};

IdColumn mixed_ids(std::size_t begin, std::size_t end) {
  IdColumn ids;
  for (std::size_t i = begin; i < end; ++i) {
    std::array<std::uint8_t, 16> uuid{};
    std::memcpy(uuid.data() + 3, &i, sizeof i);
    switch (i % 3) {
      case 0: ids.append_integer(i * 0x9e37'79b9'7f4a'7c15U); break;
      case 1: ids.append_uuid(uuid); break;
      default: ids.append_string("a string of some length " + std::to_string(i)); break;
    }
  }
  return ids;
}

std::shared_ptr<Index> new_index(engine::DatabaseCore& core, const std::string& name,
                                 std::size_t dimensions, Metric metric) {
  IndexOptions options;
  options.dimensions = dimensions;
  options.metric = metric;
  return require_value(core.create_index(name, options, false));
}

// A database of one index, one segment with a graph, all in memory.
struct Place {
  std::unique_ptr<io::FileSystem> memory = io::make_memory_file_system();
  testing::WatchedFileSystem files{*memory};
  std::shared_ptr<FailingMapping> segment;
  std::shared_ptr<engine::DatabaseCore> core;
  std::shared_ptr<Index> index;
  Rows rows = random_rows(kRows, kDimensions);
  IdColumn ids;

  Place(Metric metric, const IdColumn& all) : ids(all) {
    {
      const auto made = open();
      const auto filled = new_index(*made, "words", kDimensions, metric);
      MetadataColumn metadata;
      for (std::size_t i = 0; i < kRows; ++i) {
        i % 3 == 0 ? metadata.append_none()
                   : metadata.append("{\"text\":\"" + std::string(i % 40, 'x') + "\"}");
      }
      require_value(filled->add(ids, rows.all(), &metadata, nullptr));
      require_ok(made->close());
    }
    files.map_as(
        [this](const std::string& path,
               testing::WatchedFileSystem::Mapping mapped) -> testing::WatchedFileSystem::Mapping {
          if (!path.ends_with(".segment")) return mapped;
          return segment = std::make_shared<FailingMapping>(mapped->bytes());
        });
    core = open();
    index = require_value(core->index("words"));
    REQUIRE(segment != nullptr);
    const IndexStats stats = require_value(index->stats());
    REQUIRE(stats.segments == 1);
    REQUIRE(stats.graph_bytes != 0);
  }

  std::shared_ptr<engine::DatabaseCore> open() {
    return require_value(
        engine::DatabaseCore::open(kPath, two_threads(), &files, &base::system_unix_ms));
  }
};

// Every way to read, whatever the answers are. Ids that are there and some that are not.
void read_everything(const Place& place, const IdColumn& asked) {
  const Index& index = *place.index;
  const Include all{.metadata = true, .vectors = true};
  SearchOptions options;
  options.include = all;
  for (std::size_t query = 0; query < 3; ++query) {
    require_value(index.search(place.rows.view(query * 50, 1), options, nullptr));
  }
  require_value(index.search(place.rows.view(10, 3), options, nullptr));
  options.exact = true;
  options.k = 20;
  require_value(index.search(place.rows.view(5, 1), options, nullptr));
  require_value(index.search(place.rows.view(5, 3), options, nullptr));
  options.filter.ids = &asked;
  require_value(index.search(place.rows.view(5, 1), options, nullptr));
  require_value(index.get(asked, all));
  for (std::size_t i = 0; i < asked.size(); i += 50) require_value(index.contains(asked[i]));
  const auto view = require_value(index.view());
  CHECK(view->ids(0, kRows).size() == view->rows());
  CHECK(view->records(0, kRows, all).ids.size() == view->rows());
  const auto block = view->vector_block();
  std::vector<float> copy(kRows * kDimensions);
  view->copy_vectors(copy.data());
  if (block.has_value()) {
    CHECK(std::memcmp(block->data, copy.data(), copy.size() * sizeof(float)) == 0);
  }
}

void zero_all_pages(const Place& place) {
  const IdColumn asked = [&] {
    IdColumn some = mixed_ids(kRows, kRows + 50);
    for (std::size_t i = 0; i < place.ids.size(); i += 3) some.append(place.ids[i]);
    return some;
  }();
  FailingMapping& segment = *place.segment;
  read_everything(place, asked);
  for (std::size_t page = 0; page < segment.pages(); ++page) {
    INFO("page " << page << " of " << segment.pages());
    segment.zero(page);
    read_everything(place, asked);
    segment.restore();
  }
  std::mt19937 random(7);
  for (std::size_t round = 0; round < 60; ++round) {
    INFO("round " << round);
    const std::size_t of = 1 + round % 8;
    for (std::size_t page = 0; page < segment.pages(); ++page) {
      if (random() % 8 < of) segment.zero(page);
    }
    read_everything(place, asked);
    segment.restore();
  }
}

}  // namespace

TEST_CASE("a segment may turn to zeros, page by page, under its readers: mixed ids, cosine") {
  zero_all_pages(Place(Metric::kCosine, mixed_ids(0, kRows)));
}

TEST_CASE("a segment may turn to zeros, page by page, under its readers: integers, l2, deletes") {
  const Place place(Metric::kL2, numbers(0, kRows));
  require_value(place.index->remove(numbers(100, 200)));
  zero_all_pages(place);
}

TEST_CASE("no call answers, and none writes, from a segment that cannot be read any more") {
  Place place(Metric::kCosine, mixed_ids(0, kRows));
  const auto other = new_index(*place.core, "other", 2, Metric::kL2);
  const Rows more = random_rows(2, 2);
  require_value(other->add(numbers(0, 2), more.all(), nullptr, nullptr));
  const auto pinned = require_value(place.index->view());
  CHECK(pinned->check().ok());
  const auto segment = place.segment;  // a flush maps others
  segment->tells = true;
  segment->zero(segment->pages() - 1);

  Index& index = *place.index;
  const MatrixView one = place.rows.view(0, 1);
  const MetadataColumn text = texts({"{}"});
  IdColumn known, unknown = strings({"new"});
  known.append(place.ids[0]);
  SearchOptions exact;
  exact.exact = true;
  const std::vector<std::pair<const char*, Status>> outcomes = {
      {"search", index.search(one, {}, nullptr).status()},
      {"exact", index.search(one, exact, nullptr).status()},
      {"get", index.get(known, {}).status()},
      {"get of none", index.get(unknown, {}).status()},
      {"contains", index.contains(known[0]).status()},
      {"view", pinned->check()},
      {"add", index.add(unknown, one, nullptr, nullptr).status()},
      {"add again", index.add(known, one, nullptr, nullptr).status()},
      {"upsert", index.upsert(unknown, one, nullptr, nullptr).status()},
      {"update", index.update(known, &one, nullptr, nullptr).status()},
      {"update metadata", index.update(known, nullptr, &text, nullptr).status()},
      {"update of none", index.update(unknown, &one, nullptr, nullptr).status()},
      {"remove", index.remove(known).status()},
      {"flush", place.core->flush()},
  };
  for (const auto& [call, status] : outcomes) {
    INFO(call << ": " << status.message());
    CHECK(status.code() == ErrorCode::kCorruption);
    CHECK(status.message().find(".segment cannot be read any more: it was truncated") !=
          std::string::npos);
    CHECK(status.message().starts_with("/db/"));
  }
  CHECK(require_value(other->search(more.view(0, 1), {}, nullptr)).ids.size() == 2);
  require_value(other->add(numbers(2, 3), more.view(0, 1), nullptr, nullptr));
  // Nothing was changed: when the file is whole again, all of it is there.
  segment->restore();
  CHECK(row_count(index) == kRows);
  // Background work may have met it as well, which the first write tells.
  CHECK(eventually([&] { return index.optimize(nullptr).ok(); }));
  require_ok(place.core->close());
}

TEST_CASE("a segment that cannot be read holds up no other index") {
  Place place(Metric::kCosine, numbers(0, kRows));
  const auto other = new_index(*place.core, "other", 2, Metric::kL2);
  const Rows more = random_rows(40, 2);
  require_value(place.index->remove(numbers(0, 1)));
  place.segment->tells = true;
  place.segment->zero(place.segment->pages() - 1);
  for (std::uint64_t id = 0; id < 40; ++id) {
    require_value(other->add(numbers(id, id + 1), more.view(id, 1), nullptr, nullptr));
    if (id == 20) CHECK(place.core->flush().code() == ErrorCode::kCorruption);
  }
  CHECK(require_value(other->stats()).segments == 1);
  CHECK(require_value(other->stats()).memtable_rows == 19);
  CHECK(place.core->close().code() == ErrorCode::kCorruption);
  CHECK(place.core->gone());
  // Its file is whole for the next process: nothing of either index is lost.
  place.index.reset();
  place.core = place.open();
  CHECK(row_count(*require_value(place.core->index("words"))) == kRows - 1);
  CHECK(row_count(*require_value(place.core->index("other"))) == 40);
  require_ok(place.core->close());
}

TEST_CASE("rows of segments that are found bad while they are merged are not written") {
  Place place(Metric::kCosine, mixed_ids(0, kRows));
  place.segment->tells = true;
  // A clean single segment is left alone; with a deleted row optimize() writes it anew.
  IdColumn first;
  first.append(place.ids[0]);
  require_value(place.index->remove(first));
  place.segment->zero(3);
  CHECK(place.index->optimize(nullptr).code() == ErrorCode::kCorruption);
  CHECK(place.core->close().code() == ErrorCode::kCorruption);
  place.index.reset();
  place.core.reset();
  // Opened again, the file is whole, and the log has the delete.
  place.core = place.open();
  place.index = require_value(place.core->index("words"));
  CHECK(row_count(*place.index) == kRows - 1);
  CHECK(require_value(place.index->get(place.ids, {})).ids.size() == kRows - 1);
}

}  // namespace springg::test
