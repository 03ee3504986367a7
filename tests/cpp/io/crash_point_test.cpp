// SPDX-License-Identifier: MIT
// What a power cut may take and what it may not, rule by rule (io/disk_model.h).
#include "io/crash_point.h"

#include <set>
#include <vector>

#include "crash_disk.h"

namespace springg::io::test {

namespace {

// What the disks hold after every subset of what was unsynced.
std::set<Contents> all_subsets(const CrashPoint& point) {
  const std::size_t parts = point.unsynced().size();
  REQUIRE(parts <= 12);
  std::set<Contents> states;
  for (std::uint64_t mask = 0; mask < std::uint64_t{1} << parts; ++mask) {
    states.insert(contents_of(*point.power_cut(point.subset(mask))));
  }
  return states;
}

std::set<Contents> random_states(const CrashPoint& point, std::uint64_t count,
                                 const RandomCrash& options = {}) {
  std::set<Contents> states;
  for (std::uint64_t seed = 0; seed < count; ++seed) {
    states.insert(contents_of(*point.power_cut(point.random(seed, options))));
  }
  return states;
}

std::string filled(std::size_t count, char letter) { return std::string(count, letter); }

}  // namespace

TEST_CASE("a write without sync is lost on one disk and kept on another") {
  FaultFileSystem files;
  const auto file = make_durable_file(files, "/a", "old");
  require_ok(file->append(bytes_of("new")));
  const auto states = all_subsets(files.crash_point());
  CHECK(states == std::set<Contents>{
                      {{"a", "old"}}, {{"a", std::string("old\0\0\0", 6)}}, {{"a", "oldnew"}}});
  CHECK(random_states(files.crash_point(), 200) == states);
}

TEST_CASE("what was synced is on every disk") {
  FaultFileSystem files;
  const auto file = make_durable_file(files, "/a", filled(2'000, 'a'));
  require_ok(file->append(bytes_of(filled(3'000, 'b'))));
  require_ok(file->sync());
  CHECK(files.crash_point().unsynced().empty());
  require_ok(file->append(bytes_of(filled(3'000, 'c'))));
  const std::string kept = filled(2'000, 'a') + filled(3'000, 'b');
  for (const Contents& state : random_states(files.crash_point(), 500, {.garbage = true})) {
    REQUIRE(state.contains("a"));
    CHECK(state.at("a").substr(0, kept.size()) == kept);
  }
}

TEST_CASE("a sync covers a file's bytes, not its name") {
  FaultFileSystem files;
  const auto file = require_value(files.create("/a", 0));
  require_ok(file->append(bytes_of("text")));
  require_ok(file->sync());
  CHECK(all_subsets(files.crash_point()) == std::set<Contents>{{}, {{"a", "text"}}});
  require_ok(files.sync_directory("/"));
  CHECK(all_subsets(files.crash_point()) == std::set<Contents>{{{"a", "text"}}});
}

TEST_CASE("a directory's sync covers names, not bytes") {
  FaultFileSystem files;
  const auto file = require_value(files.create("/a", 0));
  require_ok(file->append(bytes_of("text")));
  require_ok(files.sync_directory("/"));
  CHECK(all_subsets(files.crash_point()) ==
        std::set<Contents>{{{"a", ""}}, {{"a", std::string(4, '\0')}}, {{"a", "text"}}});
}

TEST_CASE("a rename is not on the disk before the directory is synced") {
  FaultFileSystem files;
  make_durable_file(files, "/a", "old");
  make_durable_file(files, "/a.tmp", "new");
  require_ok(files.rename("/a.tmp", "/a"));
  CHECK(all_subsets(files.crash_point()) ==
        std::set<Contents>{{{"a", "old"}, {"a.tmp", "new"}}, {{"a", "new"}}});
  require_ok(files.sync_directory("/"));
  CHECK(all_subsets(files.crash_point()) == std::set<Contents>{{{"a", "new"}}});
}

TEST_CASE("a rename before the sync may replace a good file by an empty one") {
  FaultFileSystem files;
  make_durable_file(files, "/a", "old");
  const auto file = require_value(files.create("/a.tmp", 0));
  require_ok(file->append(bytes_of("new")));
  require_ok(files.rename("/a.tmp", "/a"));
  require_ok(files.sync_directory("/"));
  const auto states = all_subsets(files.crash_point());
  CHECK(states == std::set<Contents>{{{"a", ""}}, {{"a", std::string(3, '\0')}}, {{"a", "new"}}});
}

TEST_CASE("a removed file may be back") {
  FaultFileSystem files;
  make_durable_file(files, "/a", "text");
  require_ok(files.remove("/a"));
  CHECK(all_subsets(files.crash_point()) == std::set<Contents>{{}, {{"a", "text"}}});
  require_ok(files.sync_directory("/"));
  CHECK(all_subsets(files.crash_point()) == std::set<Contents>{Contents{}});
}

TEST_CASE("a second name may be lost, and the first with it when it was removed too early") {
  FaultFileSystem files;
  make_durable_file(files, "/a", "text");
  require_ok(files.link("/a", "/b"));
  require_ok(files.remove("/a"));
  CHECK(all_subsets(files.crash_point()) ==
        std::set<Contents>{{}, {{"a", "text"}}, {{"b", "text"}}, {{"a", "text"}, {"b", "text"}}});
}

TEST_CASE("changes of names may come in another order") {
  FaultFileSystem files;
  make_durable_file(files, "/a", "old");
  make_durable_file(files, "/b", "new");
  make_durable_file(files, "/c", "newest");
  require_ok(files.rename("/b", "/a"));
  require_ok(files.rename("/c", "/a"));
  const Contents swapped{{"a", "new"}};
  CHECK_FALSE(all_subsets(files.crash_point()).contains(swapped));
  CHECK(random_states(files.crash_point(), 300).contains(swapped));
}

TEST_CASE("the two halves of a rename between directories are durable with their directories") {
  FaultFileSystem files;
  require_ok(files.create_directories("/d"));
  make_durable_file(files, "/a", "text");
  require_ok(files.rename("/a", "/d/a"));
  CHECK(files.crash_point().unsynced().size() == 1);
  require_ok(files.sync_directory("/d"));
  const CrashPoint half = files.crash_point();
  REQUIRE(half.unsynced().size() == 1);
  const auto lost = half.power_cut(half.prefix(0));
  CHECK(contents_of(*lost, "/d") == Contents{{"a", "text"}});
  CHECK(contents_of(*lost) == Contents{{"a", "text"}});
  require_ok(files.sync_directory("/"));
  CHECK(files.crash_point().unsynced().empty());
}

TEST_CASE("directories are durable when they have been made") {
  FaultFileSystem files;
  require_ok(files.create_directories("/d/e"));
  const CrashPoint point = files.crash_point();
  CHECK(require_value(point.power_cut(point.prefix(0))->exists("/d/e")));
  const CrashPoint before = files.history().at(0);
  CHECK_FALSE(require_value(before.power_cut(before.prefix(0))->exists("/d")));
}

TEST_CASE("a write is torn at sectors") {
  FaultFileSystem files;
  const auto file = make_durable_file(files, "/a", filled(2'048, 'o'));
  require_ok(file->write_at(256, bytes_of(filled(1'280, 'n'))));
  const CrashPoint point = files.crash_point();
  REQUIRE(point.unsynced().size() == 1);
  CHECK(point.unsynced()[0].first_sector() == 0);
  CHECK(point.unsynced()[0].end_sector() == 3);
  CrashChoice middle;
  middle.kept.push_back({0, 0, {{1, 2}}});
  CHECK(contents_of(*point.power_cut(middle)).at("a") ==
        filled(512, 'o') + filled(512, 'n') + filled(1'024, 'o'));
  std::set<Contents> expected;
  for (unsigned mask = 0; mask < 8; ++mask) {
    std::string text = filled(2'048, 'o');
    if ((mask & 1U) != 0) text.replace(256, 256, 256, 'n');
    if ((mask & 2U) != 0) text.replace(512, 512, 512, 'n');
    if ((mask & 4U) != 0) text.replace(1'024, 512, 512, 'n');
    expected.insert({{"a", text}});
  }
  CHECK(random_states(point, 600) == expected);
}

TEST_CASE("a sector brings what earlier writes had put into it") {
  FaultFileSystem files;
  const auto file = make_durable_file(files, "/a", filled(512, 'o'));
  require_ok(file->write_at(0, bytes_of("first")));
  require_ok(file->write_at(100, bytes_of("second")));
  for (const Contents& state : random_states(files.crash_point(), 200)) {
    if (state.at("a").substr(100, 6) == "second") CHECK(state.at("a").substr(0, 5) == "first");
  }
  const CrashPoint point = files.crash_point();
  const Contents second = contents_of(*point.power_cut(point.subset(2)));
  CHECK(second.at("a").substr(0, 5) == "first");
}

TEST_CASE("a size may have grown without the bytes, by whole sectors") {
  FaultFileSystem files;
  const auto file = make_durable_file(files, "/a", "x");
  require_ok(file->append(bytes_of(filled(1'200, 'y'))));
  std::set<std::size_t> sizes;
  bool zeros = false;
  for (const Contents& state : random_states(files.crash_point(), 500)) {
    sizes.insert(state.at("a").size());
    zeros = zeros || state.at("a") == "x" + filled(1'200, '\0');
  }
  CHECK(sizes == std::set<std::size_t>{1, 512, 1'024, 1'201});
  CHECK(zeros);
}

TEST_CASE("a prefix keeps the first operations and no others") {
  FaultFileSystem files;
  const auto file = make_durable_file(files, "/a", "0");
  require_ok(file->append(bytes_of("1")));
  require_ok(file->append(bytes_of("2")));
  require_ok(files.rename("/a", "/b"));
  const CrashPoint point = files.crash_point();
  REQUIRE(point.unsynced().size() == 5);
  const std::vector<Contents> expected{
      {{"a", "0"}},   {{"a", std::string("0\0", 2)}},
      {{"a", "01"}},  {{"a", std::string("01\0", 3)}},
      {{"a", "012"}}, {{"b", "012"}},
  };
  for (std::size_t parts = 0; parts < expected.size(); ++parts) {
    CHECK(contents_of(*point.power_cut(point.prefix(parts))) == expected[parts]);
  }
}

TEST_CASE("garbage stands only where unsynced writes would have stood") {
  FaultFileSystem files;
  const auto file = make_durable_file(files, "/a", filled(700, 's'));
  require_ok(file->append(bytes_of(filled(100, 'u'))));
  const CrashPoint point = files.crash_point();
  bool garbage = false;
  for (const Contents& state : random_states(point, 300, {.garbage = true})) {
    CHECK(state.at("a").substr(0, 700) == filled(700, 's'));
    const std::string tail = state.at("a").substr(700);
    garbage = garbage || tail.find_first_not_of(std::string("u\0", 2)) != std::string::npos;
  }
  CHECK(garbage);
  for (const Contents& state : random_states(point, 300)) {
    const std::string tail = state.at("a").substr(700);
    CHECK(tail.find_first_not_of(std::string("u\0", 2)) == std::string::npos);
  }
}

TEST_CASE("states are taken at any moment of a run that is over") {
  FaultFileSystem files;
  const auto file = make_durable_file(files, "/a", "");
  files.make_durable();
  const std::uint64_t first = files.operations();
  for (int i = 0; i < 300; ++i) {
    require_ok(file->append(bytes_of("x")));
    require_ok(file->sync());
  }
  const History history = files.history();
  CHECK(history.first() == first);
  CHECK(history.end() == first + 600);
  for (const std::uint64_t at : {0U, 1U, 2U, 63U, 64U, 127U, 128U, 129U, 300U, 599U, 600U}) {
    const CrashPoint point = history.at(first + at);
    CHECK(point.operation() == first + at);
    CHECK(contents_of(*point.power_cut(point.prefix(0))).at("a").size() == at / 2);
    CHECK(contents_of(*point.process_crash()).at("a").size() == (at + 1) / 2);
  }
}

TEST_CASE("a disk after a power cut is whole, unlocked and can be crashed again") {
  FaultFileSystem files;
  const auto lock = require_value(files.lock_directory("/"));
  const auto file = make_durable_file(files, "/a", "text");
  require_ok(file->append(bytes_of("lost")));
  const CrashPoint point = files.crash_point();
  const auto disk = point.power_cut(point.prefix(0));
  CHECK(disk->lock_directory("/").ok());
  CHECK(disk->operations() == 1);
  const auto other = require_value(disk->create("/b", 0));
  require_ok(other->append(bytes_of("b")));
  require_ok(other->sync());
  require_ok(disk->sync_directory("/"));
  const CrashPoint again = disk->crash_point();
  CHECK(again.unsynced().empty());
  CHECK(contents_of(*again.power_cut(again.prefix(0))) == Contents{{"a", "text"}, {"b", "b"}});
  CHECK(contents_of(files) == Contents{{"a", "textlost"}});
}

TEST_CASE("a killed process loses nothing, but a power cut after it may") {
  FaultFileSystem files;
  const auto lock = require_value(files.lock_directory("/"));
  const auto file = make_durable_file(files, "/a", "old");
  require_ok(file->append(bytes_of("new")));
  const std::uint64_t killed = files.operations();
  const auto disk = files.crash_point().process_crash();
  CHECK(contents_of(*disk) == Contents{{"a", "oldnew"}});
  CHECK(disk->lock_directory("/").ok());
  CHECK(disk->operations() == killed + 1);
  const CrashPoint point = disk->crash_point();
  CHECK(contents_of(*point.power_cut(point.prefix(0))) == Contents{{"a", "old"}});
  // What only the killed process held is gone.
  require_ok(files.remove("/a"));
  CHECK(files.bytes_used() == 6);
  CHECK(files.crash_point().process_crash()->bytes_used() == 0);
  CHECK(disk->history().first() == 0);
  CHECK(disk->history().operation(0).call == Call::kLockDirectory);
}

TEST_CASE("one seed makes one disk") {
  FaultFileSystem files;
  const auto file = make_durable_file(files, "/a", filled(3'000, 'o'));
  require_ok(file->append(bytes_of(filled(9'000, 'n'))));
  require_ok(file->write_at(100, bytes_of(filled(2'000, 'm'))));
  make_durable_file(files, "/b", "b");
  require_ok(files.rename("/b", "/c"));
  const CrashPoint point = files.crash_point();
  const CrashPoint same = files.history().at(files.operations());
  std::set<Contents> different;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const RandomCrash options{.garbage = seed % 2 == 0};
    const Contents state = contents_of(*point.power_cut(point.random(seed, options)));
    CHECK(state == contents_of(*same.power_cut(same.random(seed, options))));
    different.insert(state);
  }
  CHECK(different.size() > 30);
}

TEST_CASE("a choice can be read") {
  FaultFileSystem files;
  const auto file = make_durable_file(files, "/a", "");
  require_ok(file->append(bytes_of(filled(1'024, 'n'))));
  require_ok(files.rename("/a", "/b"));
  const CrashPoint point = files.crash_point();
  CrashChoice choice;
  choice.kept.push_back({0, 512, {}});
  choice.kept.push_back({1, 0, {{1, 2}}});
  CHECK(point.describe(choice) ==
        "crash before operation 6; unsynced:\n"
        "4 append file 1 size 1024: kept as 512\n"
        "4 append file 1 bytes 0+1024: kept in sectors [1, 2)\n"
        "5 rename /a=gone /b=file 1: lost\n");
}

}  // namespace springg::io::test
