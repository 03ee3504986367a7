// SPDX-License-Identifier: MIT
// What a child process tells the parent that is going to kill it, through memory that both share:
// what it found when it opened the database, and each operation before and after it. What the child
// stored is there however it dies.
#pragma once

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <new>
#include <string>
#include <vector>

#include "verdict.h"
#include "workload.h"

namespace springg::crash {

inline constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

struct SideEntry {
  char what[160];
  std::uint64_t fingerprint;
  Durability durability;
  std::atomic<Outcome> outcome;
  std::atomic<bool> ended;
};

struct SideLog {
  static constexpr std::uint32_t kEntries = 2048;
  std::atomic<std::uint32_t> begun;
  std::array<SideEntry, kEntries> entries;
};

struct SideBoard {
  static constexpr std::size_t kOwners = 4;
  enum class State : int { kOpening, kOpened, kFinished, kRefused };

  std::atomic<State> state;
  char fault[512];  // when refused
  std::array<std::uint64_t, kOwners> found;
  std::array<SideLog, kOwners> logs;

  static SideBoard* map() {
    void* memory = ::mmap(nullptr, sizeof(SideBoard), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? nullptr : new (memory) SideBoard;
  }
  void clear() {
    state.store(State::kOpening);
    for (SideLog& log : logs) log.begun.store(0);
  }
  void refuse(const Status& status) {
    std::snprintf(fault, sizeof fault, "%s", status.message().c_str());
    state.store(State::kRefused);
  }
};

class SideJournal final : public Journal {
 public:
  explicit SideJournal(SideLog& log) : log_(log) {}

  void begin(const Operation& operation) override {
    const std::uint32_t at = log_.begun.load(std::memory_order_relaxed);
    SideEntry& entry = log_.entries.at(at);
    write(entry, operation);
    entry.outcome.store(Outcome::kOk, std::memory_order_relaxed);
    entry.ended.store(false, std::memory_order_relaxed);
    log_.begun.store(at + 1, std::memory_order_release);
  }
  void end(const Operation& operation) override {
    SideEntry& entry = log_.entries.at(log_.begun.load(std::memory_order_relaxed) - 1);
    if (operation.outcome != Outcome::kOk) write(entry, operation);
    entry.outcome.store(operation.outcome, std::memory_order_relaxed);
    entry.ended.store(true, std::memory_order_release);
  }

 private:
  static void write(SideEntry& entry, const Operation& operation) {
    std::snprintf(entry.what, sizeof entry.what, "%s", operation.what.c_str());
    entry.fingerprint = operation.fingerprint;
    entry.durability = operation.durability;
  }

  SideLog& log_;
};

// A run as a dead child left it, behind the state that it had found. Its clock counts operations;
// what had not ended ends never.
inline std::vector<Operation> run_of(const SideLog& log, std::uint64_t found) {
  std::vector<Operation> run{{"as it was found", 0, 0, Durability::kDisk, Outcome::kOk, found}};
  const std::uint32_t begun = log.begun.load(std::memory_order_acquire);
  for (std::uint32_t i = 0; i < begun; ++i) {
    const SideEntry& entry = log.entries[i];
    Operation operation;
    operation.what = entry.what;
    operation.begin = i + 1;
    operation.end = entry.ended.load(std::memory_order_acquire) ? i + 1 : kNever;
    operation.durability = entry.durability;
    operation.outcome = entry.outcome.load(std::memory_order_relaxed);
    operation.fingerprint = entry.fingerprint;
    run.push_back(std::move(operation));
  }
  return run;
}

}  // namespace springg::crash
