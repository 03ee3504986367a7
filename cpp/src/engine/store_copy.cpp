// SPDX-License-Identifier: MIT
#include "engine/store_copy.h"

#include <algorithm>
#include <limits>

#include "engine/file_names.h"
#include "engine/runtime.h"
#include "io/atomic_file.h"
#include "storage/delta.h"
#include "storage/log_records.h"
#include "storage/segment.h"
#include "storage/wal_follower.h"
#include "storage/write_ahead_log.h"

namespace springg::engine {

namespace {

constexpr std::size_t kCopyBytes = std::size_t{8} << 20;

}  // namespace

StoreCopy::~StoreCopy() {
  if (lock_ == nullptr || kept_) return;
  if_memory_allows([&] { remove_all(); });
  lock_.reset();
}

void StoreCopy::remove_all() {
  const auto names = files_.list(to_);
  if (!names.ok()) return;
  // The directory was empty: all of ours in it is of this copy. The manifest first, so that what is
  // left when this ends half-way is no database.
  for (const bool manifests : {true, false}) {
    for (const std::string& name : *names) {
      const NameKind kind = kind_of_name(name);
      if (kind == NameKind::kForeign || (kind == NameKind::kManifest) != manifests) continue;
      static_cast<void>(files_.remove(to_ + "/" + name));
    }
  }
}

Status StoreCopy::check_empty(bool locked) const {
  SPRINGG_ASSIGN_OR_RETURN(const auto names, files_.list(to_));
  for (const std::string& name : names) {
    if (locked && kind_of_name(name) == NameKind::kLock) continue;
    return failed_precondition("the target is not empty: " + to_ + " has " + name)
        .with("file", to_);
  }
  return {};
}

Status StoreCopy::begin() {
  if (to_ == from_ || to_.starts_with(from_ + "/")) {
    return invalid_argument("target " + to_ + " lies in the database at " + from_ +
                            ": expected a directory elsewhere");
  }
  SPRINGG_RETURN_IF_ERROR(files_.create_directories(to_));
  SPRINGG_RETURN_IF_ERROR(check_empty(false));
  SPRINGG_ASSIGN_OR_RETURN(auto lock, files_.lock_directory(to_));
  // Somebody may have been faster.
  SPRINGG_RETURN_IF_ERROR(check_empty(true));
  lock_ = std::move(lock);
  return {};
}

Status StoreCopy::take_file(const std::string& name) {
  Status linked = files_.link(from_ + "/" + name, to_ + "/" + name);
  if (linked.code() != ErrorCode::kUnsupported) return linked;
  SPRINGG_ASSIGN_OR_RETURN(auto mapped, files_.map(from_ + "/" + name));
  pending_.emplace_back(name, std::move(mapped));
  return {};
}

Status StoreCopy::take(const storage::Manifest& manifest) {
  for (const storage::IndexEntry& index : manifest.indexes) {
    for (const storage::SegmentEntry& segment : index.segments) {
      SPRINGG_RETURN_IF_ERROR(take_file(storage::segment_file_name(segment.uuid)));
      if (!segment.delta.has_value()) continue;
      SPRINGG_RETURN_IF_ERROR(take_file(storage::delta_file_name(*segment.delta)));
    }
  }
  return {};
}

Status StoreCopy::take_frame(const storage::WalFrame& frame, const storage::Manifest& manifest) {
  if (frame.lsn != log_end_ + 1) {
    return unsupported("a record of a newer release is in the log in " + from_ + " at position " +
                       std::to_string(log_end_ + 1));
  }
  const storage::WalRecord& record = frame.record;
  const auto entry =
      std::find_if(manifest.indexes.begin(), manifest.indexes.end(),
                   [&](const storage::IndexEntry& one) { return one.log_ref == record.index_ref; });
  const bool live = entry != manifest.indexes.end() && frame.lsn > entry->lsn;
  if (live && record.type == storage::WalType::kSegment) {
    SPRINGG_ASSIGN_OR_RETURN(const auto logged, storage::decode_segment(record.payload));
    SPRINGG_RETURN_IF_ERROR(take_file(storage::segment_file_name(logged.uuid)));
  }
  tail_.push_back(
      {frame.stamp, record.index_ref, record.type, {record.payload.begin(), record.payload.end()}});
  log_end_ = frame.lsn;
  return {};
}

// In the place of a record that its index has in segments, or that is void, an empty one: nobody
// does it again, and positions have no gaps.
Status StoreCopy::take_damaged(std::uint32_t log_ref, const storage::WalDamage& damage,
                               const storage::Manifest& manifest) {
  const auto entry =
      std::find_if(manifest.indexes.begin(), manifest.indexes.end(),
                   [&](const storage::IndexEntry& one) { return one.log_ref == log_ref; });
  if (entry != manifest.indexes.end() && damage.lsn > entry->lsn) {
    return corruption(damage.file + " is damaged at byte " + std::to_string(damage.offset))
        .with("file", damage.file)
        .with("offset", static_cast<std::int64_t>(damage.offset));
  }
  const std::uint64_t stamp = tail_.empty() ? 0 : tail_.back().stamp;
  tail_.push_back({stamp, log_ref, storage::WalType::kDelete, storage::encode_delete({})});
  log_end_ = damage.lsn;
  return {};
}

// A follower passes over a damaged record and all that its index has behind it. Where the record is
// not needed, another follower goes on behind it.
Status StoreCopy::take_log(const storage::Manifest& manifest, storage::Lsn last) {
  log_end_ = manifest.lsn;
  for (;;) {
    storage::WalFollower follower(files_, from_, manifest.store, log_end_);
    const auto next_damaged = [&] {
      const auto& all = follower.damaged_indexes();
      const auto found = std::find_if(
          all.begin(), all.end(), [&](const auto& one) { return one.second.lsn == log_end_ + 1; });
      return found == all.end() ? nullptr : &*found;
    };
    bool enough = false;
    const auto visit = [&](const storage::WalFrame& frame) -> Status {
      enough = frame.lsn > last || next_damaged() != nullptr;
      return enough ? failed_precondition("enough") : take_frame(frame, manifest);
    };
    const auto end = follower.advance(storage::WalFollower::Look::kFully, visit);
    if (!end.ok() && !enough) return end.status();
    const auto* const damaged = next_damaged();
    if (damaged == nullptr || damaged->second.lsn > last) break;
    SPRINGG_RETURN_IF_ERROR(take_damaged(damaged->first, damaged->second, manifest));
  }
  const storage::Lsn least =
      last == std::numeric_limits<storage::Lsn>::max() ? manifest.durable_lsn : last;
  if (log_end_ >= least) return {};
  return corruption("the log in " + from_ + " ends with position " + std::to_string(log_end_) +
                    ": expected " + std::to_string(least))
      .with("file", from_);
}

Status StoreCopy::copy(const std::string& name, std::span<const std::byte> bytes) {
  SPRINGG_ASSIGN_OR_RETURN(auto file,
                           io::AtomicFile::create(files_, to_ + "/" + name, bytes.size()));
  for (std::size_t begin = 0; begin < bytes.size(); begin += kCopyBytes) {
    SPRINGG_RETURN_IF_ERROR(
        file.append(bytes.subspan(begin, std::min(kCopyBytes, bytes.size() - begin))));
  }
  return file.commit();
}

Status StoreCopy::write_log(const storage::Manifest& manifest) {
  if (tail_.empty()) return {};
  storage::WalSettings settings;
  settings.directory = to_;
  settings.store = manifest.store;
  settings.first_lsn = log_end_ + 1;
  settings.tail = tail_;
  // The records keep their stamps: nothing of this needs to know what time it is.
  return storage::WriteAheadLog::create(files_, settings, &base::system_unix_ms).status();
}

Status StoreCopy::finish(storage::Manifest manifest, std::uint64_t now_unix_ms) {
  for (const auto& [name, mapped] : pending_) {
    SPRINGG_RETURN_IF_ERROR(copy(name, mapped->bytes()));
  }
  manifest.store = base::Uuid::random();
  manifest.generation = std::max<std::uint64_t>(manifest.generation, 1);
  manifest.durable_lsn = log_end_;
  manifest.created_at_unix_ms = now_unix_ms;
  SPRINGG_RETURN_IF_ERROR(write_log(manifest));
  SPRINGG_RETURN_IF_ERROR(files_.sync_directory(to_));
  return storage::publish_manifest(files_, to_, manifest);
}

Result<std::uint64_t> StoreCopy::bytes() const {
  SPRINGG_ASSIGN_OR_RETURN(const auto names, files_.list(to_));
  std::uint64_t sum = 0;
  for (const std::string& name : names) {
    if (kind_of_name(name) == NameKind::kLock) continue;
    SPRINGG_ASSIGN_OR_RETURN(const std::uint64_t bytes, files_.file_bytes(to_ + "/" + name));
    sum += bytes;
  }
  return sum;
}

}  // namespace springg::engine
