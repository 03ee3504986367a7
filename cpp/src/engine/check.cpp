// SPDX-License-Identifier: MIT
#include "engine/check.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "engine/compaction.h"
#include "engine/file_names.h"
#include "engine/segment_part.h"
#include "engine/stored_index.h"
#include "storage/delta.h"
#include "storage/log_records.h"
#include "storage/manifest.h"
#include "storage/segment.h"
#include "storage/wal_follower.h"

namespace springg::engine {

namespace {

// A writer that publishes that many manifests while one is checked flushes without end.
constexpr int kTries = 20;

template <class T>
const T* detail_of(const Status& status, std::string_view key) {
  for (const ErrorDetail& detail : status.details()) {
    if (detail.key == key) return std::get_if<T>(&detail.value);
  }
  return nullptr;
}

class Checker {
 public:
  Checker(io::FileSystem& files, const std::string& directory)
      : files_(files),
        directory_(directory),
        budget_(std::make_shared<MemoryBudget>(std::nullopt)) {}

  Result<CheckReport> run(const storage::ManifestStamp& stamp) {
    auto manifest = storage::read_manifest(files_, directory_, stamp.generation);
    const bool readable = manifest.ok();
    if (readable) {
      manifest_ = std::move(manifest).value();
      named_.insert(storage::manifest_file_name(stamp.generation));
      for (const storage::IndexEntry& index : manifest_.indexes) check_index(index);
      SPRINGG_RETURN_IF_ERROR(check_log());
    } else {
      add(manifest.status(), "", std::nullopt);
    }
    SPRINGG_RETURN_IF_ERROR(name_others(readable));
    SPRINGG_RETURN_IF_ERROR(unread_);
    return std::move(report_);
  }

 private:
  // What could not be read for want of memory is not damaged.
  bool unread(const Status& status) {
    if (status.code() != ErrorCode::kResourceExhausted) return false;
    unread_ = status;
    return true;
  }
  void add(const Status& status, const std::string& index, std::optional<std::uint64_t> lost,
           std::string_view consequence = "") {
    if (unread(status)) return;
    Problem problem = problem_of(directory_, status);
    problem.what += consequence;
    problem.index = index;
    problem.rows_lost = lost;
    report_.problems.push_back(std::move(problem));
  }
  void add(std::string file, std::string what, const std::string& index,
           std::optional<std::uint64_t> lost) {
    report_.problems.push_back({std::move(file), std::nullopt, std::move(what), index, lost});
  }

  void check_index(const storage::IndexEntry& index) {
    if (Status status = check_index_options(index.options); !status.ok()) {
      add(status, index.name, std::nullopt);
    }
    std::uint64_t last = 0;
    for (const storage::SegmentEntry& entry : index.segments) {
      named_.insert(storage::segment_file_name(entry.uuid));
      std::uint64_t deleted = 0;
      if (entry.delta.has_value()) {
        named_.insert(storage::delta_file_name(*entry.delta));
        const auto delta = storage::read_delta(files_, directory_, *entry.delta,
                                               static_cast<std::uint32_t>(entry.rows));
        if (delta.ok()) {
          deleted = delta->deleted.size();
        } else {
          add(delta.status(), index.name, 0,
              "; without it rows that were deleted come back, and metadata is as it was before "
              "changes");
        }
      }
      const auto segment = check_segment(entry, index, entry.rows - deleted);
      if (segment == nullptr) continue;
      const auto sequences = segment->sequences();
      if (sequences.empty() || sequences.front() <= last ||
          sequences.back() >= index.next_sequence) {
        add(wrong_segment(entry,
                          "sequences do not follow those of the segment before, or reach the "
                          "manifest's next one"),
            index.name, entry.rows - deleted);
        continue;
      }
      last = sequences.back();
    }
  }

