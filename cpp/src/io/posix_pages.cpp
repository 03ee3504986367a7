// SPDX-License-Identifier: MIT
#include "io/posix_pages.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <new>
#include <utility>

#include "io/mapping_guard.h"
#include "io/posix_error.h"
#include "io/retry_interrupted.h"

namespace springg::io {

namespace {

// What Linux maps around a page that was touched ("fault around"), aligned.
constexpr std::uintptr_t kAroundBytes = 65'536;

bool read_all(int fd, const FileRange& range) noexcept {
  std::size_t done = 0;
  while (done < range.to.size()) {
    const auto rest = range.to.subspan(done);
    const ssize_t got = retry_interrupted([&] {
      return ::pread(fd, rest.data(), rest.size(), static_cast<off_t>(range.offset + done));
    });
    if (got <= 0) return false;  // 0: the file was cut shorter
    done += static_cast<std::size_t>(got);
  }
  return true;
}

// Asks the disk for it and does not wait.
void ask_for(int fd, const FileRange& range) noexcept {
#if defined(POSIX_FADV_WILLNEED)
  (void)::posix_fadvise(fd, static_cast<off_t>(range.offset), static_cast<off_t>(range.to.size()),
                        POSIX_FADV_WILLNEED);
#else
  (void)fd;
  (void)range;
#endif
}

// Of all descriptors that the process may have, readers take one in so many: the rest of it, and of
// the program that it belongs to, opens files as well.
constexpr std::uint64_t kReadersShare = 4;

std::atomic<std::uint64_t> open_readers{0};

std::uint64_t readers_max() noexcept {
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  // RLIM_INFINITY is the largest number.
  return static_cast<std::uint64_t>(limit.rlim_cur) / kReadersShare;
}

// The right to keep one descriptor for as long as this lives.
class ReaderPlace {
 public:
  ReaderPlace() noexcept : taken_(open_readers.fetch_add(1) < readers_max()) {
    if (!taken_) open_readers.fetch_sub(1);
  }
  ~ReaderPlace() {
    if (taken_) open_readers.fetch_sub(1);
  }
  ReaderPlace(ReaderPlace&& other) noexcept : taken_(std::exchange(other.taken_, false)) {}
  ReaderPlace(const ReaderPlace&) = delete;
  ReaderPlace& operator=(const ReaderPlace&) = delete;

  bool taken() const noexcept { return taken_; }

 private:
  bool taken_;
};

class PosixRandomReader final : public RandomReader {
 public:
  PosixRandomReader(Descriptor fd, ReaderPlace place) noexcept
      : place_(std::move(place)), fd_(std::move(fd)) {}

  bool read(std::span<const FileRange> wanted,
            std::span<const FileRange> soon) const noexcept override {
    std::uint32_t missing[kRangesMax];
    std::size_t count = 0;
    for (std::uint32_t i = 0; i < wanted.size(); ++i) {
      if (!read_cached(wanted[i])) missing[count++] = i;
    }
    if (count == 0) return true;
    // Where nobody tells, all of `wanted` is missing each time: were all that may follow asked for
    // as well, most of these calls would be for what is in the cache.
    const auto follow = tells_cached_.load(std::memory_order_relaxed) ? soon : soon.first(0);
    // One alone is read at once.
    if (count + follow.size() > 1) {
      for (std::size_t i = 0; i < count; ++i) ask_for(fd_.get(), wanted[missing[i]]);
      for (const FileRange& range : follow) ask_for(fd_.get(), range);
    }
    bool whole = true;
    for (std::size_t i = 0; i < count; ++i) {
      whole = read_all(fd_.get(), wanted[missing[i]]) && whole;
    }
    return whole;
  }

 private:
  // Without waiting for a disk; false when that cannot be told, too.
  bool read_cached(const FileRange& range) const noexcept {
#if defined(__linux__) && defined(RWF_NOWAIT)
    if (!tells_cached_.load(std::memory_order_relaxed)) return false;
    const iovec to{range.to.data(), range.to.size()};
    const ssize_t got = ::preadv2(fd_.get(), &to, 1, static_cast<off_t>(range.offset), RWF_NOWAIT);
    if (got < 0 && errno != EAGAIN && errno != EINTR) {
      tells_cached_.store(false, std::memory_order_relaxed);
    }
    return got >= 0 && static_cast<std::size_t>(got) == range.to.size();
#else
    (void)range;
    return false;
#endif
  }

