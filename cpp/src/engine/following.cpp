// SPDX-License-Identifier: MIT
// A database that was opened read-only: it shows what a replica of the directory has.
#include <algorithm>
#include <iterator>
#include <utility>

#include "engine/database_core.h"

namespace springg::engine {

Status DatabaseCore::check_writable() const {
  return options_.read_only ? read_only_error(path_) : Status();
}

Status DatabaseCore::open_read_only() {
  {
    base::MutexLock lock(refresh_mutex_);
    replica_ = std::make_unique<Replica>(*files_, path_, runtime_, *this);
    SPRINGG_RETURN_IF_ERROR(refresh_replica(true));
  }
  const std::chrono::milliseconds interval(runtime_->tuning.follow_interval_ms);
  if (interval.count() == 0) return {};
  return follower_.start(interval, [this] { follow(); });
}

Status DatabaseCore::refresh() {
  if (!options_.read_only || files_ == nullptr) return {};
  base::MutexLock lock(refresh_mutex_);
  return refresh_replica(true);
}

Status DatabaseCore::refresh_replica(bool patient) {
  const Result<bool> changed = replica_->refresh(patient);
  stale_.store(!changed.ok());
  replica_lsn_.store(replica_->lsn());
  SPRINGG_RETURN_IF_ERROR(changed.status());
  catalog_behind_ = catalog_behind_ || *changed;
  if (!catalog_behind_) return {};
  // All that needs memory first: what is shown changes as a whole.
  auto indexes = replica_->indexes();
  storage::Manifest manifest = replica_->manifest();
  std::vector<std::string> names;
  names.reserve(indexes.size());
  for (const auto& entry : indexes) names.push_back(entry.first);
  {
    base::MutexLock lock(catalog_mutex_);
    indexes_.swap(indexes);
    durable_ = std::move(manifest);
    auto name = names.begin();
    for (const auto& entry : indexes_) entry.second->rename(std::move(*name++));
    for (auto old = indexes.begin(); old != indexes.end();) {
      const bool there = std::any_of(indexes_.begin(), indexes_.end(), [&](const auto& entry) {
        return entry.second == old->second;
      });
      old = there ? indexes.erase(old) : std::next(old);
    }
  }
  catalog_behind_ = false;
  for (const auto& dropped : indexes) dropped.second->drop();
  return {};
}

void DatabaseCore::follow() {
  // What fails is tried again the next time, and told to whoever calls refresh() or stats().
  static_cast<void>(guarded([&]() -> Status {
    base::MutexLock lock(refresh_mutex_);
    return refresh_replica(false);
  }));
}

}  // namespace springg::engine
