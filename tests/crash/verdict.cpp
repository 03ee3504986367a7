// SPDX-License-Identifier: MIT
#include "verdict.h"

namespace springg::crash {

void Counts::add(const Counts& other) {
  states += other.states;
  lost_acked += other.lost_acked;
  resurrected += other.resurrected;
  false_refusals += other.false_refusals;
  refusals += other.refusals;
}

Allowed allowed_states(std::span<const Operation> run, std::uint64_t clock, Crash crash) {
  const Durability needed = crash == Crash::kPowerCut ? Durability::kDisk : Durability::kProcess;
  Allowed allowed;
  for (std::size_t i = 0; i < run.size(); ++i) {
    const Operation& operation = run[i];
    if (operation.begin <= clock) allowed.most = i;
    if (operation.end <= clock && operation.outcome == Outcome::kOk &&
        operation.durability >= needed) {
      allowed.least = i;
    }
  }
  return allowed;
}

std::string judge(std::span<const Operation> run, const Allowed& allowed,
                  Result<std::uint64_t> found, bool refusal_allowed, Counts& counts,
                  std::size_t* stands_at) {
  ++counts.states;
  if (!found.ok()) {
    if (refusal_allowed && found.status().code() == ErrorCode::kCorruption) {
      ++counts.refusals;
      return {};
    }
    ++counts.false_refusals;
    return "refused: " + found.status().message();
  }
  for (std::size_t i = allowed.most + 1; i-- > allowed.least;) {
    if (run[i].fingerprint != *found) continue;
    if (stands_at != nullptr) *stands_at = i;
    return {};
  }
  const std::string range = "; allowed is after operation " + std::to_string(allowed.least) + " (" +
                            run[allowed.least].what + ") to " + std::to_string(allowed.most) +
                            " (" + run[allowed.most].what + ")";
  for (std::size_t i = allowed.least; i-- > 0;) {
    if (run[i].fingerprint != *found) continue;
    ++counts.lost_acked;
    return "lost: stands after operation " + std::to_string(i) + " (" + run[i].what + ")" + range;
  }
  ++counts.resurrected;
  return "a state of no moment of the run" + range;
}

}  // namespace springg::crash
