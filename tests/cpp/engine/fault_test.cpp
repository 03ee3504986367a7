// SPDX-License-Identifier: MIT
// Disks that fail: whatever call it is, the old state stays whole.
#include "engine/support.h"

#include <algorithm>

#include "engine/database_core.h"
#include "io/file_system.h"

namespace springg::test {

namespace {

// Passes everything on until the n-th call that changes the disk, which fails, as do all after it
// when `for_good`.
class FaultyFiles final : public io::FileSystem {
 public:
  void fail_at(int call, bool for_good) {
    calls_ = 0;
    fail_at_ = call;
    for_good_ = for_good;
  }
  void heal() { fail_at_ = -1; }
  int calls() const { return calls_; }
  io::FileSystem& inner() { return *inner_; }

  Status create_directories(const std::string& path) override {
    return inner_->create_directories(path);
  }
  Result<std::unique_ptr<io::WritableFile>> create(const std::string& path,
                                                   std::uint64_t size_hint) override {
    SPRINGG_RETURN_IF_ERROR(next());
    SPRINGG_ASSIGN_OR_RETURN(auto file, inner_->create(path, size_hint));
    return std::unique_ptr<io::WritableFile>(std::make_unique<File>(*this, std::move(file)));
  }
  Result<std::shared_ptr<const io::MappedFile>> map(const std::string& path) override {
    return inner_->map(path);
  }
  Status rename(const std::string& from, const std::string& to) override {
    SPRINGG_RETURN_IF_ERROR(next());
    return inner_->rename(from, to);
  }
  Result<std::uint64_t> file_bytes(const std::string& path) override {
    return inner_->file_bytes(path);
  }
  Status link(const std::string& from, const std::string& to) override {
    SPRINGG_RETURN_IF_ERROR(next());
    return inner_->link(from, to);
  }
  Status remove(const std::string& path) override { return inner_->remove(path); }
  Result<bool> exists(const std::string& path) override { return inner_->exists(path); }
  Result<std::vector<std::string>> list(const std::string& directory) override {
    return inner_->list(directory);
  }
  Status sync_directory(const std::string& path) override {
    SPRINGG_RETURN_IF_ERROR(next());
    return inner_->sync_directory(path);
  }
  Result<std::unique_ptr<io::DirectoryLock>> lock_directory(const std::string& path) override {
    return inner_->lock_directory(path);
  }

 private:
  class File final : public io::WritableFile {
   public:
    File(FaultyFiles& files, std::unique_ptr<io::WritableFile> inner)
        : files_(files), inner_(std::move(inner)) {}
    Status append(std::span<const std::byte> bytes) override {
      SPRINGG_RETURN_IF_ERROR(files_.next());
      return inner_->append(bytes);
    }
    Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
      SPRINGG_RETURN_IF_ERROR(files_.next());
      return inner_->write_at(offset, bytes);
    }
    Status sync() override {
      SPRINGG_RETURN_IF_ERROR(files_.next());
      return inner_->sync();
    }
    Status close() override { return inner_->close(); }

   private:
    FaultyFiles& files_;
    std::unique_ptr<io::WritableFile> inner_;
  };

  Status next() {
    const int call = calls_++;
    if (fail_at_ < 0 || call < fail_at_ || (call > fail_at_ && !for_good_)) return {};
    return resource_exhausted("disk full in call " + std::to_string(call));
  }

  std::unique_ptr<io::FileSystem> inner_ = io::make_memory_file_system();
  int calls_ = 0;
  int fail_at_ = -1;
  bool for_good_ = false;
};

std::vector<std::string> data_files(io::FileSystem& files) {
  std::vector<std::string> names = require_value(files.list("db"));
  std::erase(names, "LOCK");
  return names;
}

}  // namespace

TEST_CASE("a flush that fails at any call leaves the state on disk and in memory") {
  for (const bool for_good : {false, true}) {
    bool ended = false;
    for (int call = 0; call < 200 && !ended; ++call) {
      FaultyFiles files;
      auto database = require_value(engine::open_in(files, "db", two_threads()));
      const auto index = make_index(*database, 4);
      const Rows rows = random_rows(30, 4);
      require_value(index->add(numbers(0, 10), rows.view(0, 10), nullptr, nullptr));
      require_ok(database->flush());
      const auto old_files = data_files(files.inner());
      require_value(index->add(numbers(10, 30), rows.view(10, 20), nullptr, nullptr));
      require_value(index->remove(numbers(3, 5)));

      files.fail_at(call, for_good);
      const Status status = database->flush();
      ended = files.calls() <= call;
      files.heal();
      if (ended) {
        require_ok(status);
        CHECK(call > 10);
        continue;
      }
      INFO("call " << call << (for_good ? " and all after it" : " alone"));
      CHECK(status.code() == ErrorCode::kResourceExhausted);
      CHECK(row_count(*index) == 28);
      CHECK(data_files(files.inner()) == old_files);
      require_ok(database->flush());
      require_ok(database->close());
      database = require_value(engine::open_in(files, "db", two_threads()));
      CHECK(row_count(*require_value(database->index("words"))) == 28);
      CHECK_FALSE(
          require_value(require_value(database->index("words"))->contains(numbers(3, 4)[0])));
    }
    REQUIRE(ended);  // else the last calls of a flush were not tried
  }
}

TEST_CASE("changes of the catalogue that fail leave it as it was") {
  FaultyFiles files;
  auto database = require_value(engine::open_in(files, "db", two_threads()));
  const auto index = make_index(*database, 4);
  require_value(index->add(numbers(0, 10), random_rows(10, 4).all(), nullptr, nullptr));
  require_ok(database->flush());
  for (int call = 0; call < 4; ++call) {
    files.fail_at(call, false);
    CHECK(database->create_index("new", index->options(), false).status().code() ==
          ErrorCode::kResourceExhausted);
    files.fail_at(call, false);
    CHECK_FALSE(database->rename_index("words", "terms").ok());
    files.fail_at(call, false);
    CHECK_FALSE(database->drop_index("words").ok());
    files.fail_at(call, false);
    CHECK_FALSE(index->clear().ok());
    files.heal();
    CHECK(require_value(database->index_names()) == std::vector<std::string>{"words"});
    CHECK(row_count(*index) == 10);
  }
  require_ok(database->close());
  database = require_value(engine::open_in(files, "db", two_threads()));
  CHECK(row_count(*require_value(database->index("words"))) == 10);
}

TEST_CASE("a close that cannot flush says so and the database stays open") {
  FaultyFiles files;
  const auto database = require_value(engine::open_in(files, "db", two_threads()));
  const auto index = make_index(*database, 4);
  require_value(index->add(numbers(0, 10), random_rows(10, 4).all(), nullptr, nullptr));
  files.fail_at(0, true);
  CHECK(database->close().code() == ErrorCode::kResourceExhausted);
  CHECK_FALSE(database->closed());
  CHECK(row_count(*index) == 10);
  files.heal();
  require_ok(database->close());
  const auto again = require_value(engine::open_in(files, "db", two_threads()));
  CHECK(row_count(*require_value(again->index("words"))) == 10);
}

}  // namespace springg::test
