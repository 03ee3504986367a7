// SPDX-License-Identifier: MIT
// The log being written: one for a database. Callers append records and get positions; a caller
// that waits becomes the leader of all who wait, writes what has gathered and syncs it once (group
// commit). Positions are given in the order of the calls of append(), and frames reach the file in
// that order. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/random_source.h"
#include "base/uuid.h"
#include "base/wall_clock.h"
#include "io/file_system.h"
#include "springg/status.h"
#include "storage/wal_format.h"
#include "storage/wal_reader.h"

namespace springg::storage {

struct WalSettings {
  std::string directory;
  base::Uuid store;
  // Of the log that is gone on with; continue_wal() fills these in.
  std::uint64_t sequence = 1;        // of the first file that will be made
  Lsn first_lsn = 1;                 // that append() will give
  std::uint64_t previous_bytes = 0;  // see WalFileHeader
  std::uint32_t previous_crc = 0;
  std::uint64_t last_stamp = 0;         // stamps are greater
  std::span<const WalTailRecord> tail;  // the records before first_lsn, to be written anew
  std::vector<WalFileStart> older;      // files that remove_through() may remove
  std::uint64_t older_live_bytes = 0;   // see live_bytes()
  // Files are written with zeros ahead, the first with few, each next one with four times as many.
  // Rounded up to whole sectors. A record that is larger gets a file that is as large.
  std::uint64_t file_bytes_min = std::uint64_t{1} << 20;
  std::uint64_t file_bytes_max = std::uint64_t{64} << 20;
  // What is appended and waits for nobody is synced within this time.
  std::uint32_t sync_interval_ms = 50;
  base::RandomSource random = base::system_random;  // salts
};

// What `settings` must say so that the log goes on where `scan` ended; views scan.tail.
void continue_wal(const WalScan& scan, WalSettings& settings);

// How far a record must have come.
enum class WalProgress { kAppended, kWritten, kDurable };

class WriteAheadLog {
 public:
  // Writes nothing more: what was not written is lost, as when the process ends.
  virtual ~WriteAheadLog() = default;

  // With a tail: writes it into a new file, which is on the disk when this returns, so that records
  // which may have been in memory alone are not lost after they were served; repeating that after
  // another crash changes nothing. Without: makes no file. The first append() makes the file, if
  // there is none, and the thread (nobody can know at that time whether it will be waited for).
  // `files` must outlive the log; `settings.tail` need not.
  static Result<std::unique_ptr<WriteAheadLog>> create(io::FileSystem& files,
                                                       const WalSettings& settings,
                                                       base::WallClock clock);

  // Copies the record. On an error nothing has changed and no position was given: kIoError when the
  // log has failed, kResourceExhausted when there is no space for the file that it needs, no memory
  // or no thread, kInvalidArgument above kWalPayloadBytesMax. No I/O unless a new file is needed at
  // once (the next one is made ahead of time by the thread), or 16 MiB wait to be written.
  virtual Result<Lsn> append(const WalRecord& record) = 0;
  // Until everything up to `lsn` is that far; kInvalidArgument above last_lsn(). kIoError: the
  // write or sync failed, and whether the records are on the disk is unknown. From then on the log
  // has failed: every append(), and wait() for what was not durable, returns that first error,
  // nothing is tried again.
  virtual Status wait(Lsn lsn, WalProgress progress) = 0;
  // wait(last_lsn(), kDurable).
  virtual Status sync() = 0;

  virtual Lsn last_lsn() const = 0;     // appended
  virtual Lsn written_lsn() const = 0;  // given to the system: survives the end of the process
  virtual Lsn durable_lsn() const = 0;  // synced: survives a power cut
  virtual Status failure() const = 0;   // ok, or the first error
  // For something beside the log that leaves in doubt what the disk has: as after an error of the
  // log's own, it takes no more.
  virtual void give_up(const Status& error) = 0;

  // Bytes of frames behind `checkpoint`, as remove_through() was last told, to 64 KiB.
  virtual std::uint64_t live_bytes() const = 0;
  // Frames up to `checkpoint` are needed no more: removes the files that hold no others (not the
  // one being written). A file that cannot be removed is left for the next open.
  virtual void remove_through(Lsn checkpoint) noexcept = 0;
  // After a clean checkpoint of everything: closes and removes all files. What cannot be removed is
  // left to the next open, which needs nothing of it. No call may follow.
  virtual void close_and_remove() = 0;
};

}  // namespace springg::storage
