// SPDX-License-Identifier: MIT
// One scenario after another for syscalls.py, which makes the system fail under it.
//
//   scenario list                    names
//   scenario prepare NAME DIRECTORY  what it starts from
//   scenario run NAME DIRECTORY      tells what it does (see script.h), and ends without a close
//   scenario judge                   reads directories from its input, a line each; answers with
//                                    "FINGERPRINT" or "refused MESSAGE"
//
// SHORT_WRITE=n in the environment: the n-th write to a file takes half of its bytes.
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

#include "script.h"

namespace {

long short_write_at() {
  const char* value = std::getenv("SHORT_WRITE");
  return value == nullptr ? 0 : std::strtol(value, nullptr, 10);
}

std::atomic<long> writes{0};

}  // namespace

// In the place of the C library's, for the engine too: a file system may take less than was given.
extern "C" ssize_t pwrite(int fd, const void* bytes, size_t count, off_t offset) {
  static const long at = short_write_at();
  if (++writes == at && count > 1) {
    count /= 2;
    std::fputs("short\n", stderr);
  }
  return ::syscall(SYS_pwrite64, fd, bytes, count, offset);
}

namespace springg::crash {

namespace {

constexpr std::uint64_t kNoCheckpoint = std::uint64_t{256} << 20;

struct Scenario {
  const char* name;
  std::uint64_t log_bytes_max;
  bool closed;  // it starts from a clean close, else from a crash
  void (*prepare)(Script&);
  void (*run)(Script&);
};

void nothing(Script&) {}
void one_index(Script& s) { s.create("a"); }
void rows(Script& s) {
  s.create("a");
  s.store("a", 0, 12, 0);
  s.erase("a", 3, 2);
}
// Rows in segments and in the log, deleted ones in both, changed metadata.
void parts(Script& s) {
  s.create("a");
  s.create("b");
  s.store("a", 0, 20, 0);
  s.store("b", 0, 4, 0);
  s.flush();
  s.erase("a", 2, 3);
  s.patch("a", 10, 2, 1);
  s.store("a", 30, 3, 1);
}
void many_parts(Script& s) {
  s.create("a");
  for (int i = 0; i < 7; ++i) {
    s.store("a", static_cast<std::uint64_t>(i) * 5, 6, i);
    s.flush();
  }
}

const Scenario kScenarios[] = {
    {"create", kNoCheckpoint, true, &nothing,
     [](Script& s) {
       s.create("a");
       s.store("a", 0, 1, 0);
       s.create("b");
     }},
    {"add", kNoCheckpoint, true, &one_index,
     [](Script& s) {
       for (int i = 0; i < 5; ++i) s.store("a", static_cast<std::uint64_t>(i), 1, i);
     }},
    {"add_many", kNoCheckpoint, false, &rows,
     [](Script& s) {
       s.store("a", 0, 8, 1);
       s.store("a", 20, 8, 1);
     }},
    {"levels", kNoCheckpoint, true, &rows,
     [](Script& s) {
       s.store("a", 20, 2, 1, Durability::kBuffered);
       s.store("a", 21, 2, 2, Durability::kBuffered);
       s.store("a", 22, 2, 3, Durability::kProcess);
       s.store("a", 23, 2, 4, Durability::kBuffered);
       s.sync();
       s.store("a", 24, 2, 5, Durability::kBuffered);
     }},
    {"beside_the_log", kNoCheckpoint, false, &rows,
     [](Script& s) {
       s.store("a", 5, 12, 1);
       s.store("a", 20, 1, 1);
       s.store("a", 8, 12, 2);
     }},
    {"bulk_segment", kNoCheckpoint, true, &rows,
     [](Script& s) {
       s.store("a", 5, 30, 1);
       s.store("a", 10, 1, 2);
     }},
    {"bulk_update", kNoCheckpoint, true, &parts, [](Script& s) { s.update("a", 5, 15, 3); }},
    {"update", kNoCheckpoint, false, &parts,
     [](Script& s) {
       s.update("a", 5, 2, 3);
       s.update("a", 30, 3, 3);
     }},
    {"metadata", kNoCheckpoint, true, &parts,
     [](Script& s) {
       s.patch("a", 5, 3, 3);
       s.patch("a", 30, 2, 3);
       s.flush();
     }},
    {"delete", kNoCheckpoint, true, &parts,
     [](Script& s) {
       s.erase("a", 5, 3);
       s.erase("a", 30, 9);
       s.flush();
     }},
    {"clear", kNoCheckpoint, false, &parts,
     [](Script& s) {
       s.clear("a");
       s.store("a", 1, 2, 4);
       s.clear("b");
     }},
    {"drop", kNoCheckpoint, false, &parts,
     [](Script& s) {
       s.drop("a");
       s.store("b", 1, 2, 4);
       s.drop("b");
     }},
    {"drop_and_create", kNoCheckpoint, true, &parts,
     [](Script& s) {
       s.drop("a");
       s.create("a");
       s.store("a", 1, 2, 4);
     }},
    {"rename", kNoCheckpoint, false, &parts,
     [](Script& s) {
       s.rename("a", "c");
       s.store("c", 1, 2, 4);
       s.rename("b", "a");
     }},
    {"flush", kNoCheckpoint, false, &parts,
     [](Script& s) {
       s.flush();
       s.store("b", 1, 2, 4);
       s.flush();
     }},
    {"merge", kNoCheckpoint, true, &many_parts,
     [](Script& s) {
       s.store("a", 34, 6, 8);
       s.flush();
       s.store("a", 36, 2, 9);
       s.flush();
     }},
    {"optimize", kNoCheckpoint, true, &many_parts,
     [](Script& s) {
       s.erase("a", 3, 1);
       s.optimize("a");
       s.store("a", 36, 1, 9);
       s.flush();
     }},
    {"close", kNoCheckpoint, false, &parts,
     [](Script& s) {
       if (s.reopen(true)) s.store("a", 1, 1, 5);
     }},
    {"crash_and_open", kNoCheckpoint, false, &parts,
     [](Script& s) {
       s.store("b", 1, 1, 5);
       if (s.reopen(false)) s.store("a", 1, 1, 6);
     }},
    {"log_rotation", kNoCheckpoint, true, &rows,
     [](Script& s) {
       for (int i = 0; i < 6; ++i) s.store("a", 20, 6, i);
     }},
    {"checkpoint", 1500, true, &rows,
     [](Script& s) {
       for (int i = 0; i < 6; ++i) s.store("a", 20 + static_cast<std::uint64_t>(i), 3, i);
     }},
};

const Scenario* find(const std::string& name) {
  for (const Scenario& scenario : kScenarios) {
    if (name == scenario.name) return &scenario;
  }
  return nullptr;
}

int prepare(const Scenario& scenario, const char* directory) {
  Script script(directory, kNoCheckpoint);
  if (!script.open()) return 1;
  scenario.prepare(script);
  if (scenario.closed && !script.reopen(true)) return 1;
  if (scenario.closed) return 0;
  script.end();
  ::_exit(0);
}

[[noreturn]] void run(const Scenario& scenario, const char* directory) {
  Script script(directory, scenario.log_bytes_max);
  if (script.open()) {
    scenario.run(script);
    script.end();
  }
  ::_exit(0);  // as a crash would
}

int judge() {
  for (std::string path; std::getline(std::cin, path);) {
    const auto found = judge_directory(path);
    if (found.ok()) {
      std::printf("%016" PRIx64 "\n", *found);
    } else {
      std::printf("refused %s\n", found.status().message().c_str());
    }
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int main_of(int count, char** values) {
  const std::string verb = count > 1 ? values[1] : "";
  if (verb == "list") {
    for (const Scenario& scenario : kScenarios) std::puts(scenario.name);
    return 0;
  }
  if (verb == "judge") return judge();
  const Scenario* scenario = count == 4 ? find(values[2]) : nullptr;
  if (scenario == nullptr || (verb != "prepare" && verb != "run")) {
    std::fputs("usage: scenario list | judge | prepare NAME DIRECTORY | run NAME DIRECTORY\n",
               stderr);
    return 2;
  }
  if (verb == "prepare") return prepare(*scenario, values[3]);
  run(*scenario, values[3]);
}

}  // namespace springg::crash

int main(int count, char** values) { return springg::crash::main_of(count, values); }
