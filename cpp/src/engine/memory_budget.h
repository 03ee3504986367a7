// SPDX-License-Identifier: MIT
// Bytes that a database's rows, ids, metadata and graphs take, against its limit.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "springg/status.h"

namespace springg::engine {

class MemoryBudget {
 public:
  explicit MemoryBudget(std::optional<std::uint64_t> limit) : limit_(limit) {}

  std::uint64_t used() const noexcept { return used_.load(std::memory_order_relaxed); }
  void add(std::uint64_t bytes) noexcept { used_.fetch_add(bytes, std::memory_order_relaxed); }
  void subtract(std::uint64_t bytes) noexcept { used_.fetch_sub(bytes, std::memory_order_relaxed); }
  // kResourceExhausted when `bytes` more would pass the limit; else they count until subtract().
  Status reserve(std::uint64_t bytes);

 private:
  const std::optional<std::uint64_t> limit_;
  std::atomic<std::uint64_t> used_{0};
};

// What one part holds; counted until it dies, which may be after its index.
class MemoryCharge {
 public:
  explicit MemoryCharge(std::shared_ptr<MemoryBudget> budget) : budget_(std::move(budget)) {}
  ~MemoryCharge() { set(0); }
  MemoryCharge(const MemoryCharge&) = delete;
  MemoryCharge& operator=(const MemoryCharge&) = delete;

  // One thread at a time.
  void set(std::uint64_t bytes) noexcept {
    if (bytes > bytes_) budget_->add(bytes - bytes_);
    if (bytes < bytes_) budget_->subtract(bytes_ - bytes);
    bytes_ = bytes;
  }

 private:
  std::shared_ptr<MemoryBudget> budget_;
  std::uint64_t bytes_ = 0;
};

// What a call is about to need, so that calls running beside it cannot take the same room twice.
class MemoryReservation {
 public:
  static Result<MemoryReservation> make(std::shared_ptr<MemoryBudget> budget, std::uint64_t bytes) {
    SPRINGG_RETURN_IF_ERROR(budget->reserve(bytes));
    return MemoryReservation(std::move(budget), bytes);
  }
  MemoryReservation(MemoryReservation&& other) noexcept = default;
  MemoryReservation& operator=(MemoryReservation&&) = delete;
  ~MemoryReservation() {
    if (budget_ != nullptr) budget_->subtract(bytes_);
  }

 private:
  MemoryReservation(std::shared_ptr<MemoryBudget> budget, std::uint64_t bytes)
      : budget_(std::move(budget)), bytes_(bytes) {}
  std::shared_ptr<MemoryBudget> budget_;
  std::uint64_t bytes_;
};

}  // namespace springg::engine
