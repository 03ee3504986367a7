// SPDX-License-Identifier: MIT
// One file of the log while it is written: zeros ahead, so that a sync has no space to allocate and
// no size to store; a name only once header and zeros are on the disk. One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "io/atomic_file.h"
#include "io/file_system.h"
#include "springg/status.h"
#include "storage/wal_format.h"

namespace springg::storage {

class WalFile {
 public:
  // `bytes` zeros, synced, under a temporary name; removed again if it is never activated.
  // kResourceExhausted when there is no space or no memory. I/O of the whole size.
  static Result<std::unique_ptr<WalFile>> prepare(io::FileSystem& files,
                                                  const std::string& directory,
                                                  std::uint64_t sequence, std::uint64_t bytes);

  std::uint64_t sequence() const { return sequence_; }
  std::uint64_t bytes() const { return bytes_; }
  // What activate() will write.
  void set_header(const WalHeaderBytes& header) { header_ = header; }

  Status write_at(std::uint64_t offset, std::span<const std::byte> bytes);
  // Header and what was written before are on the disk under the file's name when this returns ok.
  Status activate();
  // No call of the system when nothing was written since the last one.
  Status sync();

 private:
  WalFile(io::FileSystem& files, const std::string& directory, std::uint64_t sequence,
          std::uint64_t bytes, io::AtomicFile temporary)
      : files_(files),
        directory_(directory),
        sequence_(sequence),
        bytes_(bytes),
        temporary_(std::move(temporary)) {}

  io::FileSystem& files_;
  std::string directory_;
  std::uint64_t sequence_;
  std::uint64_t bytes_;
  WalHeaderBytes header_{};
  std::optional<io::AtomicFile> temporary_;  // until it is activated, then:
  std::unique_ptr<io::WritableFile> file_;
  bool unsynced_ = false;
};

}  // namespace springg::storage
