// SPDX-License-Identifier: MIT
// Bytes that a database's rows, ids, metadata and graphs take, against its limit. Vectors and
// metadata in files do not count: the system may take their pages away (docs/adr/0017).
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

  const std::optional<std::uint64_t>& limit() const noexcept { return limit_; }
  std::uint64_t used() const noexcept { return used_.load(std::memory_order_relaxed); }
  // Bytes of mapped files that do not count.
  std::uint64_t mapped() const noexcept { return mapped_.load(std::memory_order_relaxed); }
  // Bytes of segments that are in files, which no flush gives back.
  std::uint64_t settled() const noexcept { return settled_.load(std::memory_order_relaxed); }
  // What a flush may give back: bytes of rows that are in no file, but for what the last one left
  // because somebody still holds it.
  std::uint64_t loose() noexcept;
  void note_flushed() noexcept { held_.store(not_in_files(), std::memory_order_relaxed); }
  // Whether not all of the mapped files have room beside what counts: their pages are to be left in
  // the system's cache then. Some loads.
  bool is_lean() const noexcept { return limit_.has_value() && used() + mapped() > *limit_; }
  // Bytes of mapped files that may be resident.
  std::uint64_t resident_max() const noexcept;
  void add(std::uint64_t bytes) noexcept { used_.fetch_add(bytes, std::memory_order_relaxed); }
  void subtract(std::uint64_t bytes) noexcept { used_.fetch_sub(bytes, std::memory_order_relaxed); }
  void add_mapped(std::uint64_t files, std::uint64_t own) noexcept {
    mapped_.fetch_add(files, std::memory_order_relaxed);
    settled_.fetch_add(own, std::memory_order_relaxed);
  }
  void subtract_mapped(std::uint64_t files, std::uint64_t own) noexcept {
    mapped_.fetch_sub(files, std::memory_order_relaxed);
    settled_.fetch_sub(own, std::memory_order_relaxed);
  }
  // kResourceExhausted when `bytes` more would pass the limit; else they count until unreserve().
  Status reserve(std::uint64_t bytes);
  void unreserve(std::uint64_t bytes) noexcept {
    reserved_.fetch_sub(bytes, std::memory_order_relaxed);
    subtract(bytes);
  }

 private:
  std::uint64_t not_in_files() const noexcept;

  const std::optional<std::uint64_t> limit_;
  std::atomic<std::uint64_t> used_{0};
  std::atomic<std::uint64_t> mapped_{0};
  std::atomic<std::uint64_t> settled_{0};
  std::atomic<std::uint64_t> reserved_{0};
  std::atomic<std::uint64_t> held_{0};
};

// What one part holds; counted until it dies, which may be after its index.
class MemoryCharge {
 public:
  explicit MemoryCharge(std::shared_ptr<MemoryBudget> budget) : budget_(std::move(budget)) {}
  ~MemoryCharge() { set(0, 0); }
  MemoryCharge(const MemoryCharge&) = delete;
  MemoryCharge& operator=(const MemoryCharge&) = delete;

  // One thread at a time.
  void set(std::uint64_t bytes) noexcept { set(bytes, 0); }
  // `mapped` bytes, not 0, are in a file and do not count; what counts is not there without it.
  void set(std::uint64_t bytes, std::uint64_t mapped) noexcept {
    budget_->subtract_mapped(mapped_, mapped_ == 0 ? 0 : bytes_);
    mapped_ = mapped;
    budget_->add_mapped(mapped, mapped == 0 ? 0 : bytes);
    if (bytes > bytes_) budget_->add(bytes - bytes_);
    if (bytes < bytes_) budget_->subtract(bytes_ - bytes);
    bytes_ = bytes;
  }

 private:
  std::shared_ptr<MemoryBudget> budget_;
  std::uint64_t bytes_ = 0;
  std::uint64_t mapped_ = 0;
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
    if (budget_ != nullptr) budget_->unreserve(bytes_);
  }

 private:
  MemoryReservation(std::shared_ptr<MemoryBudget> budget, std::uint64_t bytes)
      : budget_(std::move(budget)), bytes_(bytes) {}
  std::shared_ptr<MemoryBudget> budget_;
  std::uint64_t bytes_;
};

}  // namespace springg::engine
