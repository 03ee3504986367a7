// SPDX-License-Identifier: MIT
// Calls that fail, disks that are full or slow, and what is counted.
#include "io/fault_file_system.h"

#include <atomic>
#include <thread>
#include <vector>

#include "crash_disk.h"
#include "fault_calls.h"
#include "status_of.h"

namespace springg::io::test {

namespace {

using springg::testing::says;

Fault fault_of(Call call) {
  Fault fault;
  fault.calls = {call};
  return fault;
}

}  // namespace

TEST_CASE("the n-th call fails, once or for good") {
  FaultFileSystem files;
  const auto file = require_value(files.create("/a", 0));
  Fault fault = fault_of(Call::kAppend);
  fault.skip = 1;
  fault.times = GENERATE(std::uint64_t{1}, std::uint64_t{2}, Fault::kForEver);
  files.inject(fault);
  const auto fails = [&](const std::string& path) {
    const auto other = require_value(files.create(path, 0));
    const Status status = other->append(bytes_of("x"));
    CHECK((status.ok() || status.code() == ErrorCode::kIoError));
    return !status.ok();
  };
  CHECK_FALSE(fails("/1"));
  CHECK(fails("/2"));
  CHECK(fails("/3") == (fault.times > 1));
  CHECK(fails("/4") == (fault.times > 2));
  CHECK(contents_of(files).at("2").empty());
  files.clear_faults();
  CHECK_FALSE(fails("/5"));
}

TEST_CASE("a fault is of some calls and some files") {
  FaultFileSystem files;
  Fault fault;
  fault.path_suffix = ".log";
  fault.times = Fault::kForEver;
  files.inject(fault);
  CHECK(files.create("/a", 0).ok());
  const auto refused = files.create("/a.log", 0);
  CHECK(refused.status().code() == ErrorCode::kIoError);
  CHECK(refused.status().message() == "cannot create /a.log: input/output error");
  CHECK(testing::text_detail(refused.status(), "file") == "/a.log");
  CHECK(files.rename("/a", "/b.log").code() == ErrorCode::kIoError);
  CHECK(files.remove("/a").ok());
  CHECK(contents_of(files).empty());
}

TEST_CASE("calls that change nothing fail when they are named, and are not counted") {
  FaultFileSystem files;
  make_durable_file(files, "/a", "text");
  Fault any;
  any.skip = 100;
  files.inject(any);
  const std::uint64_t before = files.operations();
  for (const Call call : {Call::kMap, Call::kExists, Call::kList, Call::kFileBytes}) {
    Fault fault = fault_of(call);
    fault.times = 1;
    files.inject(fault);
  }
  CHECK(files.map("/a").status().code() == ErrorCode::kIoError);
  CHECK(files.exists("/a").status().code() == ErrorCode::kIoError);
  CHECK(files.list("/").status().code() == ErrorCode::kIoError);
  CHECK(files.file_bytes("/a").status().code() == ErrorCode::kIoError);
  CHECK(text_of(files, "/a") == "text");
  CHECK(files.operations() == before);
}

TEST_CASE("errors have the code of their cause") {
  FaultFileSystem files;
  const auto [error, code] = GENERATE(table<FaultError, ErrorCode>({
      {FaultError::kIoError, ErrorCode::kIoError},
      {FaultError::kNoSpace, ErrorCode::kResourceExhausted},
      {FaultError::kUnsupported, ErrorCode::kUnsupported},
      {FaultError::kInterrupted, ErrorCode::kOk},
  }));
  make_durable_file(files, "/a", "text");
  Fault fault = fault_of(Call::kLink);
  fault.error = error;
  files.inject(fault);
  CHECK(files.link("/a", "/b").code() == code);
  CHECK(contents_of(files).contains("b") == (code == ErrorCode::kOk));
}

TEST_CASE("an interrupted call surfaces only when told") {
  FaultFileSystem files;
  Fault fault = fault_of(Call::kCreate);
  fault.error = FaultError::kInterrupted;
  fault.surfaces = true;
  files.inject(fault);
  CHECK(says(files.create("/a", 0).status(), "interrupted"));
  CHECK(files.create("/a", 0).ok());
}

TEST_CASE("a short write leaves its first bytes") {
  FaultFileSystem files;
  const auto file = make_durable_file(files, "/a", "old");
  Fault fault = fault_of(Call::kAppend);
  fault.error = FaultError::kNoSpace;
  fault.bytes_done = 2;
  files.inject(fault);
  CHECK(file->append(bytes_of("new")).code() == ErrorCode::kResourceExhausted);
  CHECK(text_of(files, "/a") == "oldne");
  const CrashPoint point = files.crash_point();
  CHECK(contents_of(*point.power_cut(point.prefix(0))) == Contents{{"a", "old"}});
}

TEST_CASE("after an error a file does nothing more, unless told otherwise") {
  const bool stick = GENERATE(true, false);
  FaultFileSystem files({.record_history = true, .errors_stick = stick});
  const auto file = make_durable_file(files, "/a", "text");
  files.inject(fault_of(Call::kSync));
  CHECK_FALSE(file->sync().ok());
  CHECK(file->sync().ok() == !stick);
  CHECK(file->append(bytes_of("x")).ok() == !stick);
  CHECK(file->close().ok());
}

TEST_CASE("a failed sync loses bytes that no later one brings back") {
  FaultFileSystem files({.record_history = true, .errors_stick = false});
  const auto file = make_durable_file(files, "/a", std::string(512, 'o'));
  require_ok(file->append(bytes_of(std::string(512, 'l'))));
  Fault fault = fault_of(Call::kSync);
  fault.lost =
      GENERATE(LostPages::kKept, LostPages::kDroppedOnDisk, LostPages::kDroppedInProcessToo);
  files.inject(fault);
  CHECK(file->sync().code() == ErrorCode::kIoError);
  const std::string lost = std::string(512, 'o') + std::string(512, '\0');
  const std::string kept = std::string(512, 'o') + std::string(512, 'l');
  const bool dropped = fault.lost == LostPages::kDroppedInProcessToo;
  CHECK(text_of(files, "/a") == (dropped ? lost : kept));
  require_ok(file->append(bytes_of(std::string(512, 'n'))));
  require_ok(file->sync());
  const CrashPoint point = files.crash_point();
  std::set<std::string> states;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    states.insert(contents_of(*point.power_cut(point.random(seed))).at("a").substr(512, 512));
  }
  std::set<std::string> expected;
  if (fault.lost != LostPages::kKept) expected.insert(std::string(512, '\0'));
  if (fault.lost != LostPages::kDroppedInProcessToo) expected.insert(std::string(512, 'l'));
  CHECK(states == expected);
  CHECK(point.power_cut(point.prefix(0))->file_bytes("/a").value() == 1'536);
}

TEST_CASE("what is written while a sync fails is not lost by it") {
  FaultFileSystem files({.record_history = true, .errors_stick = false});
  const auto file = make_durable_file(files, "/a", std::string(512, 'o'));
  require_ok(file->append(bytes_of(std::string(512, 'l'))));
  Fault fault = fault_of(Call::kSync);
  fault.lost = GENERATE(LostPages::kDroppedOnDisk, LostPages::kDroppedInProcessToo);
  files.inject(fault);
  files.set_hook([&](std::uint64_t, Call call, const std::string&) {
    if (call == Call::kSync) require_ok(file->append(bytes_of(std::string(512, 'n'))));
  });
  CHECK_FALSE(file->sync().ok());
  files.set_hook({});
  CHECK(text_of(files, "/a").substr(1'024) == std::string(512, 'n'));
  require_ok(file->sync());
  const CrashPoint point = files.crash_point();
  CHECK(contents_of(*point.power_cut(point.prefix(0))).at("a") ==
        std::string(512, 'o') + std::string(512, '\0') + std::string(512, 'n'));
}

TEST_CASE("a sync that fails twice, in two ways, brings nothing back") {
  FaultFileSystem files({.record_history = true, .errors_stick = false});
  const auto file = make_durable_file(files, "/a", std::string(512, 'o'));
  const auto fail = [&](LostPages lost) {
    Fault fault = fault_of(Call::kSync);
    fault.lost = lost;
    files.clear_faults();
    files.inject(fault);
    CHECK_FALSE(file->sync().ok());
  };
  require_ok(file->append(bytes_of(std::string(512, 'l'))));
  fail(LostPages::kDroppedOnDisk);
  require_ok(file->append(bytes_of(std::string(512, 'n'))));
  require_ok(file->sync());
  fail(LostPages::kDroppedInProcessToo);
  const std::string seen = std::string(512, 'o') + std::string(512, '\0') + std::string(512, 'n');
  CHECK(text_of(files, "/a") == seen);
  require_ok(file->sync());
  const CrashPoint point = files.crash_point();
  CHECK(contents_of(*point.power_cut(point.prefix(0))).at("a") == seen);
}

TEST_CASE("a failed sync of a directory loses names that no later one brings back") {
  FaultFileSystem files;
  CHECK(files.create("/a", 0).ok());
  files.inject(fault_of(Call::kSyncDirectory));
  CHECK(files.sync_directory("/").code() == ErrorCode::kIoError);
  require_ok(files.sync_directory("/"));
  const CrashPoint point = files.crash_point();
  CHECK(contents_of(*point.power_cut(point.prefix(0))).empty());
  CHECK(contents_of(*point.power_cut(point.prefix(1))).contains("a"));
  // What is made of the name later counts again.
  require_ok(files.remove("/a"));
  require_ok(files.sync_directory("/"));
  CHECK(files.crash_point().unsynced().empty());
}

TEST_CASE("a full disk takes what fits, until there is more") {
  FaultFileSystem files;
  const auto first = make_durable_file(files, "/a", std::string(600, 'a'));
  files.set_byte_budget(1'000);
  CHECK(files.bytes_used() == 600);
  CHECK(files.create("/b", 401).status().code() == ErrorCode::kResourceExhausted);
  CHECK_FALSE(require_value(files.exists("/b")));
  auto second = require_value(files.create("/b", 100));
  CHECK(files.bytes_used() == 700);
  CHECK(first->append(bytes_of(std::string(500, 'b'))).code() == ErrorCode::kResourceExhausted);
  CHECK(require_value(files.file_bytes("/a")) == 900);
  CHECK(first->append(bytes_of("b")).code() == ErrorCode::kResourceExhausted);
  // What was reserved is there.
  require_ok(second->append(bytes_of(std::string(100, 'c'))));
  CHECK(second->append(bytes_of("c")).code() == ErrorCode::kResourceExhausted);
  files.set_byte_budget(2'000);
  const auto third = require_value(files.create("/c", 1'000));
  require_ok(third->append(bytes_of(std::string(1'000, 'd'))));
  CHECK(files.create("/d", 1).status().code() == ErrorCode::kResourceExhausted);
  // The space of a removed file comes back when it is closed.
  require_ok(files.remove("/c"));
  CHECK(files.bytes_used() == 2'000);
  require_ok(third->close());
  CHECK(files.bytes_used() == 1'000);
  CHECK(files.create("/d", 1'000).ok());
}

TEST_CASE("what was reserved and not used is given back at the close") {
  FaultFileSystem files;
  files.set_byte_budget(1'000);
  {
    const auto file = require_value(files.create("/a", 1'000));
    require_ok(file->append(bytes_of("text")));
    CHECK(files.bytes_used() == 1'000);
  }
  CHECK(files.bytes_used() == 4);
}

TEST_CASE("a slow sync keeps nobody waiting and covers what was there when it began") {
  FaultFileSystem files;
  const auto file = make_durable_file(files, "/a", "");
  const auto other = make_durable_file(files, "/b", "");
  require_ok(file->append(bytes_of("before")));
  files.set_sync_delay(std::chrono::milliseconds(100));
  const auto start = std::chrono::steady_clock::now();
  std::atomic<bool> synced = false;
  std::atomic<bool> begun = false;
  files.set_hook([&](std::uint64_t, Call call, const std::string&) {
    if (call == Call::kSync) begun = true;
  });
  std::atomic<bool> ok = false;
  std::thread syncing([&] {
    ok = other->sync().ok() && file->sync().ok();
    synced = true;
  });
  while (!begun) std::this_thread::yield();
  // During the first of the two.
  require_ok(other->append(bytes_of("during")));
  CHECK_FALSE(synced);
  syncing.join();
  CHECK(ok);
  CHECK(std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(200));
  const CrashPoint point = files.crash_point();
  CHECK(contents_of(*point.power_cut(point.prefix(0))) == Contents{{"a", "before"}, {"b", ""}});
}

TEST_CASE("the hook hears of each call before it is done") {
  FaultFileSystem files;
  std::vector<std::string> heard;
  files.set_hook([&](std::uint64_t operation, Call call, const std::string& path) {
    CHECK(operation == files.operations());
    heard.push_back(std::to_string(operation) + " " + std::string(to_string(call)) + " " + path);
  });
  require_ok(files.create_directories("/d"));
  auto file = require_value(files.create("/d/a", 10));
  require_ok(file->append(bytes_of("x")));
  require_ok(file->write_at(0, bytes_of("y")));
  require_ok(file->sync());
  require_ok(file->close());
  require_ok(files.rename("/d/a", "/d/b"));
  require_ok(files.link("/d/b", "/d/c"));
  CHECK(files.remove("/d/nothing").code() == ErrorCode::kNotFound);
  require_ok(files.sync_directory("/d"));
  const auto lock = require_value(files.lock_directory("/d"));
  CHECK(heard == std::vector<std::string>{
                     "0 create_directories /d", "1 create /d/a", "2 append /d/a", "3 write_at /d/a",
                     "4 sync /d/a", "5 close /d/a", "6 rename /d/a", "7 link /d/b",
                     "8 remove /d/nothing", "9 sync_directory /d", "10 lock_directory /d"});
  files.set_hook({});
  require_ok(files.remove("/d/c"));
  CHECK(heard.size() == 11);
  CHECK(files.calls().size() == 12);
  CHECK(files.history().operation(8).outcome == ErrorCode::kNotFound);
}

TEST_CASE("a run without history remembers what is durable") {
  FaultFileSystem files({.record_history = false, .errors_stick = true});
  const auto file = make_durable_file(files, "/a", "old");
  require_ok(file->append(bytes_of("new")));
  CHECK(files.operations() == 5);
  CHECK(files.calls().empty());
  const History history = files.history();
  CHECK(history.first() == 5);
  CHECK(history.end() == 5);
  const CrashPoint point = history.at(5);
  CHECK(contents_of(*point.power_cut(point.prefix(0))) == Contents{{"a", "old"}});
  CHECK(contents_of(*point.power_cut(point.prefix(2))) == Contents{{"a", "oldnew"}});
}

TEST_CASE("a prepared disk is durable, and the history begins behind it") {
  FaultFileSystem files;
  CHECK(files.create("/a", 0).ok());
  files.make_durable();
  CHECK(files.history().first() == 1);
  const CrashPoint point = files.crash_point();
  CHECK(point.unsynced().empty());
  CHECK(contents_of(*point.power_cut(point.prefix(0))).contains("a"));
}

TEST_CASE("what was mapped stays as it was") {
  FaultFileSystem files;
  const auto file = make_durable_file(files, "/a", "old");
  const auto before = require_value(files.map("/a"));
  CHECK(require_value(files.map("/a"))->bytes().data() == before->bytes().data());
  require_ok(file->write_at(0, bytes_of("new")));
  CHECK(text_of(files, "/a") == "new");
  CHECK(static_cast<char>(before->bytes()[0]) == 'o');
}

TEST_CASE("many threads write and sync while crashes are taken") {
  FaultFileSystem files;
  files.set_sync_delay(std::chrono::microseconds(20));
  std::vector<std::thread> threads;
  std::atomic<int> running = 3;
  std::atomic<bool> all_ok = true;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      const std::string path = std::string("/") + static_cast<char>('a' + t);
      bool ok = true;
      {
        auto file = files.create(path + ".tmp", 0);
        ok = file.ok();
        for (int i = 0; i < 50 && ok; ++i) {
          ok = (*file)->append(bytes_of("0123456789")).ok() && (*file)->sync().ok();
        }
      }
      ok = ok && files.rename(path + ".tmp", path).ok() && files.sync_directory("/").ok();
      if (!ok) all_ok = false;
      --running;
    });
  }
  std::uint64_t seed = 0;
  while (running > 0) {
    const CrashPoint point = files.crash_point();
    const auto disk = point.power_cut(point.random(++seed));
    for (const auto& [name, text] : contents_of(*disk)) {
      if (name.size() == 1) CHECK(text.size() == 500);
    }
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(all_ok);
  const History history = files.history();
  CHECK(history.end() == 3 * 103);
  for (std::uint64_t at = 0; at <= history.end(); ++at) {
    const CrashPoint point = history.at(at);
    for (const auto& [name, text] : contents_of(*point.power_cut(point.random(at)))) {
      if (name.size() == 1) CHECK(text.size() == 500);
    }
  }
  CHECK(contents_of(*history.at(history.end()).power_cut({})).size() == 3);
}

}  // namespace springg::io::test
