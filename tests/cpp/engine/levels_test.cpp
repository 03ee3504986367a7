// SPDX-License-Identifier: MIT
// What a write survives, at each durability.
#include "engine/support.h"

#include <functional>

#include "engine/database_core.h"
#include "io/fault_file_system.h"

namespace springg::test {

namespace {

using io::FaultFileSystem;

std::shared_ptr<engine::DatabaseCore> open_core(io::FileSystem& files) {
  return require_value(
      engine::DatabaseCore::open("/db", two_threads(), &files, &base::system_unix_ms));
}

std::shared_ptr<Index> new_index(engine::DatabaseCore& core) { return make_index(core, 4); }

std::shared_ptr<Index> words(engine::DatabaseCore& core) {
  return require_value(core.index("words"));
}

}  // namespace

TEST_CASE("each durability keeps what it says") {
  const Rows rows = random_rows(3, 4);
  const auto survivors = [&](Durability durability, bool power_cut) {
    FaultFileSystem files;
    const auto core = open_core(files);
    const auto index = new_index(*core);
    require_value(index->add(numbers(0, 1), rows.view(0, 1), nullptr, nullptr, durability));
    CHECK(row_count(*index) == 1);  // acknowledged is visible, whatever the durability
    const io::CrashPoint point = files.crash_point();
    const auto disk = power_cut ? point.power_cut(point.prefix(0)) : point.process_crash();
    core->abandon();
    const auto again = open_core(*disk);
    const std::size_t left = row_count(*words(*again));
    again->abandon();
    return left;
  };
  CHECK(survivors(Durability::kDisk, true) == 1);
  CHECK(survivors(Durability::kDisk, false) == 1);
  CHECK(survivors(Durability::kProcess, true) == 0);
  CHECK(survivors(Durability::kProcess, false) == 1);
  CHECK(survivors(Durability::kBuffered, false) == 0);
}

TEST_CASE("sync makes everything durable, and so do a while and the next write at disk") {
  const Rows rows = random_rows(3, 4);
  const auto lasts = [&](const std::function<void(engine::DatabaseCore&, Index&)>& then) {
    FaultFileSystem files;
    const auto core = open_core(files);
    const auto index = new_index(*core);
    require_value(
        index->add(numbers(0, 1), rows.view(0, 1), nullptr, nullptr, Durability::kBuffered));
    then(*core, *index);
    const io::CrashPoint point = files.crash_point();
    const auto again = open_core(*point.power_cut(point.prefix(0)));
    const bool there = require_value(words(*again)->contains(numbers(0, 1)[0]));
    core->abandon();
    again->abandon();
    return there;
  };
  CHECK_FALSE(lasts([](engine::DatabaseCore&, Index&) {}));
  CHECK(lasts([](engine::DatabaseCore& core, Index&) { require_ok(core.sync()); }));
  CHECK(lasts([](engine::DatabaseCore& core, Index&) { require_ok(core.flush()); }));
  CHECK(lasts([&](engine::DatabaseCore&, Index& index) {
    require_value(index.add(numbers(5, 6), rows.view(1, 1), nullptr, nullptr));
  }));
  CHECK(lasts([](engine::DatabaseCore& core, Index&) {
    CHECK(eventually([&] {
      const auto stats = core.stats();
      return stats.at("durable_lsn") == stats.at("last_lsn");
    }));
  }));
}

TEST_CASE("a write that has nothing to do makes durable what it found") {
  FaultFileSystem files;
  const auto core = open_core(files);
  const auto index = new_index(*core);
  const MetadataColumn none = texts({""});
  const Rows rows = random_rows(2, 4);
  require_value(index->add(numbers(0, 2), rows.all(), nullptr, nullptr));
  CHECK(require_value(index->remove(numbers(0, 1), Durability::kBuffered)) == 1);
  SECTION("deletes of what is gone") {
    CHECK(require_value(index->remove(numbers(0, 1), Durability::kDisk)) == 0);
  }
  SECTION("an update of nothing") {
    require_value(index->update(numbers(1, 2), nullptr, &none, nullptr, Durability::kDisk));
  }
  const io::CrashPoint point = files.crash_point();
  const auto again = open_core(*point.power_cut(point.prefix(0)));
  CHECK(row_count(*words(*again)) == 1);
  core->abandon();
  again->abandon();
}

}  // namespace springg::test
