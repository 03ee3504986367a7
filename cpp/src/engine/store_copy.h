// SPDX-License-Identifier: MIT
// A second directory with the same database at one position of the log. Segments and deltas never
// change, so they are shared by links where the file system has them. The copy is a store of its
// own, with a uuid of its own: no log of one is ever replayed into the other.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "io/file_system.h"
#include "springg/status.h"
#include "storage/manifest.h"
#include "storage/wal_reader.h"

namespace springg::engine {

class StoreCopy {
 public:
  // `files` must outlive it.
  StoreCopy(io::FileSystem& files, std::string from, std::string to)
      : files_(files), from_(std::move(from)), to_(std::move(to)) {}
  ~StoreCopy();  // without keep(): removes what it made
  StoreCopy(const StoreCopy&) = delete;
  StoreCopy& operator=(const StoreCopy&) = delete;

  // Makes and locks the target. kFailedPrecondition when it is not empty.
  Status begin();
  // What the manifest names is linked; where that cannot be it is mapped, for finish() to copy. So
  // the files may go once this has returned.
  Status take(const storage::Manifest& manifest);
  // Reads the log behind the manifest, up to `last` at most, and takes the segments that it names.
  Status take_log(const storage::Manifest& manifest, storage::Lsn last);
  storage::Lsn log_end() const { return log_end_; }
  // Copies what has to be copied, and writes the log that was taken and the manifest, which comes
  // last. All of it is on the disk when this returns ok.
  Status finish(storage::Manifest manifest, std::uint64_t now_unix_ms);
  void keep() { kept_ = true; }

  bool linked() const { return pending_.empty(); }
  Result<std::uint64_t> bytes() const;  // of all files in the target

 private:
  void remove_all();
  Status check_empty(bool locked) const;
  Status take_file(const std::string& name);
  Status take_frame(const storage::WalFrame& frame, const storage::Manifest& manifest);
  Status take_damaged(std::uint32_t log_ref, const storage::WalDamage& damage,
                      const storage::Manifest& manifest);
  Status copy(const std::string& name, std::span<const std::byte> bytes);
  Status write_log(const storage::Manifest& manifest);

  io::FileSystem& files_;
  const std::string from_;
  const std::string to_;
  std::unique_ptr<io::DirectoryLock> lock_;
  bool kept_ = false;
  std::vector<std::pair<std::string, std::shared_ptr<const io::MappedFile>>> pending_;
  std::vector<storage::WalTailRecord> tail_;
  storage::Lsn log_end_ = 0;
};

}  // namespace springg::engine
