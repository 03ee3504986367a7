// SPDX-License-Identifier: MIT
#include "engine/memory_budget.h"

#include <algorithm>
#include <string>

namespace springg::engine {

namespace {
// Of the limit: so much of the files may be resident however little room is left.
constexpr std::uint64_t kResidentPart = 16;
}  // namespace

std::uint64_t MemoryBudget::resident_max() const noexcept {
  if (!limit_.has_value()) return mapped();
  const std::uint64_t left = *limit_ - std::min(*limit_, used());
  return std::max(left, *limit_ / kResidentPart);
}

std::uint64_t MemoryBudget::not_in_files() const noexcept {
  const std::uint64_t elsewhere = settled() + reserved_.load(std::memory_order_relaxed);
  const std::uint64_t all = used();
  return all - std::min(all, elsewhere);
}

std::uint64_t MemoryBudget::loose() noexcept {
  const std::uint64_t now = not_in_files();
  // What was held by then may have gone.
  std::uint64_t held = held_.load(std::memory_order_relaxed);
  if (now < held) held_.store(held = now, std::memory_order_relaxed);
  return now - held;
}

Status MemoryBudget::reserve(std::uint64_t bytes) {
  const std::uint64_t before = used_.fetch_add(bytes, std::memory_order_relaxed);
  reserved_.fetch_add(bytes, std::memory_order_relaxed);
  if (!limit_.has_value() || before + bytes <= *limit_) return {};
  unreserve(bytes);
  return resource_exhausted("memory limit exceeded: limit " + std::to_string(*limit_) +
                            " bytes, in use " + std::to_string(before) + ", call needs " +
                            std::to_string(bytes))
      .with("limit", static_cast<std::int64_t>(*limit_))
      .with("in_use", static_cast<std::int64_t>(before))
      .with("needed", static_cast<std::int64_t>(bytes));
}

}  // namespace springg::engine
