// SPDX-License-Identifier: MIT
#include "io/mapping_guard.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <new>

namespace springg::io {

namespace {

struct Extent {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
  int protection = PROT_NONE;
};

}  // namespace

// One entry of the list of mappings. Entries are never freed, so that the handler may walk the list
// without a lock at any time; those of released mappings are used again.
class GuardedRange {
 public:
  // True for one caller, until it is given back.
  bool take() noexcept { return !taken_.exchange(true, std::memory_order_acquire); }
  void give_back() noexcept {
    set({});
    taken_.store(false, std::memory_order_release);
  }

  // By the one who took it.
  void set(const Extent& extent) noexcept {
    const std::uint32_t version = version_.load(std::memory_order_relaxed);
    version_.store(version + 1, std::memory_order_relaxed);
    begin_.store(extent.begin, std::memory_order_release);
    end_.store(extent.end, std::memory_order_release);
    protection_.store(extent.protection, std::memory_order_release);
    zeroed_.store(0, std::memory_order_relaxed);
    version_.store(version + 2, std::memory_order_release);
  }

  // For the handler. An entry that changes meanwhile is not that of the address: its mapping is
  // being read, so it is neither new nor about to go.
  bool holds(std::uintptr_t address, Extent& extent) const noexcept {
    const std::uint32_t version = version_.load(std::memory_order_acquire);
    extent.begin = begin_.load(std::memory_order_acquire);
    extent.end = end_.load(std::memory_order_acquire);
    extent.protection = protection_.load(std::memory_order_acquire);
    return version % 2 == 0 && version == version_.load(std::memory_order_relaxed) &&
           extent.begin <= address && address < extent.end;
  }

  // Returns how often it was told before.
  std::uint32_t mark() noexcept { return zeroed_.fetch_add(1); }
  bool marked() const noexcept { return zeroed_.load(std::memory_order_relaxed) != 0; }

  GuardedRange* next = nullptr;  // never changes once the entry is in the list