  const ReaderPlace place_;
  const Descriptor fd_;
  // A file system that does not know the question is asked once.
  mutable std::atomic<bool> tells_cached_{true};
};

class PosixScratchMemory final : public ScratchMemory {
 public:
  PosixScratchMemory(void* data, std::size_t size, GuardedRange* range) noexcept
      : data_(data), size_(size), range_(range) {}
  ~PosixScratchMemory() override {
    release_range(range_);
    (void)::munmap(data_, size_);
  }
  PosixScratchMemory(const PosixScratchMemory&) = delete;
  PosixScratchMemory& operator=(const PosixScratchMemory&) = delete;

  std::span<std::byte> bytes() noexcept override { return {static_cast<std::byte*>(data_), size_}; }
  bool unreadable() const noexcept override { return has_zeroed_pages(*range_); }

 private:
  void* data_;
  std::size_t size_;
  GuardedRange* range_;
};

}  // namespace

void drop_pages(std::span<const std::byte> mapping, std::span<const std::byte> part) noexcept {
  if (part.empty()) return;
  const auto first = reinterpret_cast<std::uintptr_t>(mapping.data());
  const auto begin = reinterpret_cast<std::uintptr_t>(part.data());
  const std::uintptr_t from = std::max(first, begin & ~(kAroundBytes - 1));
  const std::uintptr_t to = std::min(
      first + mapping.size(), (begin + part.size() + kAroundBytes - 1) & ~(kAroundBytes - 1));
  if (to <= from) return;
  auto* const at = const_cast<std::byte*>(mapping.data()) + (from - first);
  (void)::madvise(at, to - from, MADV_DONTNEED);
}

std::unique_ptr<const RandomReader> make_random_reader(Descriptor fd) noexcept {
  ReaderPlace place;
  if (!place.taken()) return nullptr;
#if defined(POSIX_FADV_RANDOM)
  // No reading ahead: what lies behind a row is another row.
  (void)::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_RANDOM);
#endif
  return std::unique_ptr<const RandomReader>(
      new (std::nothrow) PosixRandomReader(std::move(fd), std::move(place)));
}

Result<std::unique_ptr<ScratchMemory>> make_scratch_memory(const std::string& directory,
                                                           std::uint64_t bytes) {
#if defined(__linux__) && defined(O_TMPFILE)
  if (bytes == 0 || bytes > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())) {
    return invalid_argument("bytes of scratch memory: expected 1 to " +
                            std::to_string(std::numeric_limits<off_t>::max()) + ", got " +
                            std::to_string(bytes));
  }
  const Descriptor fd(retry_interrupted(
      [&] { return ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600); }));
  if (fd.get() < 0) {
    const bool cannot = errno == EOPNOTSUPP || errno == EISDIR || errno == ENOSYS;
    const Status status = posix_status(errno, "make a file without a name in", directory);
    return cannot ? unsupported(status.message()) : status;
  }
  // Were there no room for a page when it is written to, what is written would be lost.
  const int reserved =
      retry_interrupted([&] { return ::fallocate(fd.get(), 0, 0, static_cast<off_t>(bytes)); });
  if (reserved != 0) {
    const bool cannot = errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL;
    const Status status =
        posix_status(errno, "reserve " + std::to_string(bytes) + " bytes in", directory);
    return cannot ? unsupported(status.message()) : status;
  }
  void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (data == MAP_FAILED) return posix_status(errno, "map scratch memory in", directory);
  GuardedRange* range = guard_range(data, bytes, GuardedUse::kReadWrite);
  std::unique_ptr<ScratchMemory> made;
  if (range != nullptr) made.reset(new (std::nothrow) PosixScratchMemory(data, bytes, range));
  if (made != nullptr) return made;
  if (range != nullptr) release_range(range);
  (void)::munmap(data, bytes);
  return resource_exhausted("out of memory");
#else
  return unsupported("cannot make " + std::to_string(bytes) + " bytes of scratch memory in " +
                     directory);
#endif
}

}  // namespace springg::io