  std::shared_ptr<const storage::Segment> check_segment(const storage::SegmentEntry& entry,
                                                        const storage::IndexEntry& index,
                                                        std::uint64_t live) {
    auto opened = storage::open_segment(files_, directory_, entry.uuid, entry.file_bytes);
    if (!opened.ok()) {
      add(opened.status(), index.name, live);
      return nullptr;
    }
    auto segment = std::move(opened).value();
    if (segment->settings() != segment_settings(index.options)) {
      add(wrong_segment(entry, "its settings are not the index's"), index.name, live);
      return nullptr;
    }
    if (segment->rows() != entry.rows) {
      add(wrong_segment(entry, "expected " + std::to_string(entry.rows) + " rows, got " +
                                   std::to_string(segment->rows())),
          index.name, live);
      return nullptr;
    }
    check_derived(segment, index.name);
    return segment;
  }

  void check_derived(const std::shared_ptr<const storage::Segment>& segment,
                     const std::string& index) {
    const std::string file = storage::segment_file_name(segment->uuid());
    if (segment->id_table_damaged()) {
      add(file, file + ": the table of ids is damaged; it can be made again", index, 0);
    }
    if (segment->damaged_codes_bytes() != 0) {
      add(file, file + ": the codes are damaged; they can be made again", index, 0);
    }
    if (segment->calibration_damaged()) {
      add(file, file + ": the calibration is damaged; it can be made again", index, 0);
    }
    const auto part = SegmentPart::open(segment, budget_);
    if (part.ok() || unread(part.status())) return;
    add(file, file + ": the graph is damaged; it can be made again: " + part.status().message(),
        index, 0);
  }

  // A follower passes over all that an index has behind a damaged record that it needs.
  Status check_log() {
    storage::WalFollower follower(files_, directory_, manifest_.store, manifest_.lsn, {},
                                  storage::covered_by(manifest_));
    const auto end = follower.advance(storage::WalFollower::Look::kFully,
                                      [&](const storage::WalFrame& frame) -> Status {
                                        check_frame(frame);
                                        return {};
                                      });
    SPRINGG_RETURN_IF_ERROR(check_end(end, follower.position()));
    for (const auto& [log_ref, damage] : follower.damaged_indexes()) {
      const storage::IndexEntry* index = index_of(log_ref);
      if (index == nullptr) continue;
      Status status = storage::damaged(damage.file, damage.offset,
                                       "the record at position " + std::to_string(damage.lsn) +
                                           "; it and those behind it are lost to its index");
      add(status, index->name, std::nullopt);
    }
    return {};
  }

  Status check_end(const Result<storage::WalFollower::End>& end, storage::Lsn position) {
    if (!end.ok() && end.status().code() != ErrorCode::kCorruption) return end.status();
    if (!end.ok()) {
      add(end.status(), "", std::nullopt);
    } else if (*end == storage::WalFollower::End::kGone) {
      add("", "the log lacks position " + std::to_string(position + 1), "", std::nullopt);
    } else if (position < manifest_.durable_lsn) {
      add("",
          "the log ends with position " + std::to_string(position) +
              " although the disk had it up to " + std::to_string(manifest_.durable_lsn),
          "", std::nullopt);
    }
    return {};
  }

  const storage::IndexEntry* index_of(std::uint32_t log_ref) const {
    for (const storage::IndexEntry& index : manifest_.indexes) {
      if (index.log_ref == log_ref) return &index;
    }
    return nullptr;
  }

