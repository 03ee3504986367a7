// SPDX-License-Identifier: MIT
// The calls of FileSystem and WritableFile by name, and faults of single calls: what
// FaultFileSystem counts and can make fail.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace springg::io {

enum class Call : std::uint8_t {
  kCreateDirectories,
  kCreate,
  kAppend,
  kWriteAt,
  kSync,
  kClose,
  kRename,
  kLink,
  kRemove,
  kSyncDirectory,
  kLockDirectory,
  // These change nothing.
  kMap,
  kExists,
  kList,
  kFileBytes,
};

// "create_directories", "write_at", ...
std::string_view to_string(Call call) noexcept;

class CallSet {
 public:
  constexpr CallSet(std::initializer_list<Call> calls) noexcept {
    for (const Call call : calls) bits_ |= bit(call);
  }
  constexpr bool contains(Call call) const noexcept { return (bits_ & bit(call)) != 0; }
  constexpr CallSet without(Call call) const noexcept {
    CallSet rest = *this;
    rest.bits_ &= ~bit(call);
    return rest;
  }

 private:
  static constexpr std::uint32_t bit(Call call) noexcept {
    return std::uint32_t{1} << static_cast<unsigned>(call);
  }
  std::uint32_t bits_ = 0;
};

inline constexpr CallSet kMutatingCalls{Call::kCreateDirectories,
                                        Call::kCreate,
                                        Call::kAppend,
                                        Call::kWriteAt,
                                        Call::kSync,
                                        Call::kClose,
                                        Call::kRename,
                                        Call::kLink,
                                        Call::kRemove,
                                        Call::kSyncDirectory,
                                        Call::kLockDirectory};

// What the failing call returns, and how much of it was done.
enum class FaultError : std::uint8_t {
  kIoError,      // kIoError, as after EIO; nothing was done
  kNoSpace,      // kResourceExhausted, as after ENOSPC; nothing was done
  kInterrupted,  // EINTR: the call is done and succeeds, as folder io tries again
  kUnsupported,  // kUnsupported, as of a file system without links; nothing was done
};

// What a failed sync() did to the bytes that it should have made durable.
enum class LostPages : std::uint8_t {
  kKept,           // they stay unsynced: the next sync() that succeeds makes them durable
  kDroppedOnDisk,  // any part of them is on the disk and no later sync() writes the rest, but the
                   // process still sees them: Linux on ext4 and XFS
  kDroppedInProcessToo,  // none of them is on the disk, and the process sees again what is there
};

struct Fault {
  static constexpr std::uint64_t kForEver = std::numeric_limits<std::uint64_t>::max();

  CallSet calls = kMutatingCalls;  // which calls count
  std::string path_suffix = "";    // of their path (of rename and link: either path)
  std::uint64_t skip = 0;          // so many of those that count pass
  std::uint64_t times = 1;         // then so many fail
  FaultError error = FaultError::kIoError;
  // Of a failing append() or write_at(): bytes that are written all the same (a short write).
  std::uint64_t bytes_done = 0;
  bool surfaces = false;  // kInterrupted: the call fails with kIoError and nothing is done
  // Of a failing sync() or sync_directory() (where the last two are the same: the names may be on
  // the disk, and no later call makes them durable).
  LostPages lost = LostPages::kDroppedOnDisk;
};

// Which faults are armed. Not for several threads at once.
class FaultPlan {
 public:
  void add(Fault fault) { armed_.push_back({std::move(fault), 0}); }
  void clear() { armed_.clear(); }
  // Counts the call, and says which fault it meets: the one that was added first.
  std::optional<Fault> meet(Call call, std::string_view path, std::string_view to);

 private:
  struct Armed {
    Fault fault;
    std::uint64_t seen = 0;
  };
  std::vector<Armed> armed_;
};

}  // namespace springg::io
