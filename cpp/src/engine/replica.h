// SPDX-License-Identifier: MIT
// The state of a directory that another process may be writing: the newest manifest, and the log
// behind it. Takes no lock and writes nothing. The indexes stay the same objects while they follow;
// each goes from one state to a later one at once.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/uuid.h"
#include "engine/index_impl.h"
#include "engine/runtime.h"
#include "engine/segment_part.h"
#include "io/file_system.h"
#include "storage/manifest.h"
#include "storage/wal_follower.h"

namespace springg::engine {

// One thread at a time; the indexes are anybody's.
class Replica {
 public:
  // `files` and `home` must outlive it and its indexes.
  Replica(io::FileSystem& files, std::string directory, std::shared_ptr<Runtime> runtime,
          IndexHome& home)
      : files_(files),
        directory_(std::move(directory)),
        runtime_(std::move(runtime)),
        home_(home) {}

  // Shows what the writer has given to the system by now. True: there is another manifest. On an
  // error the indexes stay as they were, or have followed a part of the way. kCorruption: damage,
  // also to the log in its middle; kNotFound: no database; kFailedPrecondition: another database.
  // `patient`: asked for, so that what seems unfinished is worth a closer look.
  Result<bool> refresh(bool patient);

  const storage::Manifest& manifest() const { return state_.manifest; }
  std::map<std::string, std::shared_ptr<IndexImpl>> indexes() const;
  storage::Lsn lsn() const;  // the records up to here are shown

 private:
  struct Source {
    std::shared_ptr<IndexImpl> index;
    std::shared_ptr<IndexImpl> fresh;  // made for a newer manifest: will be index's state
    storage::IndexEntry entry;
    storage::Lsn applied = 0;  // of its records, all up to here are shown
    storage::Lsn behind = 0;   // the first that was applied behind entry.segments; 0: none
  };
  struct State {
    storage::Manifest manifest;
    std::map<std::uint32_t, std::shared_ptr<Source>> sources;  // by log_ref
    std::map<base::Uuid, PartView> parts;                      // by segment, as the manifest has it
    std::map<base::Uuid, std::shared_ptr<SegmentPart>> logged;
    std::unique_ptr<storage::WalFollower> follower;
  };

  // There is no manifest: not yet, no more, or this is no database.
  Status without_manifest() const;
  Status follow(bool patient);
  // kNothing: what was shown is no part of the log any more.
  enum class Keep { kWhatHolds, kNothing };
  Status load(const storage::ManifestStamp& stamp, Keep keep = Keep::kWhatHolds);
  static bool still_holds(const Source& have, const storage::IndexEntry& entry);
  Result<std::shared_ptr<Source>> load_index(const storage::IndexEntry& entry, Keep keep,
                                             State& next);
  Result<std::optional<PartView>> open_part(const storage::SegmentEntry& entry,
                                            const IndexOptions& options, State& next);
  Result<storage::WalFollower::End> advance(State& state, storage::WalFollower::Look look);
  Status replay(const storage::WalFrame& frame, State& state);
  Result<std::shared_ptr<SegmentPart>> open_logged(const storage::LoggedSegment& logged,
                                                   const IndexOptions& options, State& state);
  Status check_end(const State& state, storage::WalFollower::End end) const;
  Status check_damage() const;

  io::FileSystem& files_;
  const std::string directory_;
  const std::shared_ptr<Runtime> runtime_;
  IndexHome& home_;
  std::optional<storage::ManifestStamp> stamp_;  // none: nothing was there yet
  State state_;
  // Brief looks in a row that ended at the same unfinished frame.
  unsigned unfinished_ = 0;
};

}  // namespace springg::engine
