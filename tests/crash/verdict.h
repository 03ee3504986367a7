// SPDX-License-Identifier: MIT
// Judges what a crash left: which of the states of a run it may be, and which it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "springg/status.h"
#include "workload.h"

namespace springg::crash {

enum class Crash { kPowerCut, kProcessEnd };

// The operations of a run after which the database may stand: those whose loss their durability
// forbids are the least, those that had begun the most. Numbers of operations of the run.
struct Allowed {
  std::size_t least = 0;
  std::size_t most = 0;
};
Allowed allowed_states(std::span<const Operation> run, std::uint64_t clock, Crash crash);

struct Counts {
  std::uint64_t states = 0;
  std::uint64_t lost_acked = 0;      // an older state than allowed
  std::uint64_t resurrected = 0;     // a state of no moment of the run, or of a later one
  std::uint64_t false_refusals = 0;  // did not open
  std::uint64_t refusals = 0;        // did not open, and that was allowed

  void add(const Counts& other);
  std::uint64_t failures() const { return lost_acked + resurrected + false_refusals; }
};

// Counts what was found. Empty when it is allowed, else says what is wrong. `stands_at`: the state
// that was found, for what happens next.
std::string judge(std::span<const Operation> run, const Allowed& allowed,
                  Result<std::uint64_t> found, bool refusal_allowed, Counts& counts,
                  std::size_t* stands_at = nullptr);

}  // namespace springg::crash
