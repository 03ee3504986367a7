// SPDX-License-Identifier: MIT
#include "engine/replica.h"

#include <algorithm>
#include <utility>

#include "engine/file_names.h"
#include "engine/stored_index.h"
#include "storage/segment.h"

namespace springg::engine {

namespace {

using End = storage::WalFollower::End;
using Look = storage::WalFollower::Look;

// Newer manifests that may come between reading one and opening what it names. A writer that is
// faster than that many times in a row flushes without end.
constexpr int kTries = 50;
// Brief looks at an unfinished frame, after which it gets a closer one.
constexpr unsigned kBriefLooks = 20;

Status damaged_log(const std::string& directory, const std::string& what, storage::Lsn lsn) {
  return corruption("the log in " + directory + " " + what + " " + std::to_string(lsn))
      .with("file", directory)
      .with("lsn", static_cast<std::int64_t>(lsn));
}

}  // namespace

std::map<std::string, std::shared_ptr<IndexImpl>> Replica::indexes() const {
  std::map<std::string, std::shared_ptr<IndexImpl>> all;
  for (const auto& [log_ref, source] : state_.sources) {
    all.emplace(source->entry.name, source->index);
  }
  return all;
}

storage::Lsn Replica::lsn() const {
  return state_.follower == nullptr ? 0 : state_.follower->position();
}

Result<bool> Replica::refresh(bool patient) {
  for (int i = 0;; ++i) {
    SPRINGG_ASSIGN_OR_RETURN(const auto stamp, storage::newest_manifest_stamp(files_, directory_));
    const bool changed = stamp != stamp_;
    Status status = !stamp.has_value() ? without_manifest()
                    : changed          ? load(*stamp)
                                       : follow(patient);
    if (status.ok()) return changed;
    // Files go when a newer manifest is there that does without them: then it is that one's turn.
    const auto now = storage::newest_manifest_stamp(files_, directory_);
    if (!now.ok() || *now == stamp || i == kTries) return status;
  }
}

Status Replica::without_manifest() const {
  if (stamp_.has_value()) return corruption("no manifest in '" + directory_ + "' any more");
  SPRINGG_ASSIGN_OR_RETURN(const auto names, files_.list(directory_));
  SPRINGG_RETURN_IF_ERROR(refuse_lost_manifest(directory_, names));
  const bool begun = std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return kind_of_name(name) == NameKind::kLock;
  });
  return begun ? Status() : not_found("no springg database at " + directory_);
}

Status Replica::load(const storage::ManifestStamp& stamp, Keep keep) {
  State next;
  SPRINGG_ASSIGN_OR_RETURN(next.manifest,
                           storage::read_manifest(files_, directory_, stamp.generation));
  if (stamp_.has_value() && next.manifest.store != state_.manifest.store) {
    return failed_precondition("another database is at " + directory_ +
                               " than the one that was opened: open it again");
  }
  for (const storage::IndexEntry& entry : next.manifest.indexes) {
    SPRINGG_ASSIGN_OR_RETURN(auto source, load_index(entry, keep, next));
    next.sources.emplace(entry.log_ref, std::move(source));
  }
  const bool followed = keep == Keep::kWhatHolds && state_.follower != nullptr;
  next.follower = std::make_unique<storage::WalFollower>(
      files_, directory_, next.manifest.store, next.manifest.lsn,
      followed ? state_.follower->last() : storage::WalMark(), storage::covered_by(next.manifest));
  SPRINGG_ASSIGN_OR_RETURN(const End end, advance(next, Look::kFully));
  // Once more for each recovery that loses frames meanwhile.
  if (end == End::kOther) return load(stamp, Keep::kNothing);
  SPRINGG_RETURN_IF_ERROR(check_end(next, end));
  std::vector<storage::IndexEntry> entries = next.manifest.indexes;
  // Nothing fails from here on.
  for (storage::IndexEntry& entry : entries) {
    Source& source = *next.sources.at(entry.log_ref);
    source.entry = std::move(entry);
    if (source.index == nullptr) {
      source.index = std::move(source.fresh);
    } else if (source.fresh != nullptr) {
      source.index->take_state(*source.fresh);
      source.fresh = nullptr;
    }
    source.index->show_tuning(source.entry.tuning);
  }
  state_ = std::move(next);
  stamp_ = stamp;
  for (const auto& [log_ref, source] : state_.sources) source->index->end_replay(lsn());
  return {};
}

// Whether what is shown of an index is what the entry's segments and the log behind entry.lsn make.
// The same segments do not say that: rows that came and went since are in none of them, and neither
// is what the log said of them. So none of its records may have been applied that the entry covers.
bool Replica::still_holds(const Source& have, const storage::IndexEntry& entry) {
  return have.entry.log_ref == entry.log_ref && have.entry.segments == entry.segments &&
         have.entry.next_sequence == entry.next_sequence &&
         (have.behind == 0 || have.behind > entry.lsn);
}