  void check_frame(const storage::WalFrame& frame) {
    const auto problem = [&](const Status& status) {
      const storage::IndexEntry* index = index_of(frame.record.index_ref);
      add("", status.message() + ", at position " + std::to_string(frame.lsn),
          index == nullptr ? "" : index->name, std::nullopt);
    };
    const std::uint32_t ref = frame.record.index_ref;
    if (ref == 0 || ref >= manifest_.next_log_ref) {
      problem(
          corruption("log record of an index that was never made: number " + std::to_string(ref)));
      return;
    }
    const storage::IndexEntry* index = index_of(ref);
    if (index == nullptr || frame.lsn <= index->lsn) return;
    switch (frame.record.type) {
      case storage::WalType::kRows: {
        const auto rows = storage::decode_rows(frame.record.payload);
        if (!rows.ok()) problem(rows.status());
        return;
      }
      case storage::WalType::kDelete: {
        const auto ids = storage::decode_delete(frame.record.payload);
        if (!ids.ok()) problem(ids.status());
        return;
      }
      case storage::WalType::kMetadata: {
        const auto logged = storage::decode_metadata(frame.record.payload);
        if (!logged.ok()) problem(logged.status());
        return;
      }
      case storage::WalType::kSegment: {
        const auto logged = storage::decode_segment(frame.record.payload);
        if (!logged.ok()) {
          problem(logged.status());
          return;
        }
        named_.insert(storage::segment_file_name(logged->uuid));
        static_cast<void>(check_segment({logged->uuid, logged->rows, logged->file_bytes, {}},
                                        *index, logged->rows));
        return;
      }
    }
  }

  Status name_others(bool manifest_whole) {
    SPRINGG_ASSIGN_OR_RETURN(const auto names, files_.list(directory_));
    for (const std::string& name : names) {
      const NameKind kind = kind_of_name(name);
      if (kind == NameKind::kForeign) report_.unknown_files.push_back(name);
      if (kind == NameKind::kTemporary) report_.leftover_files.push_back(name);
      const bool may_be_left =
          kind == NameKind::kSegment || kind == NameKind::kDelta || kind == NameKind::kManifest;
      if (manifest_whole && may_be_left && !named_.contains(name)) {
        report_.leftover_files.push_back(name);
      }
    }
    return {};
  }

  io::FileSystem& files_;
  const std::string& directory_;
  std::shared_ptr<MemoryBudget> budget_;
  storage::Manifest manifest_;
  std::set<std::string> named_;
  CheckReport report_;
  Status unread_;
};

Result<CheckReport> check_without_manifest(io::FileSystem& files, const std::string& directory) {
  SPRINGG_ASSIGN_OR_RETURN(const auto names, files.list(directory));
  CheckReport report;
  bool ours = false;
  for (const std::string& name : names) {
    const NameKind kind = kind_of_name(name);
    ours = ours || kind != NameKind::kForeign;
    if (kind == NameKind::kForeign) report.unknown_files.push_back(name);
    if (kind == NameKind::kTemporary) report.leftover_files.push_back(name);
    if (kind != NameKind::kSegment && kind != NameKind::kLog) continue;
    if (!report.problems.empty()) continue;
    report.problems.push_back({name, std::nullopt,
                               "there is no manifest, although there are files such as " + name, "",
                               std::nullopt});
  }
  if (!ours) return not_found("no springg database at " + directory).with("file", directory);
  return report;
}

}  // namespace

Problem problem_of(const std::string& directory, const Status& status) {
  Problem problem;
  problem.what = status.message();
  if (const auto* file = detail_of<std::string>(status, "file")) {
    problem.file = file->starts_with(directory + "/") ? file->substr(directory.size() + 1) : *file;
  }
  if (const auto* offset = detail_of<std::int64_t>(status, "offset")) {
    problem.offset = static_cast<std::uint64_t>(*offset);
  }
  return problem;
}

Result<CheckReport> check_directory(io::FileSystem& files, const std::string& directory) {
  for (int i = 0;; ++i) {
    SPRINGG_ASSIGN_OR_RETURN(const auto stamp, storage::newest_manifest_stamp(files, directory));
    if (!stamp.has_value()) return check_without_manifest(files, directory);
    auto report = Checker(files, directory).run(*stamp);
    if (report.ok() && report->ok()) return report;
    // Files go when a newer manifest does without them.
    SPRINGG_ASSIGN_OR_RETURN(const auto now, storage::newest_manifest_stamp(files, directory));
    if (now == stamp || i == kTries) return report;
  }
}

}  // namespace springg::engine
