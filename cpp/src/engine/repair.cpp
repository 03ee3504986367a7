// SPDX-License-Identifier: MIT
#include "engine/repair.h"

#include <algorithm>
#include <set>
#include <utility>

#include "engine/check.h"
#include "engine/database_core.h"
#include "engine/file_names.h"
#include "engine/salvage.h"
#include "io/atomic_file.h"
#include "storage/manifest.h"
#include "storage/segment.h"

namespace springg::engine {

namespace {

class Repair {
 public:
  Repair(io::FileSystem& files, const std::string& directory, base::WallClock clock)
      : files_(files), directory_(directory), clock_(clock) {}

  Result<CheckReport> run() {
    {
      // Nobody else from here on; opening takes the lock itself.
      SPRINGG_ASSIGN_OR_RETURN(const auto lock, files_.lock_directory(directory_));
      SPRINGG_ASSIGN_OR_RETURN(report_, check_directory(files_, directory_));
      if (report_.ok()) return std::move(report_);
      SPRINGG_RETURN_IF_ERROR(keep_originals());
      SPRINGG_RETURN_IF_ERROR(leave_damaged_manifests());
      if (!left_.empty()) {
        // What the older one names was not looked at yet.
        SPRINGG_ASSIGN_OR_RETURN(const CheckReport older, check_directory(files_, directory_));
        report_.problems.insert(report_.problems.end(), older.problems.begin(),
                                older.problems.end());
      }
    }
    Salvage salvage;
    Tuning tuning;
    tuning.compare_later_bytes = storage::kCompareAll;
    SPRINGG_ASSIGN_OR_RETURN(const auto core,
                             DatabaseCore::open(directory_, {}, &files_, clock_, tuning, &salvage));
    const storage::Manifest manifest = core->manifest();
    SPRINGG_RETURN_IF_ERROR(core->close());
    tell_lost_records(salvage, manifest);
    SPRINGG_ASSIGN_OR_RETURN(const CheckReport after, check_directory(files_, directory_));
    if (!after.ok()) {
      return corruption("still damaged after the repair: " + after.problems.front().what)
          .with("file", after.problems.front().file);
    }
    report_.repaired = true;
    report_.leftover_files.clear();
    return std::move(report_);
  }

 private:
  // The files that problems name, and in any case the log with the segments that it names: what of
  // it is done again depends on what else is lost, and the end of the repair removes it. When the
  // log is not whole, segments that nothing names any more; what no manifest names when that is
  // damaged. Opening would remove those.
  Status keep_originals() {
    std::set<std::string> names;
    bool log = false;
    bool manifest = false;
    for (const Problem& problem : report_.problems) {
      const NameKind kind = kind_of_name(problem.file);
      log = log || kind == NameKind::kLog || problem.file.empty();
      manifest = manifest || kind == NameKind::kManifest;
      if (kind == NameKind::kSegment || kind == NameKind::kDelta) names.insert(problem.file);
    }
    std::set<std::string> not_wanted;
    if (!manifest) {
      SPRINGG_ASSIGN_OR_RETURN(not_wanted, segments_of_manifest());
      if (!log) {
        not_wanted.insert(report_.leftover_files.begin(), report_.leftover_files.end());
      }
    }
    SPRINGG_ASSIGN_OR_RETURN(const auto all, files_.list(directory_));
    for (const std::string& name : all) {
      const NameKind kind = kind_of_name(name);
      if (kind == NameKind::kForeign || kind == NameKind::kLock) continue;
      if (kind == NameKind::kReserve) continue;
      const bool logged = kind == NameKind::kSegment && !not_wanted.contains(name);
      if (manifest || kind == NameKind::kLog || logged) names.insert(name);
    }
    SPRINGG_RETURN_IF_ERROR(files_.create_directories(directory_ + "/damaged"));
    for (const std::string& name : names) SPRINGG_RETURN_IF_ERROR(keep_original(name));
    return files_.sync_directory(directory_ + "/damaged");
  }

  Result<std::set<std::string>> segments_of_manifest() const {
    SPRINGG_ASSIGN_OR_RETURN(const auto manifest,
                             storage::read_newest_manifest(files_, directory_));
    std::set<std::string> names;
    if (!manifest.has_value()) return names;
    for (const storage::IndexEntry& index : manifest->indexes) {
      for (const storage::SegmentEntry& segment : index.segments) {
        names.insert(storage::segment_file_name(segment.uuid));
      }
    }
    return names;
  }

  // Logs begin with the same names again after a clean end, and so may manifests: what an earlier
  // repair kept under this name need not be this file.
  Status keep_original(const std::string& name) {
    const std::string from = directory_ + "/" + name;
    SPRINGG_ASSIGN_OR_RETURN(const bool there, files_.exists(from));
    if (!there) return {};
    for (int i = 0;; ++i) {
      const std::string kept = "damaged/" + name + (i == 0 ? "" : "." + std::to_string(i));
      const std::string to = directory_ + "/" + kept;
      Status status = link_or_copy(from, to);
      if (status.code() == ErrorCode::kAlreadyExists) {
        SPRINGG_ASSIGN_OR_RETURN(const bool same, same_bytes(from, to));
        if (!same) continue;
        status = Status();
      }
      SPRINGG_RETURN_IF_ERROR(std::move(status));
      report_.kept_files.push_back(kept);
      return {};
    }
  }

