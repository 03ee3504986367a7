// SPDX-License-Identifier: MIT
// What a run did to a FaultFileSystem, and the disks that a crash at any moment of it may leave
// behind. The rules are those of disk_model.h. Objects here are immutable: any thread, many at
// once.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/disk_model.h"

namespace springg::io {

class FaultFileSystem;
struct RecordedRun;

// [begin, end), counted from the start of the file.
struct SectorRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

// One part of CrashPoint::unsynced() that reached the disk.
struct Kept {
  std::size_t part = 0;  // its place in unsynced()
  // kSize: the size on the disk, from size_before to size. kData: which of the sectors it touched.
  std::uint64_t size = 0;
  std::vector<SectorRange> sectors;
};

// A sector that was being written: what unsynced writes would have put into it is random bytes.
// What else is in it stays (drives promise no less to SQLite: "powersafe overwrite").
struct GarbageSector {
  Inode inode = 0;
  std::uint64_t sector = 0;
  std::uint64_t seed = 0;
};

// What reached the disk of all that was not certainly there. Parts that are not in `kept` did not.
struct CrashChoice {
  // Names are changed in this order, which may differ from that of the operations.
  std::vector<Kept> kept;
  std::vector<GarbageSector> garbage;
};

struct RandomCrash {
  bool garbage = false;  // with GarbageSectors; else sectors are whole: old (or zero) or new
};

// A moment between two operations. Making a state costs some microseconds, and a 4 KiB copy for
// each page that differs from what is durable; files that do not differ are shared, with their
// mappings.
class CrashPoint {
 public:
  // The number of the operation that was not done any more.
  std::uint64_t operation() const noexcept { return operation_; }
  // What may be on the disk or not, in order.
  std::span<const Unsynced> unsynced() const noexcept { return open_; }

  // After a power cut: a disk of which all is durable, without locks, faults or history. Equal
  // choices make equal disks.
  std::unique_ptr<FaultFileSystem> power_cut(const CrashChoice& choice) const;

  // The first `parts` of unsynced() reached the disk whole, no others.
  CrashChoice prefix(std::size_t parts) const;
  // Those whose bit is set; for at most 64 parts. Bits beyond unsynced() mean nothing.
  CrashChoice subset(std::uint64_t mask) const;
  // Any state that the rules allow can come out; those that find bugs often do: the first or the
  // last part missing, prefixes, writes torn at a sector, sizes without bytes, names swapped. One
  // seed always gives the same.
  CrashChoice random(std::uint64_t seed, const RandomCrash& options = {}) const;

  // After kill -9: nothing is lost, no lock is held, and what was not durable is still not. The
  // history goes on behind operation().
  std::unique_ptr<FaultFileSystem> process_crash() const;

  // For the message of a failure: what was kept and what was not, a line each.
  std::string describe(const CrashChoice& choice) const;

 private:
  friend class History;
  friend class FaultFileSystem;
  CrashPoint(std::shared_ptr<const RecordedRun> run, DiskModel model, std::uint64_t operation);
  FileRef file_after(Inode inode, const std::vector<const Kept*>& kept,
                     std::span<const GarbageSector> garbage) const;
  void fill_garbage(const GarbageSector& garbage, SparseBytesEditor& editor) const;

  std::shared_ptr<const RecordedRun> run_;
  DiskModel model_;
  std::vector<Unsynced> open_;  // of the model, without what is certain
  std::uint64_t operation_;
};

// The operations of a run from some moment on, numbered as FaultFileSystem counts them.
class History {
 public:
  std::uint64_t first() const noexcept;  // number of the first operation
  std::uint64_t end() const noexcept;    // and of the one after the last
  const Operation& operation(std::uint64_t number) const;
  // After the operations below `number`, from first() to end(). Costs what a few
  // operations do (in a long history a 256th of all), and a copy of the names.
  CrashPoint at(std::uint64_t number) const;

 private:
  friend class FaultFileSystem;
  explicit History(std::shared_ptr<const RecordedRun> run) : run_(std::move(run)) {}
  std::shared_ptr<const RecordedRun> run_;
};

}  // namespace springg::io
