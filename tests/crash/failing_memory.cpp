// SPDX-License-Identifier: MIT
#include "failing_memory.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace springg::crash {

namespace {

constinit std::atomic<bool> armed{false};
constinit std::atomic<bool> failed{false};
constinit std::atomic<std::uint64_t> counted{0};
// Written while nothing is armed.
Who failing_who = Who::kCaller;
Shortage failing_shortage = Shortage::kOnce;
std::uint64_t failing_at = 0;
constinit thread_local bool is_caller = false;

bool fails_now() noexcept {
  if (!armed.load(std::memory_order_acquire)) return false;
  if (is_caller != (failing_who == Who::kCaller)) return false;
  const std::uint64_t number = counted.fetch_add(1) + 1;
  const bool fails =
      number == failing_at || (number > failing_at && failing_shortage == Shortage::kUntilLater);
  if (fails) failed.store(true);
  return fails;
}

void* allocate(std::size_t bytes, std::size_t alignment = 0) noexcept {
  if (fails_now()) return nullptr;
  bytes = std::max<std::size_t>(bytes, 1);
  if (alignment <= alignof(std::max_align_t)) return std::malloc(bytes);
  return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

void* allocate_or_throw(std::size_t bytes, std::size_t alignment = 0) {
  void* const memory = allocate(bytes, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void arm(Who who, Shortage shortage, std::uint64_t n) noexcept {
  failing_who = who;
  failing_shortage = shortage;
  failing_at = n;
  counted.store(0);
  failed.store(false);
  is_caller = true;
  armed.store(true, std::memory_order_release);
}

bool disarm() noexcept {
  armed.store(false);
  is_caller = false;
  return failed.load();
}

std::uint64_t allocations_counted() noexcept { return counted.load(); }

}  // namespace springg::crash

namespace crash = springg::crash;

void* operator new(std::size_t bytes) { return crash::allocate_or_throw(bytes); }
void* operator new[](std::size_t bytes) { return crash::allocate_or_throw(bytes); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return crash::allocate(bytes);
}
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept {
  return crash::allocate(bytes);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return crash::allocate_or_throw(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return crash::allocate_or_throw(bytes, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return crash::allocate(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment,
                     const std::nothrow_t&) noexcept {
  return crash::allocate(bytes, static_cast<std::size_t>(alignment));
}

void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t, const std::nothrow_t&) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::align_val_t, const std::nothrow_t&) noexcept {
  std::free(memory);
}

// base/buffer.h and mapped files. What the C library maps for itself does not come by here.
extern "C" void* mmap(void* address, std::size_t bytes, int protection, int flags, int fd,
                      off_t offset) noexcept {
  if (crash::fails_now()) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  // NOLINTNEXTLINE(performance-no-int-to-ptr): what the system returns
  return reinterpret_cast<void*>(
      ::syscall(SYS_mmap, address, bytes, protection, flags, fd, offset));
}
