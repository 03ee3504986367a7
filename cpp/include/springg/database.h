// SPDX-License-Identifier: MIT
// Database: a directory of indexes, or memory alone.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "springg/index.h"
#include "springg/maintenance.h"
#include "springg/options.h"
#include "springg/status.h"

namespace springg {

// Opening the same directory again in one process with equal options gives another handle on the
// same database; it closes when its last handle closes. Any thread. Beside the errors that a method
// names, each returns kFailedPrecondition when the database is closed or this is a forked child of
// the process that opened it.
class Database {
 public:
  virtual ~Database() = default;

  // `path` ":memory:" keeps everything in memory. Creates the directory. kFailedPrecondition when
  // another process holds it (names its pid), or when it is open here with other options;
  // kCorruption (file and offset), kUnsupported (written by a newer release), kIoError.
  // Replays the log of a process that did not close. kCorruption also when the log has lost
  // history or is damaged in its middle; a torn end, which no acknowledged write has, is cut.
  static Result<std::shared_ptr<Database>> open(const std::string& path,
                                                const DatabaseOptions& options);

  virtual std::string path() const = 0;  // throws std::bad_alloc, as it has no other way
  // kAlreadyExists unless `exist_ok` and the settings are equal.
  virtual Result<std::shared_ptr<Index>> create_index(const std::string& name,
                                                      const IndexOptions& options,
                                                      bool exist_ok) = 0;
  // kNotFound names near spellings.
  virtual Result<std::shared_ptr<Index>> index(const std::string& name) const = 0;
  virtual Result<std::vector<std::string>> index_names() const = 0;  // sorted
  // Calls on handles of a dropped index return kFailedPrecondition. kNotFound names near spellings.
  // Publishes one manifest without the index (kIoError, kResourceExhausted: nothing is dropped),
  // then removes its files; views that are held keep their rows.
  virtual Status drop_index(const std::string& name) = 0;
  // Handles follow. kNotFound; kAlreadyExists when `to` is taken; kInvalidArgument when it is no
  // name. Publishes one manifest, whatever the index's size; on an error the old name stays.
  virtual Status rename_index(const std::string& from, const std::string& to) = 0;
  // Of a read-only database: shows what the writer has given to the system by now, whether or not
  // it is on the disk yet. A call's rows appear together. On an error what was shown stays; the
  // next refresh tries again. kCorruption (file and offset), kNotFound when the directory is gone,
  // kFailedPrecondition when it has another database now. Any other database: does nothing.
  virtual Status refresh() = 0;
  // Everything acknowledged before the call is on the disk, whatever its durability. kIoError.
  virtual Status sync() = 0;
  // Everything acknowledged before the call is in segments, the manifest that names them is
  // durable, and the log is cut. Segments of whose rows more than a fifth are deleted are written
  // anew, with their graphs; the flushes of close(), snapshot() and of background work leave that
  // to merges. Atomic: on an error the old state is intact on disk and in memory.
  virtual Status flush() = 0;
  // A copy of the database as it was at one position of the log, in a directory that must be empty
  // or not exist. Writers go on; a flush comes first. Segments are shared by links where the file
  // system has them. The copy is a database of its own, with a store uuid of its own, and it was
  // opened once when this returns. kFailedPrecondition: in memory, or not empty; after an error
  // nothing of it is left.
  virtual Result<SnapshotInfo> snapshot(const std::string& path) = 0;
  // springg::check() of its directory while it is open; nothing is to be checked in memory.
  // `repair` with damage: kFailedPrecondition, since that needs a directory that nobody has open.
  virtual Result<CheckReport> check(bool repair) const = 0;
  // Bytes by component, in memory or in mapped files: "vectors", "graphs", "codes", "ids",
  // "metadata", "other", and their "total". Across them: "mapped", vectors and documents in files,
  // whose pages the system may take away; "counted", what is held against the memory limit now.
  virtual Result<std::map<std::string, std::uint64_t>> memory_usage() const = 0;
  // Generation of the manifest, last sequence, positions in the log ("last_lsn", "durable_lsn",
  // "log_bytes"), and the counts of IndexStats summed over all
  // indexes. O(parts); leaves background errors where they are.
  virtual Result<std::map<std::string, std::uint64_t>> stats() const = 0;
  // The first error of a background flush that no write has returned yet; empty when there is none.
  // The next write returns it and stores nothing; the one after that is tried as any other.
  virtual Result<std::string> background_error() const = 0;
  // Flushes, then lets go of files, threads and memory. Idempotent. Calls that are running finish
  // first; later ones return kFailedPrecondition. On an error it stays open; but when the log has
  // failed there is nothing to be flushed: it lets go, and returns the log's error.
  virtual Status close() = 0;
  virtual bool closed() const = 0;
};

}  // namespace springg