Result<std::shared_ptr<Replica::Source>> Replica::load_index(const storage::IndexEntry& entry,
                                                             Keep keep, State& next) {
  auto source = std::make_shared<Source>();
  for (const auto& [log_ref, have] : state_.sources) {
    if (have->entry.uuid != entry.uuid) continue;
    source->index = have->index;
    if (keep == Keep::kWhatHolds && still_holds(*have, entry)) {
      for (const storage::SegmentEntry& segment : entry.segments) {
        next.parts.emplace(segment.uuid, state_.parts.at(segment.uuid));
      }
      have->applied = std::max(have->applied, entry.lsn);  // there are none between
      return have;
    }
  }
  const auto open = [&](const storage::SegmentEntry& segment) {
    return open_part(segment, entry.options, next);
  };
  SPRINGG_ASSIGN_OR_RETURN(IndexState state, open_stored_index(entry, open));
  source->fresh = IndexImpl::create(runtime_, home_, std::move(state));
  source->fresh->refuse_writes(read_only_error(directory_));
  source->entry = entry;
  source->applied = entry.lsn;
  return source;
}

Result<std::optional<PartView>> Replica::open_part(const storage::SegmentEntry& entry,
                                                   const IndexOptions& options, State& next) {
  const StoredFiles from{files_, directory_, *runtime_};
  PartView part;
  const auto have = state_.parts.find(entry.uuid);
  const auto logged = state_.logged.find(entry.uuid);
  if (have != state_.parts.end() || logged != state_.logged.end()) {
    // The file never changes; its delta is another one for each change.
    if (have != state_.parts.end()) {
      part.part = have->second.part;
    } else {
      part.part = logged->second;
    }
    part.rows = static_cast<std::uint32_t>(entry.rows);
    if (part.part->segment()->storage()->rows() != part.rows) {
      return wrong_segment(entry, "another number of rows than before");
    }
    if (entry.delta.has_value()) {
      SPRINGG_ASSIGN_OR_RETURN(const auto delta,
                               storage::read_delta(files_, directory_, *entry.delta, part.rows));
      part.overlay = make_overlay(delta);
    }
  } else {
    SPRINGG_ASSIGN_OR_RETURN(StoredPart stored, open_stored_part(from, entry, options));
    part = std::move(stored.part);
  }
  next.parts.emplace(entry.uuid, part);
  return std::optional<PartView>(std::move(part));
}

Result<std::shared_ptr<SegmentPart>> Replica::open_logged(const storage::LoggedSegment& logged,
                                                          const IndexOptions& options,
                                                          State& state) {
  const auto have = state_.logged.find(logged.uuid);
  if (have != state_.logged.end()) {
    state.logged.insert(*have);
    return have->second;
  }
  SPRINGG_ASSIGN_OR_RETURN(auto part,
                           open_logged_part({files_, directory_, *runtime_}, logged, options));
  state.logged.emplace(logged.uuid, part);
  return part;
}

Status Replica::replay(const storage::WalFrame& frame, State& state) {
  const std::uint32_t ref = frame.record.index_ref;
  if (ref == 0 || ref >= state.manifest.next_log_ref) {
    // A newer manifest has it, if anything has.
    return corruption("log record of an index that was never made: number " + std::to_string(ref));
  }
  const auto found = state.sources.find(ref);
  if (found == state.sources.end()) return {};  // it was dropped, or cleared
  Source& source = *found->second;
  if (frame.lsn <= source.applied) return {};
  IndexImpl& index = source.fresh != nullptr ? *source.fresh : *source.index;
  if (source.behind == 0) source.behind = frame.lsn;
  SPRINGG_RETURN_IF_ERROR(index.replay(frame, [&](const storage::LoggedSegment& logged) {
    return open_logged(logged, source.entry.options, state);
  }));
  source.applied = frame.lsn;
  return {};
}

Result<End> Replica::advance(State& state, Look look) {
  return state.follower->advance(
      look, [&](const storage::WalFrame& frame) { return replay(frame, state); });
}

Status Replica::check_end(const State& state, End end) const {
  const storage::Lsn position = state.follower->position();
  if (end == End::kGone) return damaged_log(directory_, "lacks position", position + 1);
  if (position >= state.manifest.durable_lsn) return {};
  return damaged_log(
      directory_,
      "ends with position " + std::to_string(position) + " although the disk had it up to",
      state.manifest.durable_lsn);
}

Status Replica::check_damage() const {
  for (const auto& [log_ref, damage] : state_.follower->damaged_indexes()) {
    const auto found = state_.sources.find(log_ref);
    if (found == state_.sources.end()) continue;
    return corruption("index '" + found->second->entry.name + "' cannot follow: " + damage.file +
                      " is damaged at byte " + std::to_string(damage.offset) + " (lsn " +
                      std::to_string(damage.lsn) + ")")
        .with("file", damage.file)
        .with("offset", static_cast<std::int64_t>(damage.offset));
  }
  return {};
}

Status Replica::follow(bool patient) {
  const storage::Lsn before = lsn();
  SPRINGG_ASSIGN_OR_RETURN(End end, advance(state_, Look::kBriefly));
  const bool stuck = end == End::kUnfinished && lsn() == before;
  unfinished_ = stuck ? unfinished_ + 1 : 0;
  if (end == End::kUnfinished && (patient || unfinished_ >= kBriefLooks)) {
    unfinished_ = 0;
    SPRINGG_ASSIGN_OR_RETURN(end, advance(state_, Look::kFully));
  }
  if (end == End::kOther) return load(*stamp_, Keep::kNothing);
  if (lsn() != before) {
    for (const auto& [log_ref, source] : state_.sources) source->index->end_replay(lsn());
  }
  SPRINGG_RETURN_IF_ERROR(check_end(state_, end));
  return check_damage();
}

}  // namespace springg::engine
