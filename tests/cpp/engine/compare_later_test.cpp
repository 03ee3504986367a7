// SPDX-License-Identifier: MIT
// Vectors that are not compared with their checksums while a database is opened: a damaged one is
// in no answer, and is found without anybody asking for it.
#include "engine/support.h"

#include <cstring>
#include <functional>
#include <utility>

#include "engine/database_core.h"
#include "watched_file_system.h"

namespace springg::test {

namespace {

constexpr char kPath[] = "/db";
constexpr std::size_t kRows = 1'000;
constexpr std::size_t kDimensions = 64;  // 256 rows a block of 64 KiB
constexpr std::uint64_t kDamaged = 700;

// A file as it is on a disk that changed one vector.
class DamagedMapping final : public io::MappedFile {
 public:
  DamagedMapping(std::span<const std::byte> content, std::span<const std::byte> vector)
      : buffer_(require_value(base::Buffer::allocate(content.size()))) {
    std::memcpy(buffer_.data(), content.data(), content.size());
    for (std::size_t at = 0; at + vector.size() <= buffer_.size(); at += sizeof(float)) {
      if (std::memcmp(buffer_.data() + at, vector.data(), vector.size()) != 0) continue;
      // Its sign: the row would be the farthest from where it is the nearest.
      for (std::size_t i = 3; i < vector.size(); i += 4) buffer_.data()[at + i] ^= std::byte{0x80};
      found = true;
    }
  }
  std::span<const std::byte> bytes() const noexcept override { return buffer_.span(); }
  bool found = false;

 private:
  base::Buffer buffer_;
};

struct Place {
  std::unique_ptr<io::FileSystem> memory = io::make_memory_file_system();
  testing::WatchedFileSystem files{*memory};
  Rows rows = random_rows(kRows, kDimensions);

  Place() {
    {
      const auto made = require_value(open({}));
      const auto filled = make_index(*made, kDimensions);
      require_value(filled->add(numbers(0, kRows), rows.all(), nullptr, nullptr));
      require_ok(made->close());
    }
    const auto vector =
        std::as_bytes(std::span(rows.values).subspan(kDamaged * kDimensions, kDimensions));
    files.map_as([vector](const std::string& path, testing::WatchedFileSystem::Mapping mapped)
                     -> testing::WatchedFileSystem::Mapping {
      if (!path.ends_with(".segment")) return mapped;
      auto damaged = std::make_shared<DamagedMapping>(mapped->bytes(), vector);
      REQUIRE(damaged->found);
      return damaged;
    });
  }

  Result<std::shared_ptr<engine::DatabaseCore>> open(const engine::Tuning& tuning) {
    return engine::DatabaseCore::open(kPath, two_threads(), &files, &base::system_unix_ms, tuning);
  }
  MatrixView query(std::uint64_t row) const { return rows.view(row, 1); }
};

// It, opened.
struct OpenPlace : Place {
  std::shared_ptr<engine::DatabaseCore> core;
  std::shared_ptr<Index> index;

  explicit OpenPlace(const engine::Tuning& tuning)
      : core(require_value(open(tuning))), index(require_value(core->index("words"))) {}
};

engine::Tuning later(bool in_background = false) {
  engine::Tuning tuning;
  tuning.compare_later_bytes = 0;
  tuning.compare_in_background = in_background;
  return tuning;
}

IdColumn one(std::uint64_t id) { return numbers(id, id + 1); }

}  // namespace

TEST_CASE("small vectors are compared while the database is opened") {
  engine::Tuning tuning;
  tuning.compare_later_bytes = kRows * kDimensions * sizeof(float) + 4'096;
  Place place;
  const Status status = place.open(tuning).status();
  CHECK(status.code() == ErrorCode::kCorruption);
  CHECK(status.message().find("checksum differs") != std::string::npos);
}

TEST_CASE("answers come from vectors whose blocks were compared") {
  const Include vectors{.metadata = false, .vectors = true};
  const OpenPlace place(later());
  Index& index = *place.index;
  // Another block's rows are there, and so is what is not a vector.
  CHECK(require_value(index.get(one(5), vectors)).vectors[3] == place.query(5).data[3]);
  CHECK(require_value(index.get(one(kDamaged), {})).ids.size() == 1);
  SearchOptions nearest;
  nearest.k = 1;
  CHECK(require_value(index.search(place.query(5), nearest, nullptr)).ids[0] == one(5)[0]);

  // Each of these is the first to read the damaged block.
  using Read = std::function<Status(Index&)>;
  SearchOptions exact;
  exact.exact = true;
  SearchOptions filtered;
  const IdColumn wanted = one(kDamaged);
  filtered.filter.ids = &wanted;
  const Read reads[] = {
      [&](Index& in) { return in.get(one(kDamaged), vectors).status(); },
      [&](Index& in) { return in.get(one(kDamaged + 1), vectors).status(); },  // of that block
      [&](Index& in) { return in.search(place.query(kDamaged + 1), nearest, nullptr).status(); },
      [&](Index& in) { return in.search(place.query(5), exact, nullptr).status(); },
      [&](Index& in) { return in.search(place.rows.view(5, 2), exact, nullptr).status(); },
      [&](Index& in) { return in.search(place.query(5), filtered, nullptr).status(); },
      [&](Index& in) {
        const auto view = require_value(in.view());
        std::vector<float> out(kRows * kDimensions);
        view->copy_vectors(out.data());
        return view->check();
      },
      [&](Index& in) {
        const auto view = require_value(in.view());
        view->records(kDamaged, kDamaged + 1, vectors);
        return view->check();
      },
      [&](Index& in) {
        const auto view = require_value(in.view());
        REQUIRE(view->vector_block().has_value());
        return view->check();
      },
      [&](Index& in) {
        // It is written anew without its first row.
        const auto removed = in.remove(one(0));
        return removed.ok() ? in.optimize(nullptr) : removed.status();
      },
  };
  for (std::size_t i = 0; i < std::size(reads); ++i) {
    INFO("read " << i);
    const OpenPlace fresh(later());
    const Status status = reads[i](*fresh.index);
    CHECK(status.code() == ErrorCode::kCorruption);
    CHECK(status.message().find(".segment is damaged at byte ") != std::string::npos);
    // From then on nothing is read of it.
    CHECK(fresh.index->contains(one(5)[0]).status().code() == ErrorCode::kCorruption);
  }
}

TEST_CASE("a damaged vector that nobody asks for is found in the background") {
  const OpenPlace place(later(true));
  CHECK(eventually(
      [&] { return place.index->contains(one(5)[0]).status().code() == ErrorCode::kCorruption; }));
}

}  // namespace springg::test
