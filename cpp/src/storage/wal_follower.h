// SPDX-License-Identifier: MIT
// Reads a log that somebody else may be writing at this moment: what is not whole is not there yet,
// files are cut off in front and begun behind, and a writer that came back after a crash writes the
// last frames anew. Reads only. One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/function_ref.h"
#include "base/uuid.h"
#include "io/file_system.h"
#include "springg/status.h"
#include "storage/wal_format.h"
#include "storage/wal_reader.h"

namespace springg::storage {

// A frame as it stays when a recovery writes it anew.
struct WalMark {
  Lsn lsn = 0;  // 0: none
  std::uint64_t stamp = 0;
  std::uint32_t index_ref = 0;
  std::uint16_t type = 0;
  std::uint32_t payload_bytes = 0;
  std::uint64_t payload_checksum = 0;

  bool operator==(const WalMark&) const = default;
};

class WalFollower {
 public:
  enum class End {
    kReached,     // nothing lies behind the last frame, as far as was looked
    kUnfinished,  // something does that is no whole frame: it is being written, or torn
    kGone,        // the next frame's file is not there any more: a newer manifest has what it held
    kOther,       // frames that were visited are lost, and their positions have been given again
  };
  // How hard to look at what is no whole frame. kFully tells damage from what is not there yet; it
  // reads the rest of the file. kBriefly is for somebody who comes again in a moment.
  enum class Look { kBriefly, kFully };

  // Frames behind `after`, but for those that are `covered`, whose damage is nobody's business.
  // `seen`: the last that another follower visited, whose visitor wants to know (kOther) when it is
  // another one now. `files` must outlive it.
  WalFollower(io::FileSystem& files, std::string directory, const base::Uuid& store, Lsn after,
              const WalMark& seen = {}, WalCovered covered = {})
      : files_(files),
        directory_(std::move(directory)),
        store_(store),
        next_(after + 1),
        last_(seen.lsn > after ? seen : WalMark()),
        covered_(std::move(covered)) {}

  // Visits the whole frames behind position(), in order; the visitor's error ends that before the
  // frame that it came for. kCorruption (file, offset, and detail "lsn") where a frame is damaged
  // beyond doubt, or of another store; kUnsupported for an unknown record. Costs a listing of the
  // directory, a mapping of the newest file, and the frames.
  Result<End> advance(Look look, base::FunctionRef<Status(const WalFrame&)> visit);

  Lsn position() const { return next_ - 1; }
  // The last frame that was visited, or `seen` until it is reached.
  const WalMark& last() const { return last_; }
  // Indexes with a frame whose payload is damaged beyond doubt while its header and the chain are
  // whole: their frames from there on are not visited.
  const std::map<std::uint32_t, WalDamage>& damaged_indexes() const { return damaged_; }

 private:
  struct File {
    std::uint64_t sequence = 0;
    std::string path;
    std::shared_ptr<const io::MappedFile> mapped;
    WalFileHeader header;
    WalHeaderBytes header_bytes{};

    std::span<const std::byte> bytes() const { return mapped->bytes(); }
  };
  struct Found {
    bool any = false;
    std::optional<File> file;           // the last that begins at or before next_
    std::optional<WalFileHeader> next;  // of the file behind it
  };

  Result<std::optional<File>> open(std::uint64_t sequence);
  Result<Found> find();
  // The file before the found one, where that has none of the frames that were visited and the one
  // before has some that were not compared.
  Status step_back(Found& found);
  // Goes on in `file`: at its begin, or where it was when it is the one that was read before.
  void enter(File&& file);
  // How much of the file belongs to the log: what lies behind that was cut by a recovery.
  std::uint64_t bytes_of_log(const std::optional<WalFileHeader>& next) const;
  // All that is whole from offset_ up to `limit`. `complete`: the file was finished before it was
  // mapped.
  Result<End> read(std::uint64_t limit, bool complete, Look look,
                   base::FunctionRef<Status(const WalFrame&)> visit);
  // Goes on behind damage to frames that were visited, or are not wanted; as a scan does.
  bool skip_damage(std::uint64_t limit);
  // Whether the file behind this one begins where this one ends.
  Status check_joint(const WalFileHeader& next) const;
  Result<std::optional<WalFrameHeader>> next_header(std::uint64_t limit) const;
  enum class Payload { kWhole, kDamaged, kUnfinished };
  Payload judge_payload(const WalFrameHeader& header, bool complete, Look look) const;
  Result<End> judge_rest(bool complete, Look look) const;
  // At offset_: the frame's payload, in payload_.
  std::span<const std::byte> decode(const WalFrameHeader& header);
  // Whether the frame at offset_ shows that what was visited is no part of this log.
  bool is_other(const WalFrameHeader& header);
  bool is_covered(const WalFrameHeader& header) const;
  Status deliver(const WalFrameHeader& header, std::span<const std::byte> payload,
                 base::FunctionRef<Status(const WalFrame&)> visit);

  io::FileSystem& files_;
  const std::string directory_;
  const base::Uuid store_;
  Lsn next_;  // of all frames, the first that was not visited
  WalMark last_;
  const WalCovered covered_;
  std::optional<File> file_;
  std::uint64_t offset_ = 0;  // in it, behind the last whole frame
  Lsn frame_ = 0;             // the frame that belongs there
  std::uint32_t chain_ = 0;
  std::map<std::uint32_t, WalDamage> damaged_;
  std::vector<std::byte> payload_;
};

}  // namespace springg::storage
