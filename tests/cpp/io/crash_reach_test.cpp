// SPDX-License-Identifier: MIT
// Disks after a crash against a second, slow reading of the rules: none that the rules forbid comes
// out, and where they can be counted, all that the rules allow do.
#include <algorithm>
#include <random>

#include "crash_checker.h"

namespace springg::io::test {

namespace {

// A run of calls drawn from a seed, in one directory.
class RandomRun {
 public:
  explicit RandomRun(unsigned seed) : random_(seed) {}

  void step(NotingFiles& files) {
    const std::size_t file = files.file_count() == 0 ? 0 : below(files.file_count());
    const std::uint64_t action = files.file_count() == 0 ? 0 : below(20);
    if (pending_ >= 4) {
      files.sync_directory();
      pending_ = 0;
    } else if (action < 2) {
      const std::string name = fresh_name();
      files.create(name);
      ++pending_;
    } else if (action < 7) {
      files.append(file, text(1 + below(below(2) == 0 ? 300 : 2'500)));
    } else if (action < 9) {
      if (files.size(file) == 0) return;
      const std::size_t offset = below(files.size(file));
      files.write_at(file, offset, text(1 + below(files.size(file) - offset)));
    } else if (action < 12) {
      files.sync(file, during());
    } else if (action < 14) {
      files.sync_fails(file,
                       below(3) == 0   ? LostPages::kKept
                       : below(2) == 0 ? LostPages::kDroppedOnDisk
                                       : LostPages::kDroppedInProcessToo,
                       during());
    } else if (action < 19) {
      change_name(files, action);
    } else {
      files.sync_directory();
      pending_ = 0;
    }
  }

 private:
  void change_name(NotingFiles& files, std::uint64_t action) {
    if (files.names().empty()) return;
    const std::string name =
        std::next(files.names().begin(), static_cast<std::ptrdiff_t>(below(files.names().size())))
            ->first;
    const std::string other =
        std::next(files.names().begin(), static_cast<std::ptrdiff_t>(below(files.names().size())))
            ->first;
    ++pending_;
    if (action < 16) {
      files.rename(name, below(2) == 0 ? other : fresh_name());
    } else if (action < 17) {
      files.link(name, fresh_name());
    } else {
      files.remove(name);
    }
  }
  // What is written while a sync runs.
  std::string during() { return below(3) == 0 ? text(1 + below(1'000)) : std::string(); }
  std::uint64_t below(std::uint64_t count) { return random_() % count; }
  std::string fresh_name() { return std::string("f").append(std::to_string(next_name_++)); }
  // No byte is 0, and two texts differ almost everywhere.
  std::string text(std::size_t bytes) {
    std::string made(bytes, ' ');
    for (char& letter : made) letter = static_cast<char>('a' + below(26));
    return made;
  }

  std::mt19937 random_;
  int next_name_ = 0;
  int pending_ = 0;
};

}  // namespace

TEST_CASE("every state that is made is one that the rules allow") {
  std::size_t states = 0, changed = 0;
  for (unsigned run = 0; run < 100; ++run) {
    RandomRun random(run);
    NotingFiles files;
    while (files.notes().size() < 40) random.step(files);
    const History history = files.disk.history();
    for (std::size_t at = run % 3; at <= files.notes().size(); at += 3) {
      CrashChecker checker(files.notes(), at);
      REQUIRE(checker.pending_names() <= 5);
      const CrashPoint point = history.at(at);
      const auto check = [&](const CrashChoice& choice, bool garbage) {
        INFO("run " << run << ", " << point.describe(choice));
        const auto disk = point.power_cut(choice);
        const Contents contents = contents_of(*disk);
        ++states;
        changed += contents == contents_of(*point.process_crash()) ? 0U : 1U;
        REQUIRE(checker.allows(contents, garbage));
      };
      for (std::uint64_t seed = 0; seed < 10; ++seed) {
        const bool garbage = seed % 3 == 2;
        check(point.random(run * 1'000 + seed, {.garbage = garbage}), garbage);
      }
      for (std::size_t parts = 0; parts <= point.unsynced().size(); ++parts) {
        check(point.prefix(parts), false);
      }
      check(point.subset(run * 0x9E3779B97F4A7C15U), false);
    }
  }
  CHECK(states > 8'000);
  CHECK(changed > states / 2);
}

TEST_CASE("every state that the rules allow is made") {
  NotingFiles files;
  files.create("a");
  files.append(0, std::string(600, 'a'));
  files.sync(0);
  files.sync_directory();
  SECTION("an append, a write over it and a rename") {
    files.append(0, std::string(900, 'b'));
    files.write_at(0, 500, std::string(200, 'c'));
    files.rename("a", "b");
  }
  SECTION("names in every order") {
    files.create("b");
    files.rename("b", "a");
    files.create("c");
    files.rename("c", "a");
  }
  SECTION("a failed sync and one that succeeds") {
    files.append(0, std::string(900, 'b'));
    files.sync_fails(0, LostPages::kDroppedOnDisk);
    files.append(0, std::string(100, 'c'));
    files.sync(0);
    files.append(0, std::string(100, 'd'));
  }
  CrashChecker checker(files.notes(), files.notes().size());
  const CrashPoint point = files.disk.crash_point();
  std::set<Contents> made;
  for (std::uint64_t seed = 0; seed < 20'000; ++seed) {
    made.insert(contents_of(*point.power_cut(point.random(seed))));
  }
  const std::set<Contents> allowed = checker.all();
  CHECK(allowed.size() > 5);
  CHECK(made == allowed);
}

TEST_CASE("the checker refuses what the rules forbid") {
  NotingFiles files;
  files.create("a");
  files.append(0, std::string(600, 'a'));
  files.sync(0);
  files.sync_directory();
  files.append(0, std::string(600, 'b'));
  CrashChecker checker(files.notes(), files.notes().size());
  const std::string synced(600, 'a'), both = synced + std::string(600, 'b');
  CHECK(checker.allows({{"a", synced}}));
  CHECK(checker.allows({{"a", both}}));
  CHECK_FALSE(checker.allows({}));                               // the name was synced
  CHECK_FALSE(checker.allows({{"b", synced}}));                  // never a name
  CHECK_FALSE(checker.allows({{"a", synced.substr(0, 512)}}));   // the size was synced
  CHECK_FALSE(checker.allows({{"a", "x" + synced.substr(1)}}));  // the bytes were synced
  CHECK_FALSE(checker.allows({{"a", both.substr(0, 700)}}));     // no sector's edge
  CHECK_FALSE(checker.allows({{"a", both + "c"}}));              // never written
  std::string torn = both;
  torn[650] = '\0';  // within a sector
  CHECK_FALSE(checker.allows({{"a", torn}}));
  CHECK(checker.allows({{"a", torn}}, true));
  torn[10] = '\0';
  CHECK_FALSE(checker.allows({{"a", torn}}, true));
}

}  // namespace springg::io::test