  Status link_or_copy(const std::string& from, const std::string& to) {
    Status linked = files_.link(from, to);
    if (linked.code() != ErrorCode::kUnsupported) return linked;
    SPRINGG_ASSIGN_OR_RETURN(const bool taken, files_.exists(to));
    if (taken) return already_exists(to + " exists");
    SPRINGG_ASSIGN_OR_RETURN(const auto mapped, files_.map(from));
    SPRINGG_ASSIGN_OR_RETURN(auto copy, io::AtomicFile::create(files_, to, mapped->bytes().size()));
    SPRINGG_RETURN_IF_ERROR(copy.append(mapped->bytes()));
    return copy.commit();
  }

  Result<bool> same_bytes(const std::string& one, const std::string& other) const {
    SPRINGG_ASSIGN_OR_RETURN(const auto first, files_.map(one));
    SPRINGG_ASSIGN_OR_RETURN(const auto second, files_.map(other));
    return std::ranges::equal(first->bytes(), second->bytes());
  }

  // An older manifest is whole where the newest is not: then that is the state, and the report says
  // so. None: there is nothing to go by.
  Status leave_damaged_manifests() {
    for (;;) {
      SPRINGG_ASSIGN_OR_RETURN(const auto stamp,
                               storage::newest_manifest_stamp(files_, directory_));
      if (!stamp.has_value()) break;
      const auto manifest = storage::read_manifest(files_, directory_, stamp->generation);
      if (manifest.ok()) {
        if (left_.empty()) return {};
        report_.problems.push_back({left_, std::nullopt,
                                    "what was published after generation " +
                                        std::to_string(manifest->generation) +
                                        " is lost: the manifests since are damaged",
                                    "", std::nullopt});
        return {};
      }
      if (manifest.status().code() != ErrorCode::kCorruption) return manifest.status();
      SPRINGG_ASSIGN_OR_RETURN(const bool older, any_older_whole(stamp->generation));
      if (!older) break;
      left_ = storage::manifest_file_name(stamp->generation);
      SPRINGG_RETURN_IF_ERROR(files_.remove(directory_ + "/" + left_));
      SPRINGG_RETURN_IF_ERROR(files_.sync_directory(directory_));
    }
    return corruption("no manifest in " + directory_ +
                      " is whole: nothing can be repaired; restore a snapshot")
        .with("file", directory_);
  }

  Result<bool> any_older_whole(std::uint64_t generation) const {
    SPRINGG_ASSIGN_OR_RETURN(const auto names, files_.list(directory_));
    for (const std::string& name : names) {
      if (kind_of_name(name) != NameKind::kManifest) continue;
      const std::uint64_t other = std::stoull(name.substr(9));
      if (other >= generation) continue;
      if (storage::read_manifest(files_, directory_, other).ok()) return true;
    }
    return false;
  }

  void tell_lost_records(const Salvage& salvage, const storage::Manifest& manifest) {
    for (const auto& [log_ref, lost] : salvage.lost_records()) {
      for (const storage::IndexEntry& index : manifest.indexes) {
        if (index.log_ref == log_ref) tell_lost_records(lost, index.name);
      }
    }
  }

  void tell_lost_records(const LostRecords& lost, const std::string& index) {
    const auto tell = [&](std::string what, std::uint64_t rows) {
      report_.problems.push_back({"", std::nullopt, std::move(what), index, rows});
    };
    if (lost.ended) {
      tell("records of the log that could not be done again, and those behind them, were dropped",
           lost.rows);
    }
    if (lost.segments != 0) {
      // The rows of these were counted where their files are named.
      tell("segments that the log names are lost: " + std::to_string(lost.segments) +
               "; rows that theirs had replaced are there again, with metadata that was changed "
               "later",
           0);
    }
    if (lost.metadata != 0) {
      tell("changes of metadata were dropped, since their rows are lost: " +
               std::to_string(lost.metadata),
           0);
    }
    if (lost.unreadable_metadata != 0) {
      tell("records of the log that change metadata could not be done again, and were dropped: " +
               std::to_string(lost.unreadable_metadata),
           0);
    }
  }

  io::FileSystem& files_;
  const std::string& directory_;
  const base::WallClock clock_;
  CheckReport report_;
  std::string left_;
};

}  // namespace

Result<CheckReport> repair_directory(io::FileSystem& files, const std::string& directory,
                                     base::WallClock clock) {
  return Repair(files, directory, clock).run();
}

Result<CheckReport> DatabaseCore::check(bool repair) const {
  if (files_ == nullptr) return CheckReport{};
  SPRINGG_ASSIGN_OR_RETURN(CheckReport report, check_directory(*files_, path_));
  if (!repair || report.ok()) return report;
  return failed_precondition("damaged: " + report.problems.front().what +
                             "; a repair needs a directory that nobody has open: close it, then "
                             "run springg check --repair " +
                             path_)
      .with("file", report.problems.front().file);
}

}  // namespace springg::engine

namespace springg {

Result<CheckReport> check(const std::string& path, bool repair) {
  return engine::guarded([&]() -> Result<CheckReport> {
    if (path.empty()) return invalid_argument("path is empty: expected a directory");
    io::FileSystem& files = io::posix_file_system();
    // Without a manifest or a log there is nothing to lock, and no LOCK is to be made.
    SPRINGG_ASSIGN_OR_RETURN(CheckReport report, engine::check_directory(files, path));
    if (!repair || report.ok()) return report;
    return engine::repair_directory(files, path, &base::system_unix_ms);
  });
}

}  // namespace springg