 private:
  std::atomic<bool> taken_{false};
  std::atomic<std::uint32_t> version_{0};  // odd while the range changes
  std::atomic<std::uintptr_t> begin_{0};
  std::atomic<std::uintptr_t> end_{0};
  std::atomic<int> protection_{PROT_NONE};
  std::atomic<std::uint32_t> zeroed_{0};
};

namespace {

static_assert(std::atomic<std::uintptr_t>::is_always_lock_free &&
                  std::atomic<std::uint32_t>::is_always_lock_free &&
                  std::atomic<int>::is_always_lock_free &&
                  std::atomic<GuardedRange*>::is_always_lock_free,
              "a signal handler may not wait for a lock");

// Pages of one mapping that are replaced one by one. What is still readable in it stays as it is,
// but the system allows some 65,000 mappings, and a walk through a large file that was cut to
// nothing would take one for each page.
constexpr std::uint32_t kSinglePagesMax = 1'024;

std::atomic<GuardedRange*> first_range{nullptr};
// Written before the handler is installed.
struct sigaction previous_action {};
std::uintptr_t page_bytes = 0;

// The system itself where that can be: mmap() is not on the list of what a signal handler may call,
// and tools that watch it take the page for written while others read it.
bool map_zeros(const Extent& extent) noexcept {
  const auto [begin, end, protection] = extent;
  // NORESERVE: pages that may be written to count as memory that is promised, and there may not be
  // as much as a large mapping of a file has. Most of them are never touched again.
  constexpr int kFlags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
#if defined(__linux__) && defined(SYS_mmap)
  return ::syscall(SYS_mmap, begin, end - begin, protection, kFlags, -1, 0L) != -1;
#else
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the address of a fault
  return ::mmap(reinterpret_cast<void*>(begin), end - begin, protection, kFlags, -1, 0) !=
         MAP_FAILED;
#endif
}

// False when the address is no guarded mapping's.
bool replace_page(std::uintptr_t address) noexcept {
  for (GuardedRange* range = first_range.load(std::memory_order_acquire); range != nullptr;
       range = range->next) {
    Extent extent;
    if (!range->holds(address, extent)) continue;
    // Marked first: another thread may read the zeros as soon as they are there.
    const std::uint32_t before = range->mark();
    const std::uintptr_t page = address & ~(page_bytes - 1);
    const Extent single{page, page + page_bytes, extent.protection};
    if (before < kSinglePagesMax && map_zeros(single)) return true;
    return map_zeros(extent);
  }
  return false;
}

// A page of a file that could not be read, and no signal that somebody sent.
bool is_failed_read(const siginfo_t& info) noexcept {
#if defined(BUS_MCEERR_AR)
  if (info.si_code == BUS_MCEERR_AR) return true;
#endif
  return info.si_code == BUS_ADRERR || info.si_code == BUS_OBJERR;
}

void die_as_without_handler(int signal, const siginfo_t* info) noexcept {
  struct sigaction fatal {};
  fatal.sa_handler = SIG_DFL;
  (void)::sigaction(signal, &fatal, nullptr);
  // A fault happens again when the handler returns. What was sent must be sent again.
  if (info == nullptr || info->si_code <= 0) (void)::raise(signal);
}

// As the system would have called it: with its signals blocked.
void call_previous(int signal, siginfo_t* info, void* context) noexcept {
  const struct sigaction& action = previous_action;
  const bool with_info = (action.sa_flags & SA_SIGINFO) != 0;
  // A fault that is ignored would come again for ever; the system kills then, and so do we.
  if (!with_info && (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN)) {
    const bool sent = info == nullptr || info->si_code <= 0;
    if (action.sa_handler == SIG_IGN && sent) return;
    return die_as_without_handler(signal, info);
  }
  sigset_t blocked = action.sa_mask;
  if ((action.sa_flags & SA_NODEFER) == 0) (void)sigaddset(&blocked, signal);
  sigset_t before;
  (void)::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  if (with_info) {
    action.sa_sigaction(signal, info, context);
  } else {
    action.sa_handler(signal);
  }
  (void)::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// Only what may be called in a signal handler: atomics without locks and system calls.
void handle_bus_error(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  const bool ours = info != nullptr && is_failed_read(*info) &&
                    replace_page(reinterpret_cast<std::uintptr_t>(info->si_addr));
  if (!ours) call_previous(signal, info, context);
  errno = error;
}

}  // namespace

void install_bus_handler() noexcept {
  page_bytes = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  if (::sigaction(SIGBUS, nullptr, &previous_action) != 0) return;
  struct sigaction action {};
  action.sa_sigaction = &handle_bus_error;
  // NODEFER: a previous handler may jump out of this one, or send the signal again to end.
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  (void)sigemptyset(&action.sa_mask);
  (void)::sigaction(SIGBUS, &action, nullptr);
}

GuardedRange* guard_range(const void* data, std::size_t bytes, GuardedUse use) noexcept {
  [[maybe_unused]] static const bool installed = (install_bus_handler(), true);
  const auto begin = reinterpret_cast<std::uintptr_t>(data);
  const int protection = use == GuardedUse::kRead ? PROT_READ : PROT_READ | PROT_WRITE;
  const Extent extent{begin, begin + bytes, protection};
  for (GuardedRange* range = first_range.load(std::memory_order_acquire); range != nullptr;
       range = range->next) {
    if (!range->take()) continue;
    range->set(extent);
    return range;
  }
  auto* range = new (std::nothrow) GuardedRange;
  if (range == nullptr) return nullptr;
  (void)range->take();
  range->set(extent);
  range->next = first_range.load(std::memory_order_relaxed);
  while (!first_range.compare_exchange_weak(range->next, range, std::memory_order_release,
                                            std::memory_order_relaxed)) {
  }
  return range;
}

void release_range(GuardedRange* range) noexcept { range->give_back(); }

bool has_zeroed_pages(const GuardedRange& range) noexcept { return range.marked(); }

}  // namespace springg::io
