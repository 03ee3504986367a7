// SPDX-License-Identifier: MIT
// A disk that may lose power: what the process sees, what is certainly on the disk, and what may
// be. The rules (a conservative POSIX file system):
//
// - sync() of a file makes the bytes and the size that it had when the call began durable; not its
//   name.
// - sync_directory() makes the names in that directory durable as they were when the call began:
//   creations, links, renames and removals. Not the content of the files. A rename between two
//   directories is two halves, each of which its own directory's sync makes durable.
// - create_directories() is durable when it returns, as io::posix_file_system() does it.
// - Until then each change of names may be on the disk or not, on its own and in any order; a
//   rename within a directory as a whole.
// - Until then each sector (512 bytes) of a file holds what the process saw there after any one of
//   the writes that touched it since it was last durable, or what was durable: zeros where the file
//   has grown. A sector is written whole: never part of one write without the earlier ones in it.
// - The size is the durable one, that after any unsynced append, or any sector's edge between:
//   it may have grown without the bytes (zeros), and bytes beyond the size are lost.
// - Names, sizes and sectors are independent of each other.
// - A failed sync() may lose bytes for good (LostPages).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "io/file_call.h"
#include "io/sparse_bytes.h"
#include "springg/status.h"

namespace springg::io {

inline constexpr std::uint64_t kSectorBytes = 512;

using Inode = std::uint64_t;

// Directories, names and contents. Paths are normal_path().
struct DiskImage {
  std::set<std::string> directories{"/", "."};
  std::map<std::string, Inode> names;
  std::map<Inode, FileRef> files;  // also some that have no name
};

// One mutating call as it was done; what the disk model is made from. Immutable once recorded.
struct Operation {
  Call call = Call::kClose;
  std::string path;  // as normal_path(); of a WritableFile the one it was created with
  std::string to;    // rename, link
  ErrorCode outcome = ErrorCode::kOk;
  Inode inode = 0;
  std::uint64_t reserve = 0;  // create: the size_hint
  std::uint64_t offset = 0;   // append, write_at
  std::uint64_t bytes = 0;    // append, write_at: that were done, also by a call that failed
  // sync, sync_directory: operations below this number are what it is about.
  std::uint64_t covers = 0;
  LostPages lost = LostPages::kKept;  // sync, sync_directory that failed
  // After append, write_at, and a sync that lost bytes: the whole file as the process sees it.
  FileRef after;
  std::vector<std::string> made;  // create_directories, lock_directory: what was not there before
};

// A name's new meaning; none: the name is gone.
struct NameChange {
  std::string path;
  std::optional<Inode> inode;
};

// A part of an operation that is not certainly durable.
struct Unsynced {
  enum class Part : std::uint8_t { kNames, kSize, kData };
  Part part = Part::kNames;
  Call call = Call::kCreate;
  std::uint64_t operation = 0;    // its number
  Inode inode = 0;                // kSize, kData
  std::vector<NameChange> names;  // kNames
  std::uint64_t offset = 0;       // kData: where, and how many bytes
  std::uint64_t bytes = 0;
  std::uint64_t size_before = 0;  // kSize: of the file before the operation, and after it
  std::uint64_t size = 0;
  FileRef after;          // kData: the file as the process saw it after the operation
  bool doubtful = false;  // a sync failed: no later one makes it durable
  // kData: durable, but stands here behind an unsynced write that is doubtful. Not a choice.
  bool certain = false;

  std::uint64_t first_sector() const noexcept { return offset / kSectorBytes; }
  std::uint64_t end_sector() const noexcept {
    return (offset + bytes + kSectorBytes - 1) / kSectorBytes;
  }
};

class DiskModel {
 public:
  DiskModel() = default;
  // All of it is durable.
  explicit DiskModel(const DiskImage& image) : seen_(image), durable_(image) {}

  // `number`: greater than those before.
  void apply(const Operation& operation, std::uint64_t number);
  // All that the process sees is durable.
  void make_durable();
  // Forgets content that the process can reach no more, neither by name nor by an open file.
  void forget_unreachable(const std::map<Inode, std::uint64_t>& open);

  const DiskImage& seen() const noexcept { return seen_; }
  const DiskImage& durable() const noexcept { return durable_; }
  // In order of the operations; of an append its size, then its data.
  const std::vector<Unsynced>& unsynced() const noexcept { return unsynced_; }
  // What is surely on the disk of a file that sync() has lost bytes of, in the size that the
  // process sees; unsynced writes from `covers` on are kept.
  SparseBytes without_lost(Inode inode, std::uint64_t covers) const;

 private:
  void apply_names(const Operation& operation, std::uint64_t number);
  void apply_write(const Operation& operation, std::uint64_t number);
  void sync_file(Inode inode, std::uint64_t covers);
  void sync_failed(const Operation& operation);
  void rewrite_versions(Inode inode);
  void sync_directory(const std::string& directory, std::uint64_t covers);
  void make_name_durable(const NameChange& change, std::uint64_t number);
  void forget_lost_files();

  DiskImage seen_;
  DiskImage durable_;
  std::vector<Unsynced> unsynced_;
};

// The changes of names that an operation makes when it succeeds.
std::vector<NameChange> name_changes(const Operation& operation);

}  // namespace springg::io
